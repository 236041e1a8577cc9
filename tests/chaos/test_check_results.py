"""The checker finds each way in which an end can be wrong; forged ends that are right have nothing wrong."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest

from chaos.check_results import check_calm, check_ending
from chaos.forged import experiment, search
from chaos.observed import Ending

Spoil = Callable[[Ending], object]
FIRST = "runs/rte/id-rte-0/result.json"
BEST = "runs/rte/id-rte-1/result.json"
PREDICTED = "runs/rte/id-rte-0/attempts/pod-rte-0/predictions/rte.tsv"
TRIAL = "trials/rte/00000/result.json"


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
        pytest.param("same numbers", lambda end: end.documents[TRIAL].update(value=0.4), id="value"),
        pytest.param(
            "same numbers", lambda end: end.documents[TRIAL]["config"].update(learningRate=1), id="configuration"
        ),
        pytest.param("status = store", lambda end: end.status["trials"].update(completed=2, stopped=1), id="counts"),
        pytest.param("status = store", lambda end: end.status["trials"].update(running=1), id="running"),
        pytest.param("best = maximum", lambda end: end.status["tasks"][0]["best"].update(value=0.5), id="best"),
    ],
)
def test_a_searchs_end_that_is_wrong_is_found(invariant: str, spoil: Spoil) -> None:
    end = copy.deepcopy(search())
    spoil(end)

    assert invariant in {violation.invariant for violation in check_ending(end, search(name="calm-search"))}


def test_a_run_more_than_was_asked_for_does_not_count_as_one_of_them() -> None:
    end = experiment(runs=3)

    found = {violation.invariant for violation in check_ending(replace(end, runs=2), experiment(name="calm"))}

    assert found == {"status = store"}, "the status counts three runs of two"


def test_undisturbed_runs_that_are_all_the_same_say_nothing() -> None:
    end = experiment()
    same = {key: end.documents[FIRST] for key in end.documents if key.startswith("runs/")}

    assert [violation.invariant for violation in check_calm(replace(end, documents=same))] == ["runs differ"]
