"""What the cluster says against an object of ours, by the field of the spec that it is about. Pure.

An API server that is asked for strict validation refuses fields that it does not know. Where such a field is the
spec's, its author has misspelt it; where it is ours, the cluster is older than this release, and does without it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finetune_core.api import Execution, PodTemplate
from finetune_core.json_types import Json
from finetune_core.problems import Problem
from finetune_kube.errors import RejectedError
from finetune_operator.manifests.pods import CACHE_VOLUME

_STRICT = re.compile('(unknown|duplicate) field "([^"]+)"')
_TEMPLATE = re.compile(r"(.*?\b)template\.(.+)")
_PLACE = re.compile(r"(volumes|env|volumeMounts)\[(\d+)\](.*)")
_CONTAINER = "spec.containers[0]."
_POD = "spec.execution.podTemplate"
_LISTS = {"volumes": "volumes", "env": "env", "volumeMounts": "volume_mounts"}
_SAME = ("nodeSelector", "tolerations", "affinity", "imagePullSecrets", "serviceAccountName", "priorityClassName")
_POD_FIELDS = frozenset({*_SAME, "runtimeClassName", "securityContext"})
_OF_CONTAINER = {"image": "image", "imagePullPolicy": "imagePullPolicy"}


@dataclass(frozen=True)
class Asked:
    """What a spec asks of pods; `resources` is its field, below `execution`, for those of the pod in question."""

    execution: Execution
    resources: str = "resources"


def is_strict(error: RejectedError) -> bool:
    """Whether fields that the cluster does not know are all that it has against an object."""
    return "strict decoding error" in error.reason


def problems_of(error: RejectedError, manifest: Mapping[str, Any], asked: Asked) -> tuple[Problem, ...]:
    """The problems of the spec's own fields; none where the cluster's words are about none of them."""
    told = [(path, f"the cluster knows no such field ({what} field {path})") for what, path in _told(error)]
    told += [(path, f"the cluster refuses it: {message}") for path, message in error.causes]
    found = ((_field(path, manifest, asked), message) for path, message in told)
    return tuple(dict.fromkeys(Problem(field, message) for field, message in found if field is not None))


def _told(error: RejectedError) -> list[tuple[str, str]]:
    return _STRICT.findall(error.reason) if is_strict(error) else []


def _field(path: str, manifest: Mapping[str, Any], asked: Asked) -> str | None:
    """The field of the spec that a path in the manifest comes from; None for what the operator itself put there."""
    parts = _TEMPLATE.fullmatch(path)
    if parts is None:
        return None
    before, inner = parts.groups()
    # Of metadata, the API server leaves out the word.
    if (of_metadata := inner.removeprefix("metadata.")).startswith(("labels", "annotations")):
        return f"{_POD}.{of_metadata}"
    if inner.startswith(_CONTAINER):
        return _of_container(inner.removeprefix(_CONTAINER), _pod(manifest, before), asked, before)
    rest = inner.removeprefix("spec.")
    if re.match("[A-Za-z]+", rest) and re.split(r"[.\[]", rest)[0] in _POD_FIELDS:
        return f"{_POD}.{rest}" if _is_asked(rest, asked) else None
    return _of_list(rest, _pod(manifest, before), asked)


def _is_asked(rest: str, asked: Asked) -> bool:
    """Whether the spec says something there; the operator has a security context of its own."""
    extra = asked.execution.pod_template or PodTemplate()
    return not rest.startswith("securityContext") or extra.security_context is not None


def _of_container(rest: str, pod: Json, asked: Asked, before: str) -> str | None:
    name = re.split(r"[.\[]", rest)[0]
    if name == "resources":
        resources = "ray.headResources" if "headGroupSpec" in before else asked.resources
        return f"spec.execution.{rest.replace('resources', resources, 1)}"
    if name in _OF_CONTAINER:
        return f"spec.execution.{name}"
    extra = asked.execution.pod_template or PodTemplate()
    if name == "securityContext" and extra.container_security_context is not None:
        return f"{_POD}.{rest.replace('securityContext', 'containerSecurityContext', 1)}"
    containers = pod.get("containers") or [{}]
    return _of_list(rest, containers[0], asked)


def _of_list(rest: str, holder: Json, asked: Asked) -> str | None:
    """An entry of a list to which the spec adds some: by what it is, since ours are before and behind them."""
    found = _PLACE.match(rest)
    if found is None:
        return None
    name, place, more = found[1], int(found[2]), found[3]
    entries = holder.get(name) or []
    if place < len(entries) and entries[place].get("name") == CACHE_VOLUME:
        return f"spec.execution.cache{more}"
    own = getattr(asked.execution.pod_template or PodTemplate(), _LISTS[name]) or []
    if place >= len(entries) or entries[place] not in own:
        return None
    return f"{_POD}.{name}[{own.index(entries[place])}]{more}"


def _pod(manifest: Mapping[str, Any], before: str) -> Json:
    """The pod's spec below a path such as `spec.` or `spec.rayClusterSpec.workerGroupSpecs[0].`."""
    part: Any = manifest
    for name, place in re.findall(r"(\w+)(?:\[(\d+)\])?\.", before):
        part = part.get(name) or {}
        part = part[int(place)] if place and isinstance(part, list) else part
    pod: Json = part.get("template", {}).get("spec", {})
    return pod
