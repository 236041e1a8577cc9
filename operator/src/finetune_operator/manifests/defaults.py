"""What the operator's administrator sets for the pods that it makes: the chart's value `pods`, as JSON.

A spec says more about its own pods. Nothing that runs is interrupted for these: docs/decisions/0029.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_core.api import Resources
from finetune_core.api.common import ApiModel
from finetune_core.frozen import empty
from finetune_core.json_types import Json

USER_ID = 65532


class TemplatePolicy(StrEnum):
    """What a spec's podTemplate may ask for: all that the cluster lets it, or nothing beyond its own namespace."""

    ANY = "Any"
    RESTRICTED = "Restricted"


class UserIds(ApiModel):
    """Who a pod runs as; without them the cluster says it (OpenShift does)."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    fs_group: int | None = None


NO_IDS = UserIds()


def _resources(requests: dict[str, int | str], limits: dict[str, int | str]) -> Resources:
    return Resources(requests=requests, limits=limits)


class PodDefaults(ApiModel):
    """Resources for what a spec says nothing of, by role; `user_ids` of all pods; `template_policy`.

    `env` are variables of all pods: the way out through a proxy.
    """

    training: Resources = _resources({"ephemeral-storage": "2Gi"}, {"ephemeral-storage": "100Gi"})
    ray_head: Resources = _resources(
        {"cpu": "200m", "memory": "1Gi", "ephemeral-storage": "1Gi"},
        {"cpu": "2", "memory": "4Gi", "ephemeral-storage": "20Gi"},
    )
    report: Resources = _resources(
        {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "256Mi"},
        {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "10Gi"},
    )
    resolve: Resources = _resources(
        {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "256Mi"},
        {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "2Gi"},
    )
    publish: Resources = _resources(
        {"cpu": "100m", "memory": "512Mi", "ephemeral-storage": "1Gi"},
        {"cpu": "1", "memory": "4Gi", "ephemeral-storage": "50Gi"},
    )
    user_ids: UserIds = UserIds(run_as_user=USER_ID, run_as_group=USER_ID, fs_group=USER_ID)
    template_policy: TemplatePolicy = Field(default=TemplatePolicy.ANY)
    env: Annotated[dict[str, str], Field(default_factory=dict, exclude_if=empty)]


DEFAULTS = PodDefaults()


def resources_of(asked: Resources | None, defaults: Resources) -> Json:
    """Requests and limits of a container: the spec's word on a resource alone, the default where it says none."""
    chosen, usual = asked or Resources(), defaults
    named = {*(chosen.requests or {}), *(chosen.limits or {})}
    merged = {
        side: {
            **{name: amount for name, amount in (getattr(usual, side) or {}).items() if name not in named},
            **(getattr(chosen, side) or {}),
        }
        for side in ("requests", "limits")
    }
    return {side: amounts for side, amounts in merged.items() if amounts}
