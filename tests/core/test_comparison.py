import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from finetune_core.results.comparison.experiments import compare
from finetune_core.results.comparison.schema import Comparison, TaskComparison, Verdict
from finetune_core.results.comparison.significance import Kind
from finetune_core.results.schema import ResultsDocument, SeedsRow
from finetune_core.seeds.enough import Enough
from finetune_report.significance import t_test
from support.documents import FAILED, MISSING, document_of
from support.results import plan_of

LOW = [0.60, 0.62, 0.61, 0.63, 0.60]
HIGH = [0.70, 0.71, 0.73, 0.72, 0.71]
OTHER_SEEDS = {"seed": 7}

VALUES = st.lists(st.none() | st.just(FAILED) | st.floats(-1, 1), min_size=1, max_size=6)
DOCUMENTS = st.builds(
    lambda runs, seed: document_of(runs, seed=seed),
    st.dictionaries(st.sampled_from(["rte", "cola", "price"]), VALUES, min_size=1),
    st.sampled_from([1, 2]),
)


def compared(before: ResultsDocument, after: ResultsDocument) -> Comparison:
    return compare(before, after, t_test)


def only(before: ResultsDocument, after: ResultsDocument) -> TaskComparison:
    (task,) = compared(before, after).tasks
    return task


def with_data(document: ResultsDocument, **fields: object) -> ResultsDocument:
    tasks = tuple(task.model_copy(update=fields) for task in document.tasks)
    return document.model_copy(update={"tasks": tasks})


def test_the_same_seeds_are_tested_as_pairs() -> None:
    task = only(document_of({"rte": LOW}), document_of({"rte": HIGH}))
    asked = stats.ttest_rel(HIGH, LOW)
    assert (task.test, task.pairs, task.verdict) == (Kind.PAIRED, 5, Verdict.BETTER)
    assert task.difference == pytest.approx(0.102)
    assert (task.t, task.df, task.p) == pytest.approx((asked.statistic, 4, asked.pvalue))
    assert (task.low, task.high) == pytest.approx(tuple(asked.confidence_interval(0.95)))


def test_other_seeds_are_tested_by_welch() -> None:
    task = only(document_of({"rte": LOW}), document_of({"rte": HIGH[:3]}, **OTHER_SEEDS))
    asked = stats.ttest_ind(HIGH[:3], LOW, equal_var=False)
    assert (task.test, task.pairs, task.verdict) == (Kind.WELCH, None, Verdict.BETTER)
    assert task.difference == pytest.approx(0.7133333333 - 0.612)
    assert (task.df, task.p) == pytest.approx((asked.df, asked.pvalue))


def test_both_sides_have_the_figures_of_their_documents() -> None:
    before, after = document_of({"rte": LOW}), document_of({"rte": HIGH})
    task = only(before, after)
    assert task.before.figures == before.tasks[0].metrics[0]
    assert (task.after.figures.n, task.after.figures.best) == (5, 0.73)


def test_less_is_better_where_it_is() -> None:
    high, low = document_of({"price": [0.9, 1.0, 1.1]}), document_of({"price": [0.4, 0.52, 0.6]})
    fallen, risen = only(high, low), only(low, high)
    assert (fallen.verdict, risen.verdict) == (Verdict.BETTER, Verdict.WORSE)
    assert fallen.difference == pytest.approx(-0.4933333333)


def test_a_difference_that_seeds_explain_is_none() -> None:
    task = only(document_of({"rte": [0.60, 0.70]}), document_of({"rte": [0.66, 0.68]}))
    assert task.verdict == Verdict.NO_DIFFERENCE
    assert task.p is not None
    assert task.p > 0.05


def test_a_single_seed_is_too_few_but_its_difference_is_told() -> None:
    task = only(document_of({"rte": [0.6]}), document_of({"rte": [0.7]}))
    assert (task.verdict, task.p) == (Verdict.TOO_FEW, None)
    assert task.difference == pytest.approx(0.1)


def test_failed_missing_and_infinite_runs_are_left_out_and_counted() -> None:
    before = document_of({"rte": [0.6, FAILED, 0.61, MISSING, math.nan, 0.64]})
    task = only(before, document_of({"rte": [0.7, 0.71, 0.72, 0.73, 0.74, 0.75]}))
    assert (task.pairs, task.before.figures.n, task.after.figures.n) == (3, 3, 6)
    assert task.before.left_out == {"failed": 1, "not ended": 1, "not finite": 1}
    assert task.after.left_out == {}
    # Over the pairs alone: 0.1, 0.11, 0.11.
    assert task.difference == pytest.approx(0.32 / 3)


def test_quarantined_runs_are_counted_and_the_runs_in_their_place_are_paired() -> None:
    first = plan_of({"rte": 3}).runs[1]
    before = document_of({"rte": LOW[:3]}, quarantine=[{"runId": first.run_id, "reason": "a broken GPU"}])
    task = only(before, document_of({"rte": HIGH[:3]}))
    assert task.before.left_out == {"quarantined": 1}
    assert task.pairs == 3


def test_where_nothing_varies_over_seeds_it_is_said_that_a_test_is_of_no_use() -> None:
    task = only(document_of({"rte": [0.5, 0.5]}), document_of({"rte": [0.7, 0.7]}))
    assert (task.verdict, task.difference) == (Verdict.NOT_TESTED, pytest.approx(0.2))
    assert task.reason is not None
    assert "no spread over seeds" in task.reason


def test_holm_counts_the_tested_tasks_alone_and_decides() -> None:
    # p is 0.039, 0.039 and none; by Holm 0.078 for both.
    old = document_of({"rte": [0.60, 0.61, 0.62], "cola": [0.60, 0.61, 0.62], "mrpc": [0.5]})
    new = document_of({"rte": [0.63, 0.65, 0.68], "cola": [0.63, 0.65, 0.68], "mrpc": [0.9]})
    made = compared(old, new)
    rows = {task.task: task for task in made.tasks}
    alone = stats.ttest_rel([0.63, 0.65, 0.68], [0.60, 0.61, 0.62]).pvalue
    assert alone < 0.05
    assert (rows["rte"].p, rows["rte"].p_holm) == pytest.approx((alone, 2 * alone))
    assert rows["rte"].verdict == Verdict.NO_DIFFERENCE
    assert rows["mrpc"].p_holm is None
    assert (made.tested, made.correction) == (2, "Holm")


def test_the_overall_mean_is_over_the_tasks_that_both_have_a_score_of() -> None:
    old = document_of({"cola": [0.5, 0.6], "rte": [0.6], "sst2": [0.9], "price": [0.5], "wnli": [FAILED]})
    new = document_of({"rte": [0.7], "cola": [0.6, 0.7], "qnli": [0.9], "price": [0.5], "wnli": [0.5]})
    made = compared(old, new)
    assert made.overall is not None
    assert made.overall.tasks == ("cola", "rte")
    assert (made.overall.before, made.overall.after) == pytest.approx((57.5, 67.5))
    assert (made.overall.before_best, made.overall.after_best) == pytest.approx((60, 70))
    assert made.overall.difference == pytest.approx(10)
    assert (made.only_before, made.only_after) == (("sst2",), ("qnli",))
    assert [task.task for task in made.tasks] == ["cola", "rte", "wnli", "price"]


def test_without_a_task_in_common_nothing_is_compared() -> None:
    made = compared(document_of({"rte": [0.5]}), document_of({"cola": [0.5]}))
    assert (made.tasks, made.overall, made.tested) == ((), None, 0)


def test_tasks_that_another_metric_decides_are_not_compared_and_warned_of() -> None:
    by_loss = document_of({"rte": LOW}, training={"rte": {"metric_for_best_model": "loss"}})
    made = compared(document_of({"rte": HIGH}), by_loss)
    assert (made.tasks[0].verdict, made.tasks[0].difference) == (Verdict.NOT_COMPARED, None)
    assert made.tasks[0].metric == "accuracy/loss"
    assert made.overall is None
    assert made.warnings == (
        "rte: not compared: accuracy decides in the first, loss in the second. Give both the same metricForBestModel.",
    )


def test_data_of_other_contents_are_warned_of_wherever_they_lie() -> None:
    before = document_of({"rte": LOW})
    (warning,) = compared(before, with_data(document_of({"rte": HIGH}), data_digest="md5s:other")).warnings
    assert warning.startswith("rte: the data have different contents (s3://data/glue, then s3://data/glue)")
    assert compared(before, document_of({"rte": HIGH}, data_uri="s3://copy")).warnings == ()


def test_of_reports_without_digests_other_places_are_warned_of() -> None:
    old = with_data(document_of({"rte": LOW}), data_digest=None)
    assert compared(old, document_of({"rte": HIGH})).warnings == ()
    (warning,) = compared(old, document_of({"rte": HIGH}, data_uri="s3://copy")).warnings
    assert warning == "rte: the data lie in different places (s3://data/glue, then s3://copy): compare them."


def test_data_that_are_not_pinned_and_other_recipes_are_warned_of() -> None:
    before = document_of({"rte": LOW}).model_copy(update={"recipe_version": 9})
    recipe, data = compared(before, with_data(document_of({"rte": HIGH}), pinned=False)).warnings
    assert "different versions of the recipe (9, then " in recipe
    assert data.startswith("rte: the data are not pinned")


def test_a_report_without_digests_can_still_be_read() -> None:
    raw = document_of({"rte": LOW}).model_dump(mode="json", by_alias=True)
    for task in raw["tasks"]:
        del task["dataDigest"]
    assert ResultsDocument.model_validate(raw).tasks[0].data_digest is None


def test_it_is_read_back_from_its_json_as_it_was() -> None:
    made = compared(document_of({"rte": LOW, "cola": [0.1]}), document_of({"rte": HIGH, "cola": [0.2]}))
    assert Comparison.model_validate_json(made.to_json()) == made


OPPOSITE = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}


def minus(value: float | None) -> float | None:
    return None if value is None else pytest.approx(-value, rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(DOCUMENTS, DOCUMENTS)
def test_the_other_way_round_every_difference_has_the_other_sign(a: ResultsDocument, b: ResultsDocument) -> None:
    there, back = compared(a, b), compared(b, a)
    assert (there.only_before, there.before, there.tested) == (back.only_after, back.after, back.tested)
    for one, other in zip(there.tasks, back.tasks, strict=True):
        assert other.difference == minus(one.difference)
        assert (other.low, other.high, other.t) == (minus(one.high), minus(one.low), minus(one.t))
        assert other.p == (None if one.p is None else pytest.approx(one.p))
        assert other.verdict == OPPOSITE.get(one.verdict, one.verdict)
        assert (other.before, other.after, other.test) == (one.after, one.before, one.test)


@settings(deadline=None)
@given(DOCUMENTS)
def test_an_experiment_never_differs_from_itself(document: ResultsDocument) -> None:
    made = compared(document, document)
    assert {task.verdict for task in made.tasks} <= {Verdict.NO_DIFFERENCE, Verdict.TOO_FEW}
    assert all(task.p in {None, 1.0} and task.difference in {None, 0.0} for task in made.tasks)


@settings(deadline=None)
@given(st.lists(st.integers(-(10**6), 10**6).map(lambda millionths: millionths / 10**6), min_size=1, max_size=6))
def test_the_same_values_of_other_seeds_never_differ(values: list[float]) -> None:
    task = only(document_of({"rte": values}), document_of({"rte": values}, **OTHER_SEEDS))
    assert task.verdict in {Verdict.NO_DIFFERENCE, Verdict.TOO_FEW}


@settings(deadline=None)
@given(DOCUMENTS, DOCUMENTS, st.randoms(use_true_random=False))
def test_the_order_of_runs_and_tasks_does_not_matter(
    a: ResultsDocument, b: ResultsDocument, chance: random.Random
) -> None:
    runs, tasks = list(b.runs), list(b.tasks)
    chance.shuffle(runs)
    chance.shuffle(tasks)
    mixed = b.model_copy(update={"runs": tuple(runs), "tasks": tuple(tasks)})
    assert compared(a, mixed).to_json() == compared(a, b).to_json()


@settings(deadline=None)
@given(DOCUMENTS, DOCUMENTS)
def test_a_verdict_is_by_the_corrected_p_and_the_interval_agrees_with_p(a: ResultsDocument, b: ResultsDocument) -> None:
    for task in compared(a, b).tasks:
        if task.p is None or task.p_holm is None or task.low is None or task.high is None:
            assert task.verdict in {Verdict.TOO_FEW, Verdict.NOT_TESTED}
            continue
        assert (task.verdict in OPPOSITE) == (task.p_holm < 0.05)
        if abs(task.p - 0.05) > 1e-9:
            assert (task.low <= 0 <= task.high) == (task.p > 0.05)


def test_welch_of_seeds_that_stopped_where_they_lay_close_together_is_warned_of() -> None:
    row = SeedsRow(least=3, most=10, half_width=1.0, enough=Enough.NARROW, half=1.0)
    grown = with_data(document_of({"rte": HIGH}), seeds=row)
    other = with_data(document_of({"rte": HIGH}, **OTHER_SEEDS), seeds=row)
    assert compared(document_of({"rte": LOW}), grown).warnings == ()
    (warning,) = compared(document_of({"rte": LOW}), other).warnings
    assert warning.startswith("rte: runsUntil stops where seeds lie close together, so Welch's p is too small")
