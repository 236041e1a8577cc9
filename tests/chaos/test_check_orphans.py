"""The checker finds what is left over."""

import pytest

from chaos.check_orphans import check_gone, check_settled
from chaos.forged import child, job, look, pod
from finetune_core.json_types import Json


def test_what_is_owned_ended_and_needed_may_stay() -> None:
    assert list(check_settled(look())) == []


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ({"jobs": [job("lost", owner="gone", ended=True)]}, "jobs/lost has no owner"),
        ({"pods": [pod("a", "Succeeded", owner="gone")]}, "pods/pod-a has no owner"),
        ({"configmaps": [child("plan", owner="")]}, "configmaps/plan has no owner"),
        ({"jobs": [job("job")]}, "jobs/job has not ended"),
        ({"jobs": [job("job", suspend=True)]}, "jobs/job has not ended"),
        ({"pods": [pod("a")]}, "pods/pod-a is Running"),
        ({"pods": [pod("a", "Pending")]}, "pods/pod-a is Pending"),
        ({"configmaps": [child("plan"), child("old")]}, "configmaps/old is used by nothing"),
        ({"networkpolicies": [child("closed")]}, "networkpolicies/closed has no cluster"),
    ],
)
def test_what_is_left_over_is_found(left: dict[str, list[Json]], words: str) -> None:
    told = [str(violation) for violation in check_settled(look(**left))]

    assert any(words in one for one in told), told


def test_a_config_map_that_a_status_names_is_needed() -> None:
    settled = look(configmaps=[child("plan"), child("hyperparameters")])
    assert settled.owners
    settled.owners["storm"]["status"] = {"configMap": "hyperparameters"}

    assert list(check_settled(settled)) == []


def test_nothing_outlives_its_owner() -> None:
    nothing = {"pods": [], "jobs": [], "configmaps": []}

    assert list(check_gone(look(**nothing))) == []
    assert "outlives" in str(*check_gone(look(**{**nothing, "jobs": [job("job", ended=True)]})))
