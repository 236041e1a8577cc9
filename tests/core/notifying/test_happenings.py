"""What happened between two statuses: told once, whatever else is in them."""

from typing import Any

import pytest

from finetune_core.api.notifications import NotificationEvent
from finetune_core.api.search_status import HPSearchStatus
from finetune_core.api.status import ExperimentStatus
from finetune_core.json_types import Json
from finetune_core.notifying.happenings import happenings

NOW = "2026-01-01T00:00:00Z"


def condition(type_: str, status: str, reason: str) -> Json:
    said = f"It is {reason}."
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": said,
        "lastTransitionTime": NOW,
        "observedGeneration": 1,
    }


def conditions(
    succeeded: str, reason: str, *, finished: bool = False, valid: tuple[str, str] = ("True", "Accepted")
) -> Json:
    told = valid[1] if valid[0] == "False" else reason
    return {
        "conditions": [
            condition("Valid", *valid),
            condition("Succeeded", succeeded, reason),
            condition("Finished", str(finished), told),
        ]
    }


def task(name: str, done: str, run_id: str, value: float, **fields: Any) -> Json:
    best = {"run": 0, "runId": run_id, "seed": 1, "value": value, "step": 10, "uri": "s3://b/x"}
    return {"name": name, "metric": "accuracy", "runs": done, "best": best, **fields}


def trial(done: str, trial_id: str, value: float, *, finalist: bool = False) -> Json:
    best = {"trial": 3, "trialId": trial_id, "value": value, "step": 1, "hyperparameters": {}, "finalist": finalist}
    return {"tasks": [{"name": "rte", "metric": "loss", "trials": done, "best": best}]}


def failure(run: int) -> Json:
    return {"task": "cola", "run": run, "runId": f"{run:016x}", "reason": "OutOfMemory", "message": "needs\nmore"}


RUNNING = conditions("Unknown", "Running")
ENDED = conditions("True", "AllRunsSucceeded", finished=True)
FAILED = conditions("False", "TaskFailed", finished=True)
STALLED = conditions("Unknown", "Stalled")
NO_SECRET = conditions("False", "InvalidSpec", valid=("False", "SecretNotFound"))


def published(status: str, reason: str, *runs: str) -> Json:
    """An experiment whose models lie where they should, or not."""
    model = {"name": "hub", "task": "rte", "run": 0, "time": NOW}
    models = [model | {"runId": run, "uri": f"hf://a/b@{run}"} for run in runs]
    return {"conditions": [*RUNNING["conditions"], condition("Published", status, reason)], "published": models}


PUBLISHING = published("Unknown", "Publishing")
WRONG = conditions("False", "InvalidSpec", finished=True, valid=("False", "InvalidSpec"))

CASES: dict[str, tuple[Json, Json, list[str]]] = {
    "the first look": ({}, RUNNING, []),
    "nothing new": (RUNNING, RUNNING, []),
    "the end": (RUNNING, ENDED, ["Finished"]),
    "the end again": (ENDED, ENDED, []),
    "a bad end": (RUNNING, FAILED, ["Failed"]),
    "a bad end that is mended at once": (FAILED, ENDED, ["Finished"]),
    "it goes on": (ENDED, RUNNING, []),
    "a spec that is wrong": ({}, WRONG, ["Failed"]),
    "a spec that stays wrong": (WRONG, WRONG, []),
    "no sign of life": (RUNNING, STALLED, ["Stalled"]),
    "still none": (STALLED, STALLED, []),
    "no room": (RUNNING, conditions("Unknown", "Blocked"), ["Blocked"]),
    "a Secret that may come": (RUNNING, NO_SECRET, ["Blocked"]),
    "something else that may come": (
        NO_SECRET,
        conditions("False", "InvalidSpec", valid=("False", "InputNotFound")),
        ["Blocked"],
    ),
    "the store is away and comes by itself": (RUNNING, conditions("Unknown", "StorageUnavailable"), []),
    "a first best": (RUNNING, RUNNING | {"tasks": [task("rte", "1/3", "a", 0.5)]}, ["NewBest"]),
    "a better one": ({"tasks": [task("rte", "1/3", "a", 0.5)]}, {"tasks": [task("rte", "2/3", "b", 0.6)]}, ["NewBest"]),
    "a worse run": ({"tasks": [task("rte", "1/3", "a", 0.5)]}, {"tasks": [task("rte", "2/3", "a", 0.5)]}, []),
    "the best is quarantined": (
        {"tasks": [task("rte", "2/3", "b", 0.6)]},
        {"tasks": [task("rte", "1/3", "a", 0.5)]},
        [],
    ),
    "one run fails": (RUNNING, RUNNING | {"failures": [failure(1)]}, ["RunFailed"]),
    "it stays failed": ({"failures": [failure(1)]}, {"failures": [failure(1)]}, []),
    "more than are listed": (
        {"failures": [failure(1)], "failuresOmitted": 1},
        {"failures": [failure(1)], "failuresOmitted": 3},
        ["RunFailed"],
    ),
    "one that is listed now": ({"failures": [failure(1)], "failuresOmitted": 1}, {"failures": [failure(2)]}, []),
    "models are published": (PUBLISHING, published("True", "Published", "a"), ["Published"]),
    "a better one is": (published("True", "Published", "a"), published("True", "Published", "b"), ["Published"]),
    "they lie there all along": (published("True", "Published", "a"), published("True", "Published", "a"), []),
    "a place refuses": (PUBLISHING, published("False", "PublishFailed"), ["Published"]),
    "it refuses still": (published("False", "PublishFailed"), published("False", "PublishFailed"), []),
    "all at once": (
        RUNNING,
        FAILED | {"failures": [failure(1)], "tasks": [task("rte", "1/2", "a", 0.5)]},
        ["RunFailed", "NewBest", "Failed"],
    ),
}
SEARCHES: dict[str, tuple[Json, Json, list[str]]] = {
    "a better trial, of a loss": (trial("1/9", "a", 0.5), trial("2/9", "b", 0.4), ["NewBest"]),
    "a finalist, whose mean is less": (trial("9/9", "a", 0.5), trial("9/9", "a", 0.6, finalist=True), ["NewBest"]),
    "a trial that went": (trial("2/9", "b", 0.4), trial("1/9", "a", 0.5), []),
    "the end": (RUNNING, ENDED, ["Finished"]),
    "a cluster fails": (
        {},
        {"failures": [{"task": "rte", "cluster": 1, "reason": "Crashed", "message": "x"}]},
        ["RunFailed"],
    ),
}


@pytest.mark.parametrize(("before", "after", "told"), CASES.values(), ids=CASES)
def test_of_an_experiment(before: Json, after: Json, told: list[str]) -> None:
    found = happenings(ExperimentStatus.model_validate(before), ExperimentStatus.model_validate(after))
    assert [one.event.value for one in found] == told


@pytest.mark.parametrize(("before", "after", "told"), SEARCHES.values(), ids=SEARCHES)
def test_of_a_search(before: Json, after: Json, told: list[str]) -> None:
    found = happenings(HPSearchStatus.model_validate(before), HPSearchStatus.model_validate(after))
    assert [one.event.value for one in found] == told


def test_who_asks_for_the_end_hears_of_a_bad_one_too() -> None:
    (end,) = happenings(ExperimentStatus.model_validate(RUNNING), ExperimentStatus.model_validate(FAILED))
    assert end.is_asked_for((NotificationEvent.FINISHED,))
    assert end.is_asked_for((NotificationEvent.FAILED,))
    assert not end.is_asked_for((NotificationEvent.STALLED,))
    (good,) = happenings(ExperimentStatus.model_validate(RUNNING), ExperimentStatus.model_validate(ENDED))
    assert not good.is_asked_for((NotificationEvent.FAILED,))


def test_texts_say_what_is_new_in_a_line() -> None:
    before = ExperimentStatus.model_validate({"tasks": [task("rte", "1/3", "a", 0.5)]})
    after = ExperimentStatus.model_validate(
        {"tasks": [task("rte", "2/3", "b", 0.6)], "failures": [failure(number) for number in range(8)]}
    )
    failed, best = happenings(before, after)
    assert failed.message.startswith("cola run 0: OutOfMemory: needs more; cola run 1")
    assert failed.message.endswith("; and 3 more")
    assert (failed.tasks, best.tasks) == (("cola",), ("rte",))
    assert best.message == "rte: accuracy 60.00 (run 0, before 50.00)"
