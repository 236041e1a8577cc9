"""What the administrator lets a spec ask of its pods (the chart's value `pods.templatePolicy`). Pure.

`Restricted` keeps pods to their own namespace: no files of the node, no identity of another. It leaves out what Pod
Security Standards leave out (tokens, service accounts) and holds in namespaces that are not labelled for them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from finetune_core.api import Cache, PodTemplate
from finetune_core.problems import Problem
from finetune_operator.manifests.defaults import TemplatePolicy

_FIELD = "spec.execution.podTemplate"
_SOURCES = ("configMap", "secret", "emptyDir", "persistentVolumeClaim", "ephemeral", "downwardAPI", "projected")
_WEAK_POD = {"runAsNonRoot": True}
_WEAK_CONTAINER = {"privileged": False, "allowPrivilegeEscalation": False, "runAsNonRoot": True}
_NOT_ASKED_FOR = frozenset(
    {"capabilities", "seccompProfile", "seLinuxOptions", "sysctls", "procMount", "appArmorProfile", "windowsOptions"}
)
_BY = "the operator's administrator does not allow it (pods.templatePolicy: Restricted)"


def pod_problems(template: PodTemplate, cache: Cache | None, policy: TemplatePolicy) -> tuple[Problem, ...]:
    """What of a pod template or a cache is not allowed, with what to do instead."""
    return () if policy == TemplatePolicy.ANY else (*_of_template(template), *_of_cache(cache))


def _of_cache(cache: Cache | None) -> Iterator[Problem]:
    if cache is not None and cache.host_path is not None:
        yield Problem("spec.execution.cache.hostPath", f"{_BY}. Use persistentVolumeClaim")


def _of_template(template: PodTemplate) -> Iterator[Problem]:
    for place, volume in enumerate(template.volumes or ()):
        yield from _volume(f"{_FIELD}.volumes[{place}]", volume)
    if template.service_account_name is not None:
        yield Problem(f"{_FIELD}.serviceAccountName", f"{_BY}. Remove it, or give keys by storage.secretRef")
    yield from _security(f"{_FIELD}.securityContext", template.security_context, _WEAK_POD)
    yield from _security(f"{_FIELD}.containerSecurityContext", template.container_security_context, _WEAK_CONTAINER)


def _volume(field: str, volume: Mapping[str, Any]) -> Iterator[Problem]:
    for source in sorted(volume.keys() - {"name", *_SOURCES}):
        yield Problem(f"{field}.{source}", f"{_BY}. Use one of {', '.join(_SOURCES)}")
    projected = volume.get("projected")
    sources = projected.get("sources") if isinstance(projected, dict) else None
    for place, source in enumerate(sources if isinstance(sources, list) else ()):
        for kind in sorted(source.keys() - {"configMap", "secret", "downwardAPI"} if isinstance(source, dict) else ()):
            yield Problem(f"{field}.projected.sources[{place}].{kind}", f"{_BY}. Remove it")


def _security(field: str, context: Mapping[str, Any] | None, strong: Mapping[str, bool]) -> Iterator[Problem]:
    """What the Pod Security Standard `restricted` refuses."""
    given = context or {}
    for name, value in strong.items():
        if name in given and given[name] is not value:
            yield Problem(f"{field}.{name}", f"{_BY}. Remove it, or set it to {str(value).lower()}")
    if given.get("runAsUser") == 0:
        yield Problem(f"{field}.runAsUser", f"{_BY}: 0 is root. Use another user, or remove it")
    for name in sorted(given.keys() & _NOT_ASKED_FOR):
        yield Problem(f"{field}.{name}", f"{_BY}. Remove it")
