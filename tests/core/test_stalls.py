"""Whose pod a run without a sign of life is at work in."""

import pytest

from finetune_core.api import Execution
from finetune_core.api.status import Reason
from finetune_core.deciding.observation import JobRole, PodView
from finetune_core.deciding.stalls import Sign, stalls, told

POD = PodView("exp-0-x", "exp", JobRole.TRAIN, 0, ended=False, uid="0f2c-44", running=True)


@pytest.mark.parametrize(
    ("attempt", "pod"),
    [
        pytest.param("0f2c-44", POD, id="a pod's only run"),
        pytest.param("0f2c-44-0123abcd", POD, id="one of several"),
        pytest.param("0f2c-4", None, id="another pod's"),
        pytest.param("0f2c-44-more-0123abcd", None, id="another pod's, of several"),
    ],
)
def test_a_run_is_stalled_where_the_pod_of_its_attempt_runs(attempt: str, pod: PodView | None) -> None:
    found = stalls({"run": Sign(attempt, "mark", since=0.0, due=2000.0)}, [POD], 1000.0, driven=False)

    assert [(stall.ident, stall.seconds, stall.pod) for stall in found] == (
        [] if pod is None else [("run", 1000.0, pod)]
    )


def test_a_run_of_a_driver_is_stalled_without_a_pod_and_its_message_says_what_a_person_can_do() -> None:
    found = stalls({"run": Sign("actor-1", "mark", since=0.0, due=4000.0)}, [POD], 3700.0, driven=True)
    reason, message, actions = told(found, Execution(), lambda _: "rte run 0", Reason.RUNNING, "0 of 1 runs ended.")

    assert [stall.pod for stall in found] == [None]
    assert (reason, actions) == (Reason.STALLED, ()), "pods of a Ray cluster are shared: none is ended"
    assert message.startswith("0 of 1 runs ended. rte run 0 has given no sign of life for 61 min: see its log; ")
    assert "delete its worker's pod" in message
