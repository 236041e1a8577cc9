"""The checker finds each way in which an end can be wrong; forged ends that are right have nothing wrong."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chaos.check_results import check_calm, check_ending
from chaos.forged import experiment, search
from chaos.observed import Ending

Spoil = Callable[[Ending], object]
FIRST = "runs/rte/id-rte-0/result.json"
BEST = "runs/rte/id-rte-1/result.json"
PREDICTED = "runs/rte/id-rte-0/attempts/pod-rte-0/predictions/rte.tsv"
TRIAL = "trials/rte/00000/result.json"


def _pointer(end: Ending) -> dict[str, Any]:
    found: dict[str, Any] = end.documents["best/wnli.json"]
    return found


def test_a_flawless_end_has_nothing_wrong() -> None:
    assert list(check_ending(experiment(), experiment(name="calm"))) == []
    assert list(check_ending(experiment(runs=2), experiment(name="calm"))) == []
    assert list(check_ending(search(), search(name="calm-search"))) == []
    assert list(check_calm(experiment())) == []
    assert list(check_calm(search())) == []


@pytest.mark.parametrize(
    ("invariant", "spoil"),
    [
        pytest.param("each run one result", lambda end: end.documents.pop(FIRST), id="lost"),
        pytest.param("each run one result", lambda end: end.documents.update({FIRST: None}), id="torn"),
        pytest.param("same numbers", lambda end: end.documents[FIRST].update(value=0.4), id="value"),
        pytest.param("same numbers", lambda end: end.documents[FIRST].update(seed=1), id="seed"),
        pytest.param("same numbers", lambda end: end.documents[FIRST]["metrics"].update(accuracy=0.4), id="metric"),
        pytest.param(
            "same numbers",
            lambda end: end.documents[FIRST]["predictions"]["rte.tsv"].update(sha256="other"),
            id="told-predictions",
        ),
        pytest.param("same numbers", lambda end: end.digests.update({PREDICTED: "other"}), id="file-of-predictions"),
        pytest.param("same numbers", lambda end: end.digests.pop(PREDICTED), id="no-file-of-predictions"),
        pytest.param("status = store", lambda end: end.status["runs"].update(succeeded=5), id="succeeded"),
        pytest.param("status = store", lambda end: end.status["runs"].update(total=8), id="total"),
        pytest.param("status = store", lambda end: end.status["runs"].update(running=1), id="running"),
        pytest.param("status = store", lambda end: end.status.update(score="61.00 (2/9)"), id="score"),
        pytest.param("status = store", lambda end: end.status.pop("score"), id="no-score"),
        pytest.param(
            "best = maximum", lambda end: end.status["tasks"][0]["best"].update(value=0.625), id="best-of-status"
        ),
        pytest.param("best = maximum", lambda end: end.status["tasks"][0].pop("best"), id="no-best"),
        pytest.param(
            "best = maximum", lambda end: end.documents["best/wnli.json"].update(value=0.25), id="best-of-store"
        ),
        pytest.param("best = maximum", lambda end: end.documents.pop("best/wnli.json"), id="no-best-in-store"),
        pytest.param(
            "best = maximum",
            lambda end: [one.update(runId="id-wnli-0") for one in (end.status["tasks"][1]["best"], _pointer(end))],
            id="run-of-another-value",
        ),
        pytest.param("best = maximum", lambda end: _pointer(end).update(runId="id-wnli-0"), id="run-of-the-pointer"),
        pytest.param("status = store", lambda end: end.status["tasks"][0].update(mean=0.61), id="mean"),
        pytest.param("status = store", lambda end: end.status["tasks"][0].pop("std"), id="no-std"),
        pytest.param("status = store", lambda end: end.status["tasks"][1].update(failed=1), id="failed"),
        pytest.param("status = store", lambda end: end.status["failures"].append({"run": 0}), id="failures"),
        pytest.param(
            "report = store",
            lambda end: end.digests.update({"best/predictions/rte.tsv": "other"}),
            id="best-predictions",
        ),
        pytest.param("report = store", lambda end: end.documents.pop("results.json"), id="no-table"),
        pytest.param("report = store", lambda end: end.documents["results.json"]["runs"].pop(), id="row"),
        pytest.param(
            "report = store",
            lambda end: end.documents["results.json"]["runs"][0].update(value=0.4),
            id="value-of-a-row",
        ),
        pytest.param(
            "report = store",
            lambda end: end.documents["results.json"]["tasks"][0]["best"].update(runId="id-rte-0"),
            id="best-of-the-table",
        ),
    ],
)
def test_an_experiments_end_that_is_wrong_is_found(invariant: str, spoil: Spoil) -> None:
    end = copy.deepcopy(experiment())
    spoil(end)

    assert invariant in {violation.invariant for violation in check_ending(end, experiment(name="calm"))}


@pytest.mark.parametrize(
    ("invariant", "spoil"),
    [
        pytest.param("each run one result", lambda end: end.documents.pop(TRIAL), id="lost"),
        pytest.param("each run one result", lambda end: end.documents[TRIAL].update(state="Failed"), id="failed-trial"),
        pytest.param("same numbers", lambda end: end.documents[TRIAL].update(value=0.4), id="value"),
        pytest.param(
            "same numbers", lambda end: end.documents[TRIAL]["config"].update(learningRate=1), id="configuration"
        ),
        pytest.param("status = store", lambda end: end.status["trials"].update(completed=2, stopped=1), id="counts"),
        pytest.param("status = store", lambda end: end.status["trials"].update(running=1), id="running"),
        pytest.param("best = maximum", lambda end: end.status["tasks"][0]["best"].update(value=0.5), id="best"),
        pytest.param("best = maximum", lambda end: end.status["tasks"][0]["best"].update(trial=0), id="trial"),
        pytest.param("status = store", lambda end: end.status["tasks"][0].update(failed=1), id="failed"),
        pytest.param("report = store", lambda end: end.exported.clear(), id="no-config-map"),
        pytest.param(
            "report = store", lambda end: end.exported.update({"rte.yaml": "learningRate: 0.1"}), id="config-map"
        ),
        pytest.param("report = store", lambda end: end.documents.pop("hps/best.json"), id="no-best-of-store"),
        pytest.param(
            "report = store",
            lambda end: end.documents["hps/best.json"]["tasks"]["rte"].update(trial=2),
            id="best-of-store",
        ),
    ],
)
def test_a_searchs_end_that_is_wrong_is_found(invariant: str, spoil: Spoil) -> None:
    end = copy.deepcopy(search())
    spoil(end)

    assert invariant in {violation.invariant for violation in check_ending(end, search(name="calm-search"))}


def test_a_run_more_than_was_asked_for_does_not_count_as_one_of_them() -> None:
    end = experiment(runs=3)

    found = {violation.invariant for violation in check_ending(replace(end, runs=2), experiment(name="calm"))}

    assert found == {"status = store", "report = store"}, "status and table count three runs of two"


def test_undisturbed_runs_of_a_task_that_are_the_same_say_nothing() -> None:
    end = experiment()
    for key in [key for key in end.documents if key.endswith("/result.json")]:
        task, run = key.split("/")[1:3]
        end.documents[key] = {**end.documents[f"runs/{task}/id-{task}-0/result.json"], "run": int(run[-1])}

    found = list(check_calm(end))

    assert [violation.invariant for violation in found] == ["runs differ"] * 4, "tasks differ, runs within them do not"
    assert "runs/rte/id-rte-1/result.json has the numbers of runs/rte/id-rte-0/result.json" in found[0].what


def test_two_undisturbed_trials_that_are_the_same_say_nothing() -> None:
    end = search()
    end.documents["trials/rte/00001/result.json"] |= {name: end.documents[TRIAL][name] for name in ("value", "metrics")}

    assert [violation.invariant for violation in check_calm(end)] == ["runs differ"]
