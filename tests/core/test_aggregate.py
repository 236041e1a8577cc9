import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.deciding.outcome import Outcome
from finetune_core.planning.plan import Plan
from finetune_core.results.aggregate import shown_metrics, summarise, task_score
from finetune_core.results.best_run import best_run
from finetune_core.tasks.registry import GLUE_TASKS
from support.results import outcome_of, plan_of, task_plan

PLAN = plan_of({"cola": 3, "mrpc": 2, "spam": 1})


def cola(run: int, value: float | None, **fields: object) -> Outcome:
    return outcome_of(PLAN, "cola", run, value, **fields)


def full_glue(runs: int = 1) -> Plan:
    return plan_of(dict.fromkeys(GLUE_TASKS, runs))


def test_mean_and_sample_deviation_over_the_succeeded_runs() -> None:
    row = summarise(PLAN, [cola(0, 0.5), cola(1, 0.6), cola(2, 0.7)]).task("cola")
    assert (row.planned, row.succeeded) == (3, 3)
    assert row.mean == pytest.approx(0.6)
    assert row.std == pytest.approx(0.1)  # ddof 1; with ddof 0 it were 0.0816
    assert row.best is not None
    assert row.best.run == 2


def test_one_run_has_a_mean_and_no_deviation() -> None:
    row = summarise(PLAN, [cola(1, 0.5)]).task("cola")
    assert (row.mean, row.std) == (0.5, None)


def test_no_runs_have_neither_figures_nor_best() -> None:
    row = summarise(PLAN, []).task("cola")
    assert (row.planned, row.succeeded, row.mean, row.std, row.best, row.score) == (3, 0, None, None, None, None)


def test_a_value_that_is_not_finite_counts_as_a_run_but_not_into_figures() -> None:
    row = summarise(PLAN, [cola(0, math.nan), cola(1, 0.4), cola(2, None)]).task("cola")
    assert row.succeeded == 3
    assert row.stats("matthews_correlation").n == 1
    assert row.mean == 0.4
    assert row.best is not None
    assert row.best.run == 1


def test_outcomes_of_another_plan_are_left_out() -> None:
    more = plan_of({"cola": 5})
    row = summarise(PLAN, [cola(0, 0.1), outcome_of(more, "cola", 4, 0.9)]).task("cola")
    assert row.succeeded == 1
    assert row.best is not None
    assert row.best.run == 0


def test_best_of_every_metric_is_that_of_the_best_run() -> None:
    outcomes = [
        outcome_of(PLAN, "mrpc", 0, 0.90, metrics={"accuracy": 0.80}),
        outcome_of(PLAN, "mrpc", 1, 0.85, metrics={"accuracy": 0.95}),
    ]
    row = summarise(PLAN, outcomes).task("mrpc")
    assert row.stats("f1").best == 0.90
    assert row.stats("accuracy").best == 0.80
    assert row.stats("accuracy").mean == pytest.approx(0.875)


def test_task_score_is_the_mean_of_the_reporting_metrics_times_100() -> None:
    outcomes = [
        outcome_of(PLAN, "mrpc", 0, 0.90, metrics={"accuracy": 0.80}),
        outcome_of(PLAN, "mrpc", 1, 0.70, metrics={"accuracy": 0.60}),
    ]
    row = summarise(PLAN, outcomes).task("mrpc")
    assert row.score == pytest.approx(85.0)
    assert row.mean_score == pytest.approx(75.0)


def test_score_takes_the_reporting_metrics_also_where_another_one_decides() -> None:
    plan = plan_of({"mrpc": 2}, training={"mrpc": {"metric_for_best_model": "loss"}})
    outcomes = [
        outcome_of(plan, "mrpc", 0, 0.2, metrics={"f1": 0.9, "accuracy": 0.7}),
        outcome_of(plan, "mrpc", 1, 0.3, metrics={"f1": 1.0, "accuracy": 1.0}),
    ]
    row = summarise(plan, outcomes).task("mrpc")
    assert [stats.metric for stats in row.metrics] == ["loss", "f1", "accuracy"]
    assert row.metric == "loss"
    assert row.best is not None
    assert row.best.run == 0
    assert row.score == pytest.approx(80.0)


def test_task_without_one_of_its_reporting_metrics_has_no_score() -> None:
    outcome = outcome_of(PLAN, "mrpc", 0, 0.9, metrics={"accuracy": None})
    summary = summarise(PLAN, [outcome])
    assert summary.task("mrpc").best == outcome
    assert summary.task("mrpc").score is None
    assert "mrpc" in summary.glue.missing


def test_custom_task_with_a_metric_of_which_less_is_better_has_no_score() -> None:
    plan = plan_of({"price": 1})
    row = summarise(plan, [outcome_of(plan, "price", 0, 0.1)]).task("price")
    assert row.best is not None
    assert row.score is None


def test_metrics_are_shown_in_reporting_order_and_once() -> None:
    assert shown_metrics(task_plan("mrpc")) == ("f1", "accuracy")
    assert shown_metrics(task_plan("mrpc", metric_for_best_model="accuracy")) == ("f1", "accuracy")
    assert shown_metrics(task_plan("mrpc", metric_for_best_model="loss")) == ("loss", "f1", "accuracy")


def test_glue_score_is_the_mean_over_nine_and_bert_average_leaves_wnli_out() -> None:
    plan = full_glue()
    values = {task: 0.1 * place for place, task in enumerate(GLUE_TASKS, start=1)}
    outcomes = [
        outcome_of(plan, task, 0, value, metrics=dict.fromkeys(GLUE_TASKS[task].metrics, value))
        for task, value in values.items()
    ]
    summary = summarise(plan, outcomes)
    assert summary.glue.value == pytest.approx(100 * statistics.mean(values.values()))
    without = [value for task, value in values.items() if task != "wnli"]
    assert summary.bert_average.value == pytest.approx(100 * statistics.mean(without))
    assert summary.glue.complete
    assert summary.bert_average.complete
    assert summary.glue.covers == tuple(GLUE_TASKS)
    assert summary.bert_average.covers == tuple(task for task in GLUE_TASKS if task != "wnli")
    assert summary.glue.title == "GLUE score"
    assert summary.score_text == "50.00"


def test_mean_over_fewer_tasks_says_so() -> None:
    summary = summarise(PLAN, [cola(0, 0.5), outcome_of(PLAN, "mrpc", 0, 0.5)])
    assert summary.glue.covers == ("cola", "mrpc")
    assert summary.glue.missing == ("sst2", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
    assert not summary.glue.complete
    assert summary.glue.title == "GLUE score over 2 of 9 tasks only"
    assert summary.bert_average.title == "BERT average over 2 of 8 tasks only"
    assert summary.score_text == "50.00 (2/9)"
    assert summary.score_covers == "cola, mrpc; not sst2, stsb, qqp, mnli, qnli, rte, wnli"


def test_custom_tasks_never_count_into_the_glue_score() -> None:
    plan = plan_of({"cola": 1, "spam": 1})
    custom = outcome_of(plan, "spam", 0, 1.0, metrics={"f1": 1.0})
    summary = summarise(plan, [outcome_of(plan, "cola", 0, 0.4), custom])
    assert summary.task("spam").score == 100.0
    assert summary.glue.value == pytest.approx(40.0)
    assert summary.glue.covers == ("cola",)
    alone = summarise(plan, [custom])
    assert (alone.score_text, alone.score_covers) == (None, None)


def test_huge_values_break_nothing() -> None:
    plan = plan_of({"cola": 2}, training={"cola": {"metric_for_best_model": "loss"}})
    row = summarise(plan, [outcome_of(plan, "cola", 0, 1.7e308), outcome_of(plan, "cola", 1, -1.7e308)]).task("cola")
    assert row.mean == 0.0
    assert row.std is None


values = st.one_of(st.none(), st.sampled_from([0.5, 0.5, 0.75, math.nan, math.inf]), st.floats(width=32))


@given(st.lists(values, min_size=1, max_size=8), st.booleans(), st.randoms(use_true_random=False))
def test_row_agrees_with_the_best_run_rule_in_any_order(values, by_loss, random) -> None:
    training = {"cola": {"metric_for_best_model": "loss"}} if by_loss else {}
    plan = plan_of({"cola": len(values)}, training=training)
    outcomes = [outcome_of(plan, "cola", run, value) for run, value in enumerate(values)]
    summary = summarise(plan, outcomes)
    assert summarise(plan, random.sample(outcomes, len(outcomes))) == summary
    row = summary.task("cola")
    assert row.best == best_run(outcomes)
    finite = [value for value in values if value is not None and math.isfinite(value)]
    assert row.stats(row.metric).n == len(finite)
    assert row.stats(row.metric).best == (row.best.value if row.best else None)
    if finite:
        assert row.mean is not None
        assert min(finite) <= row.mean <= max(finite)
    if row.best:
        assert row.score == task_score(plan.tasks["cola"], row.best)
