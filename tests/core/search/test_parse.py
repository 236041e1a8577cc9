"""Problems of a search's spec: all at once, each with its field and what to do."""

from typing import Any

import pytest

from finetune_core.planning.search.parse import check_search, parse_search, search_warnings
from finetune_core.problems import InvalidInputError

GOOD: dict[str, Any] = {
    "model": {"uri": "s3://bucket/model"},
    "tasks": [{"name": "rte"}],
    "space": {"learningRate": {"logUniform": [1e-5, 1e-3]}},
}


def told(**fields: Any) -> str:
    spec = {name: value for name, value in {**GOOD, **fields}.items() if value is not None}
    return "\n".join(map(str, check_search(parse_search(spec))))


def of(name: str, **kinds: Any) -> dict[str, Any]:
    return {"space": {name: kinds}}


def test_a_good_search_has_no_problem() -> None:
    assert told() == ""


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param(of("learningRate", uniform=[0.2, 0.1]), "must be less than max", id="min above max"),
        pytest.param(of("learningRate", logUniform=[0, 0.1]), "has no logarithm: raise it", id="log of zero"),
        pytest.param(of("learningRate", uniform=[0.1, 0.2], choice=[0.1]), "exactly one", id="two kinds"),
        pytest.param(of("learninRate", uniform=[0.1, 0.2]), "learninRate cannot be searched", id="unknown name"),
        pytest.param(of("warmupRatio", uniform=[0.0, 2.0]), "2.0 is no value of warmupRatio", id="out of bounds"),
        pytest.param(of("maxSteps", uniform=[10, 20]), "is no value of maxSteps", id="whole numbers"),
        pytest.param(of("trainBatchSize", choice=["many"]), "many is no value", id="no number"),
        pytest.param({"space": None}, "nothing to search", id="no space"),
        pytest.param({"algorithm": "Grid"}, "needs at least one grid", id="grid without grids"),
        pytest.param({"algorithm": "TPE", **of("learningRate", grid=[1e-5])}, "write choice", id="TPE over grids"),
        pytest.param({"trials": 2, "finalists": {"trials": 3}}, "more than the trials of rte", id="finalists"),
        pytest.param({"objective": {"metric": "pearson"}}, "pearson is not measured in rte", id="metric"),
        pytest.param(
            {"training": {"metricForBestModel": "f1"}}, "f1 is not measured in rte: use one of accuracy", id="best by"
        ),
        pytest.param(
            {"tasks": [{"name": "cola", "training": {"metricForBestModel": "accuracy"}}]},
            "spec.tasks[cola].training.metricForBestModel: accuracy is not measured in cola: use one of matthews",
            id="best of a task by",
        ),
        pytest.param(
            {"training": {"maxSteps": 50}, "tasks": [{"name": "rte", "training": {"evalSteps": 100}}]},
            "spec.tasks[rte].training.evalSteps: 100 exceeds maxSteps (50): lower evalSteps or raise maxSteps",
            id="evaluated after the end",
        ),
        pytest.param({"training": {"loadBestModelAtEnd": False}}, "set allowLastModel: true", id="last weights"),
        pytest.param(
            {"tasks": [{"name": "rte", "training": {"maxSteps": 5, "numTrainEpochs": 1}}]},
            "spec.tasks[rte].training: maxSteps and numTrainEpochs exclude each other: set one of them",
            id="steps and epochs",
        ),
        pytest.param(
            {"model": {"uri": "hf://a/b", "type": "sparse_bert"}},
            "spec.model.type: sparse_bert is no sparse type, so its zeros would not be kept: use one of",
            id="sparse type",
        ),
        pytest.param({"model": {"uri": "file:///m"}}, "local runs only", id="local files"),
        pytest.param(
            {"tasks": [{"name": "stsb"}], "training": {"labelSmoothingFactor": 0.1}},
            "spec.tasks[stsb].training.labelSmoothingFactor: stsb is a regression, without labels: set it to 0 in the",
            id="smoothed numbers",
        ),
        pytest.param(
            {"tasks": [{"name": "stsb"}], **of("labelSmoothingFactor", uniform=[0, 0.1])},
            "spec.tasks[stsb].space.labelSmoothingFactor: stsb is a regression, without labels: leave it to other",
            id="smoothed numbers in the space",
        ),
        pytest.param({"tasks": [{"name": "rtee"}]}, "none of GLUE's tasks (cola", id="unknown task"),
        pytest.param({"tasks": [{"name": "rte", "labels": ["a", "b"]}]}, "of a GLUE task are fixed", id="fixed labels"),
        pytest.param(
            {"tasks": [{"name": "mine", "problemType": "Regression"}]},
            "needs data.train",
            id="custom task without files",
        ),
        pytest.param(
            {"tasks": [{"name": "rte", "proxyFor": ["mrpc"]}, {"name": "mrpc"}]}, "searched itself", id="proxy searched"
        ),
        pytest.param(
            {"tasks": [{"name": "rte", "proxyFor": ["cola"]}, {"name": "mrpc", "proxyFor": ["cola"]}]},
            "named twice",
            id="proxy twice",
        ),
    ],
)
def test_a_problem_is_told_with_its_remedy(fields: dict[str, Any], message: str) -> None:
    assert message in told(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(
            {"training": {"metricForBestModel": "f1"}, "objective": {"metric": "accuracy"}}, id="the objective decides"
        ),
        pytest.param(
            {"training": {"evalSteps": 100}, "space": {"maxSteps": {"int": [10, 500]}}},
            id="maxSteps is searched: a short trial is evaluated at its end",
        ),
        pytest.param(
            {"training": {"maxSteps": 50}, "space": {"evalSteps": {"choice": [25, 50]}}}, id="evalSteps is searched"
        ),
        pytest.param({"training": {"loadBestModelAtEnd": False, "allowLastModel": True}}, id="last weights are meant"),
    ],
)
def test_what_fits_together_is_no_problem(fields: dict[str, Any]) -> None:
    assert told(**fields) == ""


def test_steps_that_are_no_multiple_of_evaluations_are_warned_of() -> None:
    def warned(**fields: Any) -> tuple[str, ...]:
        return search_warnings(parse_search({**GOOD, **fields}))

    assert warned(training={"maxSteps": 10, "evalSteps": 4}) == (
        "rte: maxSteps 10 is no multiple of evalSteps 4: use 8 or 12, or leave it: the last step is evaluated too",
    )
    assert warned(training={"maxSteps": 12, "evalSteps": 4}) == ()
    assert warned(training={"maxSteps": 10, "evalSteps": 4}, space={"maxSteps": {"int": [1, 9]}}) == ()


def test_last_weights_that_are_meant_are_warned_of() -> None:
    last = {"maxSteps": 10, "evalSteps": 5, "loadBestModelAtEnd": False, "allowLastModel": True}
    told_of = search_warnings(parse_search({**GOOD, "training": last}))
    assert told_of == ("rte: trials leave the last weights, not the best (allowLastModel)",)


def test_settings_of_a_scheduler_that_is_not_used_are_warned_of() -> None:
    told_of = search_warnings(parse_search({**GOOD, "training": {"maxSteps": 10, "evalSteps": 5}, "asha": {}}))
    assert told_of == ("spec.asha is not used by scheduler FIFO",)


def test_all_problems_come_at_once() -> None:
    text = told(
        tasks=[{"name": "rte"}, {"name": "rte"}],
        space={"learninRate": {"uniform": [1, 2]}, "weightDecay": {"uniform": [2, 1]}},
    )
    assert "listed more than once" in text
    assert "spec.tasks[rte].space.learninRate" in text
    assert "spec.tasks[rte].space.weightDecay" in text


def test_what_does_not_fit_the_schema_is_named_by_its_field() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_search({**GOOD, "trials": 0})
    assert "spec.trials" in str(caught.value)


def test_every_field_that_does_not_fit_goes_by_the_name_of_its_task() -> None:
    """As in an experiment; a list whose only entry is wrong is not also said to be too short."""
    raw = {"model": {"uri": "hf://a/b"}, "tasks": [{"name": "cola", "trials": 0}], "space": {"learningRate": {}}}
    with pytest.raises(InvalidInputError) as raised:
        parse_search(raw)
    assert [problem.field for problem in raised.value.problems] == ["spec.tasks[cola].trials"]
