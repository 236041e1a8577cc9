"""What a task of a user's own may list as metrics, its functions among them; labels where a text can have several."""

import sys
from pathlib import Path
from typing import Any

import pytest

from finetune_core.api import TaskSpec
from finetune_core.planning.checks.tasks import definition_problems
from finetune_core.planning.parse import check_spec, define, parse_spec
from finetune_core.planning.plan import TaskPlan
from finetune_core.results.aggregate import summarise, task_score
from finetune_core.results.document import build_document
from finetune_core.tables import figures
from finetune_core.tables.experiment import results_csv, results_markdown
from finetune_core.tasks.metrics import LISTED, METRICS, greater_is_better, is_share
from support.results import outcome_of, plan_of, result_of, task_plan

DATA = {"train": "train.jsonl", "validation": "dev.jsonl", "textColumns": ["text"]}
TOP3: dict[str, Any] = {"name": "top3", "function": "our_metrics:top_three", "greaterIsBetter": True}
COST: dict[str, Any] = {"name": "cost", "function": "our.metrics:cost_of", "greaterIsBetter": False}


def spec(data: dict[str, Any] | None = None, **fields: Any) -> TaskSpec:
    made = {"name": "mine", "problemType": "Classification", "labels": ["a", "b", "c"], **fields}
    return TaskSpec.model_validate({**made, "data": {**DATA, **(data or {})}})


def problems(data: dict[str, Any] | None = None, **fields: Any) -> list[str]:
    return [str(one) for one in definition_problems("here", spec(data, **fields))]


def several(data: dict[str, Any] | None = None, **fields: Any) -> list[str]:
    return problems(data, problemType="MultiLabelClassification", **fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"metrics": ["balanced_accuracy", "roc_auc_ovr", "f1_weighted"]}, ""),
        ({"metrics": ["roc_auc"]}, "here.metrics: roc_auc cannot be measured here: use accuracy"),
        ({"metrics": ["roc_auc"], "labels": ["a", "b"]}, ""),
        ({"metrics": ["r2"]}, "r2 cannot be measured here"),
        ({"metrics": ["r2"], "labels": None, "problemType": "Regression"}, ""),
        ({"metrics": ["eval_accuracy"]}, "write accuracy"),
        ({"metrics": ["accuracy", "accuracy"]}, "accuracy is listed twice"),
        ({"metrics": ["top3"]}, "or declare it in metricFunctions"),
        ({"metrics": ["top3"], "metricFunctions": [TOP3]}, ""),
        ({"metricFunctions": [TOP3, TOP3]}, "top3 is the name of two"),
        ({"metricFunctions": [{**TOP3, "name": "accuracy"}]}, "accuracy means something else already"),
        ({"metricFunctions": [{**TOP3, "name": "mm_cost"}]}, "means something else already"),
        ({"metricFunctions": [{**TOP3, "name": "step"}]}, "means something else already"),
        (
            {"metricFunctions": [{**TOP3, "function": "sklearn.metrics.hamming_loss"}]},
            "here.metricFunctions[top3].greaterIsBetter: of sklearn.metrics.hamming_loss less is better: write false",
        ),
        (
            {"metricFunctions": [{**COST, "function": "sklearn.metrics.cohen_kappa_score"}]},
            "more is better: write true",
        ),
        ({"metricFunctions": [{**TOP3, "arguments": {"k": 3}}]}, "are for functions of sklearn.metrics"),
        (
            {"metricFunctions": [{**TOP3, "function": "sklearn.metrics.fbeta_score", "arguments": {"beta": [2]}}]},
            "beta is no argument with a text, number or truth value",
        ),
        (
            {
                "problemType": "Regression",
                "labels": None,
                "metricFunctions": [{**TOP3, "input": "Probabilities"}],
            },
            "a regression has no probabilities: write Predictions",
        ),
    ],
)
def test_metrics_are_taken_or_refused_at_their_field_with_a_remedy(fields: dict[str, Any], said: str) -> None:
    found = problems(**fields)
    assert len(found) == (1 if said else 0), found
    assert said in "".join(found)


@pytest.mark.parametrize(
    "function",
    ["os.system", "sklearn.metrics", "sklearn.metrics.f1_score; import os", "a b:c", "a:b:c", "../a:b", ":f"],
)
def test_a_function_is_named_in_one_of_two_forms(function: str) -> None:
    with pytest.raises(ValueError, match="function"):
        spec(metricFunctions=[{**TOP3, "function": function}])


@pytest.mark.parametrize("name", ["=1+2", "a,b", "a|b", "A", "1a", "a b", "\\textbf", "<b>", "ä", "a\n", "", "a" * 41])
def test_a_name_is_the_same_in_every_medium(name: str) -> None:
    """No comma, no formula, no markup: lower-case letters, digits and _ in CSV, LaTeX, HTML, file names and logs."""
    with pytest.raises(ValueError, match="name"):
        spec(metricFunctions=[{**TOP3, "name": name}])


@pytest.mark.parametrize(
    ("data", "fields", "said"),
    [
        ({}, {}, ""),
        ({"labelDelimiter": ","}, {}, ""),
        ({"labelDelimiter": "b"}, {}, "here.data.labelDelimiter: 'b' is part of label b"),
        ({"labelColumns": ["x", "y", "z"]}, {}, ""),
        ({"labelColumns": ["x", "y", "z"]}, {"labels": None}, ""),
        ({"labelColumns": ["x", "y"]}, {}, "here.data.labelColumns: 2 columns for 3 labels"),
        ({"labelColumns": ["x", "x", "y"]}, {}, "x is listed twice: name one column for each label"),
        ({"labelColumns": ["x", "y", "text"]}, {}, "text is the label's column"),
        ({"labelColumns": ["x", "y", "z"], "labelColumn": "w"}, {}, "excludes labelColumn and labelDelimiter"),
        ({}, {"labels": None}, "needs its label names"),
        ({}, {"metrics": ["accuracy"]}, "accuracy cannot be measured here: use f1_micro"),
        ({}, {"metrics": ["average_precision", "subset_accuracy", "f1_samples", "roc_auc"]}, ""),
    ],
)
def test_how_several_labels_lie_in_files(data: dict[str, Any], fields: dict[str, Any], said: str) -> None:
    found = several(data, **fields)
    assert len(found) == (1 if said else 0), found
    assert said in "".join(found)


@pytest.mark.parametrize("data", [{"labelColumns": ["x", "y"]}, {"labelDelimiter": ","}])
def test_one_label_a_text_has_neither_columns_nor_a_delimiter(data: dict[str, Any]) -> None:
    assert "set problemType: MultiLabelClassification" in problems(data)[0]


def test_labels_are_the_names_of_their_columns_where_none_are_given() -> None:
    made = define(spec({"labelColumns": ["toxic", "rude"]}, problemType="MultiLabelClassification", labels=None))
    assert made.labels == made.label_fields == ("toxic", "rude")
    assert made.metrics == ("f1_micro",)
    assert made.measured == ("f1_micro", "f1_macro", "average_precision", "subset_accuracy", "loss")


def whole(training: dict[str, Any], **fields: Any) -> list[str]:
    task = spec(**fields).model_dump(mode="json", by_alias=True, exclude_none=True)
    raw = {"model": {"uri": "s3://a/b"}, "tasks": [{**task, "training": training}], "data": {"uri": "s3://a/c"}}
    return [str(one) for one in check_spec(parse_spec(raw))]


@pytest.mark.parametrize(
    ("training", "fields", "said"),
    [
        ({"classWeights": "balanced"}, {}, ""),
        ({"labelWeights": {"a": 2, "c": 0.5}}, {}, ""),
        ({"labelWeights": {"d": 2}}, {}, "training.labelWeights: 'd' is no label of mine: use a, b, c"),
        ({"labelWeights": {"a": 2}, "classWeights": "balanced"}, {}, "exclude each other"),
        ({"classWeights": "balanced"}, {"problemType": "Regression", "labels": None}, "mine is a regression"),
        ({"labelWeights": {"a": 2}}, {"problemType": "Regression", "labels": None}, "mine is a regression"),
        ({"labelSmoothingFactor": 0.1}, {"problemType": "MultiLabelClassification"}, "without one label a text"),
        ({"classWeights": "balanced"}, {"problemType": "MultiLabelClassification"}, ""),
        ({"metricForBestModel": "cost"}, {"metricFunctions": [COST]}, ""),
        ({"metricForBestModel": "eval_cost"}, {"metricFunctions": [COST]}, ""),
        ({"metricForBestModel": "roc_auc_ovr"}, {}, "roc_auc_ovr is not measured in mine"),
        ({"metricForBestModel": "roc_auc_ovr"}, {"metrics": ["accuracy", "roc_auc_ovr"]}, ""),
    ],
)
def test_training_fits_the_kind_of_task(training: dict[str, Any], fields: dict[str, Any], said: str) -> None:
    found = whole(training, **fields)
    assert len(found) == (1 if said else 0), found
    assert said in "".join(found)


def test_a_weight_is_a_positive_number() -> None:
    for weight in (0, -1, float("inf"), float("nan"), 1e9):
        with pytest.raises(ValueError, match=r"label_weights|labelWeights"):
            spec(training={"labelWeights": {"a": weight}})


def judged_by(own: dict[str, Any]) -> TaskPlan:
    made = define(spec(metrics=[own["name"]], metricFunctions=[own]))
    plan = task_plan("rte")
    settings = plan.settings.model_copy(update={"metric_for_best_model": own["name"]})
    return plan.model_copy(update={"definition": made, "settings": settings})


@pytest.mark.parametrize(("own", "best"), [(TOP3, 0.9), (COST, 0.1)])
def test_the_best_run_follows_the_direction_of_a_function_of_ones_own(own: dict[str, Any], best: float) -> None:
    task = judged_by(own)
    assert task.greater_is_better == own["greaterIsBetter"]
    plan = plan_of({"rte": 3})
    plan = plan.model_copy(update={"tasks": {"rte": task}})
    values = enumerate([0.5, 0.9, 0.1])
    outcomes = [outcome_of(plan, "rte", run, value) for run, value in values]
    row = summarise(plan, outcomes).task("rte")
    assert row.best is not None
    assert row.best.value == best
    assert row.stats(own["name"]).greater_is_better == own["greaterIsBetter"]
    # What its numbers mean is not known: no per cent, no score.
    assert task_score(task, row.best) is None
    assert figures.metric(own["name"], best) == f"{best}"


def test_of_every_scorer_more_is_better_and_errors_are_no_shares() -> None:
    for kind, names in LISTED.items():
        assert not {name for name in names if not greater_is_better(name)} - set(METRICS[kind])
        assert all(is_share(name) != name.startswith("neg_") for name in names if kind != "Regression")


def test_planning_and_tables_import_no_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator and the report know of a function what the task says, and leave its module alone."""
    (tmp_path / "not_to_be_imported.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    own = {**COST, "function": "not_to_be_imported:f"}
    assert whole({"metricForBestModel": "cost"}, metricFunctions=[own]) == []
    plan = plan_of({"rte": 1})
    plan = plan.model_copy(update={"tasks": {"rte": judged_by(own)}})
    results = {run.run_id: result_of(plan, "rte", run.run, 0.25) for run in plan.runs}
    document = build_document(plan, results, {}, uri="s3://a/b", models={})
    for written in (results_csv(document), results_markdown(document), document.to_json()):
        assert b"cost" in written
    assert "not_to_be_imported" not in sys.modules
