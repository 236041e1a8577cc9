"""People get at experiments by Kubernetes' own roles view, edit and admin."""

import pytest

from finetune_core.json_types import Json
from support.helm import of_kind, render

pytestmark = pytest.mark.apiserver

LABEL = "rbac.authorization.k8s.io/aggregate-to-"


def verbs_of(role: str, **values: object) -> set[str]:
    """What the chart adds to one of Kubernetes' roles."""
    added: list[Json] = [
        one for one in of_kind(render(**values), "ClusterRole") if one["metadata"]["labels"].get(f"{LABEL}{role}")
    ]
    return {verb for one in added for rule in one["rules"] for verb in rule["verbs"]}


def test_viewers_read_and_editors_change() -> None:
    reading = {"get", "list", "watch"}
    assert verbs_of("view") == reading
    assert (
        verbs_of("edit")
        == verbs_of("admin")
        == reading
        | {
            "create",
            "update",
            "patch",
            "delete",
            "deletecollection",
        }
    )


def test_they_are_about_our_own_kinds_alone() -> None:
    roles = [one for one in of_kind(render(), "ClusterRole") if any(LABEL in key for key in one["metadata"]["labels"])]
    for rule in (rule for role in roles for rule in role["rules"]):
        assert rule["apiGroups"] == ["finetune.dev"]
        assert rule["resources"] == ["finetuneexperiments", "hpsearches"]


def test_they_can_be_left_out() -> None:
    assert verbs_of("view", userRoles={"create": False}) == set()
