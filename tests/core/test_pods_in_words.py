"""What the pods of a Job do, as the status says it: that some wait their turn is nothing to worry about."""

from dataclasses import replace

import pytest

from finetune_core.api.status import Reason
from finetune_core.deciding.experiment.decision import decide
from finetune_core.deciding.observation import JobRole, PodView

from .test_decide import job, observation

FULL = "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient nvidia.com/gpu. preemption: 0/1 nodes are available"
TAINT = "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: true}"


def said(active: int, ready: int, blocked: str | None = None, message: str = "") -> tuple[Reason, str]:
    seen = observation()
    pod = PodView("p", "job", JobRole.TRAIN, 0, ended=False, blocked=blocked, blocked_message=message)
    decision = decide(replace(seen, jobs=(job(seen, active=active, ready=ready),), pods=(pod,)))
    return decision.reason, decision.message.partition("pods: ")[2]


@pytest.mark.parametrize(
    ("active", "ready", "words"),
    [(0, 0, "0 running."), (2, 2, "2 running."), (2, 1, "1 running, 1 starting."), (1, 0, "0 running, 1 starting.")],
)
def test_pods_run_or_start(active: int, ready: int, words: str) -> None:
    assert said(active, ready) == (Reason.RUNNING, words)


def test_a_pod_that_waits_for_room_while_others_run_is_no_problem() -> None:
    assert said(2, 1, "Unschedulable", FULL) == (
        Reason.RUNNING, "1 running, 1 waiting: insufficient cpu, nvidia.com/gpu."
    )  # fmt: skip


def test_where_none_runs_the_schedulers_words_are_told_too() -> None:
    reason, words = said(1, 0, "Unschedulable", FULL)
    assert reason == Reason.BLOCKED
    assert words.startswith("0 running, 1 waiting: insufficient cpu, nvidia.com/gpu. Pod p cannot start: Unschedulable")


@pytest.mark.parametrize(("blocked", "message"), [("Unschedulable", TAINT), ("ErrImagePull", "Insufficient luck")])
def test_what_no_waiting_mends_is_told_though_others_run(blocked: str, message: str) -> None:
    assert said(2, 1, blocked, message) == (
        Reason.RUNNING, f"1 running, 1 waiting. Pod p cannot start: {blocked}: {message}"
    )  # fmt: skip
