"""Cross-validation in plans, tables and comparisons; the cut itself is the trainer's (tests/trainer/test_folds.py)."""

import re
from statistics import mean, stdev
from typing import Any

import pytest

from finetune_core.api import ExperimentSpec, TaskSpec
from finetune_core.planning.parse import check_spec, define, parse_spec, runs_of
from finetune_core.planning.plan import Plan, ResolvedData, TaskPlan, make_plan
from finetune_core.planning.search.parse import check_search, parse_search
from finetune_core.results.comparison.experiments import compare
from finetune_core.results.comparison.schema import Verdict
from finetune_core.results.document import build_document
from finetune_core.results.schema import ResultsDocument
from finetune_core.tables.experiment import results_markdown
from finetune_core.tables.runs import runs_csv
from finetune_core.tasks.data_files import DataLayout, SplitFiles
from finetune_report.significance import t_test
from support.results import MODEL, result_of, settings_for

FOLDED: dict[str, Any] = {
    "name": "spam",
    "problemType": "Classification",
    "labels": ["ham", "spam"],
    "folds": 3,
    "runs": 2,
    "data": {"train": "train.csv", "textColumns": ["text"]},
}


def spec_of(**task: Any) -> ExperimentSpec:
    return parse_spec({"model": {"uri": MODEL.uri}, "tasks": [{**FOLDED, **task}]})


def plan_of(**task: Any) -> Plan:
    spec = spec_of(**task)
    (one,) = spec.tasks or ()
    splits = SplitFiles(layout=DataLayout.CUSTOM, files={"train": ("train.csv",)})
    data = ResolvedData(uri="s3://data", digest="md5s:1", splits=splits)
    tasks = {"spam": TaskPlan(definition=define(one), settings=settings_for("spam"), data=data)}
    return make_plan(spec, namespace="team", name="demo", model=MODEL, tasks=tasks, runs={"spam": runs_of(spec, one)})


def document_of(*values: float | None, **task: Any) -> ResultsDocument:
    """The report of a plan whose runs have these values; None: it has not ended."""
    plan = plan_of(**task)
    results = {
        plan.runs[k].run_id: result_of(plan, "spam", k, value) for k, value in enumerate(values) if value is not None
    }
    return build_document(plan, results, {}, uri="s3://bucket/team/demo", models={})


def test_each_seed_is_run_with_every_fold_and_each_run_has_an_id_of_its_own() -> None:
    plan = plan_of()
    assert [(run.run, run.fold) for run in plan.runs] == [(0, 0), (1, 1), (2, 2), (3, 0), (4, 1), (5, 2)]
    first, second = plan.runs[0].seed, plan.runs[3].seed
    assert [run.seed for run in plan.runs] == [first] * 3 + [second] * 3
    assert first != second
    assert len({run.run_id for run in plan.runs}) == 6
    assert Plan.model_validate_json(plan.to_bytes()) == plan


def test_more_seeds_keep_the_runs_that_there_are_and_another_cut_none() -> None:
    ids = [run.run_id for run in plan_of().runs]
    assert [run.run_id for run in plan_of(runs=3).runs][:6] == ids
    assert not {run.run_id for run in plan_of(folds=4).runs} & set(ids)
    grouped = plan_of(data={**FOLDED["data"], "groupColumn": "author"})
    assert not {run.run_id for run in grouped.runs} & set(ids)


def test_the_cut_is_recorded_in_the_plan() -> None:
    folds = plan_of(data={**FOLDED["data"], "groupColumn": "author"}).tasks["spam"].definition.folds
    assert folds is not None
    assert (folds.count, folds.seed, folds.group_column) == (3, 0, "author")


def test_a_plan_without_folds_says_nothing_of_them() -> None:
    plan = plan_of(folds=None, data={**FOLDED["data"], "validation": "dev.csv"})
    assert re.search(rb'"folds?"', plan.to_bytes()) is None
    assert b"group" not in TaskSpec.model_validate(FOLDED | {"folds": None}).model_dump_json(by_alias=True).encode()


@pytest.mark.parametrize(
    ("task", "field", "message"),
    [
        ({"name": "rte", "folds": 3}, "folds", "a GLUE task has a dev set, and a zip needs one model of it"),
        ({**FOLDED, "data": {**FOLDED["data"], "validation": "dev.csv"}}, "folds", "remove data.validation"),
        ({**FOLDED, "data": {**FOLDED["data"], "test": "test.csv"}}, "folds", "no one model predicts a test set"),
        (
            {**FOLDED, "folds": None, "data": {**FOLDED["data"], "validation": "d.csv", "groupColumn": "a"}},
            "data.groupColumn",
            "set folds, or remove it",
        ),
        ({**FOLDED, "data": {**FOLDED["data"], "groupColumn": "label"}}, "data.groupColumn", "label holds labels"),
        ({**FOLDED, "folds": 20, "runs": 51}, None, "1020 runs in all; at most 1000"),
    ],
)
def test_what_does_not_go_with_folds_is_refused(task: dict[str, Any], field: str | None, message: str) -> None:
    found = check_spec(parse_spec({"model": {"uri": MODEL.uri}, "tasks": [task]}))
    at = f"spec.tasks[{task['name']}].{field}" if field else "spec.runs"
    assert [one.field for one in found if message in one.message] == [at]


def test_a_search_has_no_folds() -> None:
    raw = {"model": {"uri": MODEL.uri}, "tasks": [{**FOLDED, "runs": None}], "trials": 2,
           "space": {"learningRate": {"choice": [1e-5]}}}  # fmt: skip
    (problem,) = check_search(parse_search(raw))
    assert problem.field == "spec.tasks[spam].folds"
    assert "hyperparametersFrom" in problem.message


def test_mean_and_deviation_are_over_folds_of_the_means_over_seeds() -> None:
    document = document_of(0.6, 0.7, 0.8, 0.5, 0.8, 0.7)
    (task,) = document.tasks
    folds = [0.55, 0.75, 0.75]
    assert [fold.metrics["accuracy"] for fold in task.folds] == pytest.approx(folds)
    row = task.metrics[0]
    assert (row.n, row.mean, row.std) == (3, pytest.approx(mean(folds)), pytest.approx(stdev(folds)))
    assert task.best is not None
    assert (row.best, task.best.run) == (0.8, 2)
    assert [run.fold for run in document.runs] == [0, 1, 2, 0, 1, 2]


def test_a_fold_without_a_result_yet_is_left_out_of_the_mean() -> None:
    (task,) = document_of(0.6, None, 0.8).tasks
    assert [fold.succeeded for fold in task.folds] == [1, 0, 1]
    assert (task.metrics[0].n, task.metrics[0].mean) == (2, pytest.approx(0.7))


def test_tables_have_a_line_a_fold() -> None:
    document = document_of(0.6, 0.7, 0.8, 0.5, 0.8, None)
    text = results_markdown(document).decode()
    assert "## Folds" in text
    assert "| spam | 0 | 2/2 | accuracy | 55.00 |" in text
    assert "| spam | 2 | 1/2 | accuracy | 80.00 |" in text
    assert "70.00 ± 13.23 (3)" in text
    header, first, *_ = runs_csv(document).decode().splitlines()
    assert dict(zip(header.split(","), first.split(","), strict=True))["fold"] == "0"


def test_folds_are_not_tested_as_if_they_were_independent() -> None:
    made = compare(document_of(0.6, 0.7, 0.8), document_of(0.7, 0.8, 0.9), t_test)
    (task,) = made.tasks
    assert (task.verdict, task.p) == (Verdict.NOT_TESTED, None)
    assert any("spam: no t test: folds share most of their training rows" in warning for warning in made.warnings)
