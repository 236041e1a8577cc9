"""Whose an object is: what labels and annotations say can be written by anybody who may edit the namespace. Pure."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from finetune_core.api.crd import GROUP
from finetune_core.canonical import short_hash
from finetune_core.json_types import Json
from finetune_kube import names
from finetune_kube.kinds import KINDS

_HASH_LENGTH = 10
_HASH = re.compile(f"[0-9a-f]{{{_HASH_LENGTH}}}")


def controller_of(item: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The owner reference of the experiment or search that controls an object, None if none does."""
    for owner in item["metadata"].get("ownerReferences") or ():
        ours = str(owner.get("apiVersion", "")).partition("/")[0] == GROUP
        if owner.get("controller") and ours and owner.get("kind") in {kind.kind for kind in KINDS}:
            reference: Mapping[str, Any] = owner
            return reference
    return None


def is_owned_by(item: Mapping[str, Any], uid: str) -> bool:
    """Whether the experiment or search of that uid controls the object."""
    controller = controller_of(item)
    return controller is not None and bool(uid) and controller.get("uid") == uid


def plan_name(job: str, plan: object) -> str:
    """Name of the ConfigMap of a Job's plan (as JSON): one name is one content, since it cannot be changed."""
    return f"{job}-{short_hash(plan, _HASH_LENGTH)}"


def claimed_plan(job: Mapping[str, Any]) -> str | None:
    """The name of its plan's ConfigMap that a Job claims, if it is one that this Job's plan can have."""
    metadata = job["metadata"]
    name = str((metadata.get("annotations") or {}).get(names.PLAN_ANNOTATION, ""))
    prefix = f"{metadata['name']}-"
    return name if name.startswith(prefix) and _HASH.fullmatch(name.removeprefix(prefix)) else None


def own_plan(job: Mapping[str, Any], uid: str, get: Callable[[str], Json | None]) -> Json | None:
    """The ConfigMap of a Job's plan by `get` of its name; None unless it is controlled by `uid` and holds that plan."""
    name = claimed_plan(job)
    found = get(name) if name is not None else None
    if name is None or found is None or not is_owned_by(found, uid):
        return None
    try:
        content = json.loads(plan_text(found))
        return found if plan_name(job["metadata"]["name"], content) == name else None
    except (ValueError, RecursionError):
        # No JSON, or none that can be hashed (NaN).
        return None


def plan_text(config_map: Mapping[str, Any]) -> str:
    """The plan in a ConfigMap, empty if there is none."""
    return str((config_map.get("data") or {}).get(names.PLAN_FILE) or "")
