"""Figures of the page: what is drawn, within which ends, by how many traces."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from scipy import stats

from finetune_core.results.evaluation import read_lines
from finetune_core.results.search.summarise import SearchFindings, summarise
from finetune_core.results.search.summary import SearchSummary
from finetune_report.records import RunRecord, State
from finetune_ui.comparison import Side, comparison_page
from finetune_ui.drawing.choice import Choice, offered
from finetune_ui.drawing.figure import Chart, axis
from finetune_ui.drawing.scores import score_chart
from finetune_ui.drawing.trials import trial_charts
from finetune_ui.experiments import document_now, experiment_page
from support.results import plan_of, result_of
from support.search_trials import mixed_trials, search_plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def lines(*values: float | None, loss: float = 0.5) -> bytes:
    rows = [
        {"schemaVersion": 2, "step": 25 * k, "trainLoss": 1 / k, "metrics": {"accuracy": value, "loss": loss}}
        for k, value in enumerate(values, start=1)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def experiment(*curves: tuple[float | None, ...], **training: Any) -> Side:
    """RTE with a succeeded run for each curve, whose value is the last of it."""
    plan = plan_of({"rte": len(curves)}, training={"rte": training})
    records = [
        RunRecord(
            run, State.SUCCEEDED, result_of(plan, "rte", run.run, curve[-1]), None, None, read_lines(lines(*curve))
        )
        for run, curve in zip(plan.runs, curves, strict=True)
    ]
    return Side("team/demo", "/experiments/team/demo", plan, tuple(records))


def charts_of(side: Side, **chosen: Any) -> dict[str, Chart]:
    page = experiment_page(side.plan, side.records, document_now(side.plan, side.records), NOW, Choice(**chosen))
    return {chart.id: chart for chart in (*page.charts, *page.scores_chart)}


def trace(chart: Chart, name: str) -> dict[str, Any]:
    return dict(next(one for one in chart.data if one["name"] == name))


def test_the_mean_over_seeds_has_its_95_percent_interval() -> None:
    chart = charts_of(experiment((0.5, 0.6), (0.54, 0.62), (0.52, 0.7)))["curves-rte"]
    assert trace(chart, "mean")["y"] == pytest.approx([52, 64])
    low, high = stats.t.interval(0.95, 2, loc=52, scale=stats.sem([50, 54, 52]))
    band = trace(chart, "95 % interval of the mean")
    assert (band["y"][0], band["y"][-1]) == (pytest.approx(high), pytest.approx(low))


def test_an_interval_ends_where_the_metric_does_and_so_does_the_axis() -> None:
    chart = charts_of(experiment((0.5, 0.95), (0.5, 0.97), (0.5, 1.0)))["curves-rte"]
    assert max(trace(chart, "95 % interval of the mean")["y"]) == 100
    assert chart.layout["yaxis"]["autorangeoptions"] == {"clipmin": 0, "clipmax": 100}
    assert axis("matthews_correlation")["autorangeoptions"] == {"clipmin": -100, "clipmax": 100}
    assert axis("loss")["autorangeoptions"] == {"clipmin": 0}
    assert "autorangeoptions" not in axis("of_my_own")


def test_scores_have_error_bars_within_what_a_score_can_be() -> None:
    scores = charts_of(experiment((0.5,), (0.6,), (0.7,)))["scores"]
    mean = trace(scores, "demo")
    low, high = stats.t.interval(0.95, 2, loc=60, scale=stats.sem([50, 60, 70]))
    assert mean["y"] == pytest.approx([60])
    assert mean["error_y"]["array"] == pytest.approx([high - 60])
    assert mean["error_y"]["arrayminus"] == pytest.approx([60 - low])
    near = trace(charts_of(experiment((0.9,), (0.9,), (1.0,)))["scores"], "demo")
    assert near["error_y"]["array"] == pytest.approx([100 - 280 / 3])


def test_two_runs_are_dots_without_an_interval_and_the_chart_says_so() -> None:
    charts = charts_of(experiment((0.5, 0.5), (0.6, 0.74)))
    mean = trace(charts["scores"], "demo")
    assert mean["y"] == pytest.approx([62])
    assert (mean["error_y"]["array"], mean["error_y"]["arrayminus"]) == ([None], [None])
    assert trace(charts["scores"], "runs")["y"] == pytest.approx([50, 74])
    assert charts["scores"].title == "Scores: mean over runs (no interval below 3 runs)"
    curves = charts["curves-rte"]
    assert trace(curves, "mean")["y"] == pytest.approx([55, 62])
    assert trace(curves, "mean")["text"] == ["2 runs", "2 runs"]
    assert not [one for one in curves.data if "interval" in one["name"]]


def test_the_error_bar_of_an_accuracy_beside_a_correlation_ends_at_zero() -> None:
    plan = plan_of({"cola": 3, "rte": 3})
    records = [
        RunRecord(run, State.SUCCEEDED, result_of(plan, run.task, run.run, 0.1 + 0.3 * run.run), None, None, ())
        for run in plan.runs
    ]
    [chart] = score_chart([("demo", document_now(plan, records))])
    mean = trace(chart, "demo")
    assert mean["y"] == pytest.approx([40, 40])
    assert mean["error_y"]["arrayminus"] == pytest.approx([4.303 * 30 / 3**0.5, 40], rel=1e-4)


def test_any_metric_can_be_chosen_and_what_a_task_has_not_measured_is_not_drawn() -> None:
    side = experiment((0.5, 0.6))
    assert charts_of(side, metric="train_loss")["curves-rte"].data[0]["y"][:2] == [1.0, 0.5]
    assert charts_of(side, metric="loss")["curves-rte"].layout["yaxis"]["title"]["text"] == "loss"
    assert "curves-rte" not in charts_of(side, metric="f1")
    page = experiment_page(side.plan, side.records, document_now(side.plan, side.records), NOW, Choice())
    assert page.offered == ("loss", "train_loss", "accuracy")


def test_smoothing_is_tensorboards() -> None:
    # https://github.com/tensorflow/tensorboard: the second of 0, 1 at 0.5 is (0.25*0 + 0.5*1) / 0.75
    assert Choice(smoothing=0.5).smooth([0.0, 1.0]) == pytest.approx([0, 2 / 3])
    assert Choice(smoothing=0.5).smooth([1.0, None, 1.0]) == pytest.approx([1, None, 1])
    assert Choice().smooth([3.0, 4.0]) == [3, 4]


@pytest.mark.parametrize(
    ("text", "smoothing"), [("0.5", 0.5), ("7", 0.99), ("-1", 0), ("nan", 0), ("much", 0), ("", 0)]
)
def test_what_is_no_smoothing_smooths_nothing(text: str, smoothing: float) -> None:
    assert Choice.of({"smoothing": text}).smoothing == smoothing


def test_losses_are_offered_first() -> None:
    assert offered([["f1", "loss", "learning_rate"], ["accuracy", "train_loss"]]) == [
        "loss", "train_loss", "accuracy", "f1", "learning_rate"
    ]  # fmt: skip


def test_five_hundred_runs_are_as_few_traces_as_three() -> None:
    many = charts_of(experiment(*[(0.5, 0.6 + run / 2000) for run in range(500)]))
    few = charts_of(experiment((0.5, 0.6), (0.5, 0.61), (0.5, 0.62)))
    assert {name: len(chart.data) for name, chart in many.items()} == {name: len(one.data) for name, one in few.items()}
    assert len(many["curves-rte"].data) <= 5
    assert trace(many["curves-rte"], "other runs")["mode"] == "lines"


def test_side_by_side_only_what_differs_is_marked_and_curves_share_their_axes() -> None:
    before, after = experiment((0.5, 0.6), (0.5, 0.7)), experiment((0.5, 0.8), learning_rate=3e-5)
    page = comparison_page([before, after], Choice())
    assert {(row.task, row.name): row.values for row in page.differing} == {
        ("rte", "learningRate"): ("5e-05", "3e-05"),
        ("", "seeds"): (", ".join(str(run.seed) for run in before.plan.runs), str(after.plan.runs[0].seed)),
    }
    assert {("", "tasks"), ("rte", "maxSteps")} <= {(row.task, row.name) for row in page.same}
    assert page.scores == (("rte", "accuracy", "65.00 ± 7.07 (2)", "80.00 (1)"),)
    [chart] = page.charts
    assert len({json.dumps(one["line"].get("color")) for one in chart.data if one.get("showlegend")}) >= 1
    assert chart.layout["showlegend"]


def test_a_task_that_one_side_has_alone_is_one_difference_not_twenty() -> None:
    plan = plan_of({"rte": 1, "cola": 1})
    both = Side("team/both", "", plan, tuple(RunRecord(run, State.PENDING, None, None, None, ()) for run in plan.runs))
    page = comparison_page([both, experiment((0.5,), (0.6,)), experiment((0.5,))], Choice())
    assert [(row.task, row.name) for row in page.differing] == [("", "tasks"), ("", "seeds")]
    assert {row.task for row in page.same} == {"", "rte"}


def searched() -> tuple[SearchFindings, SearchSummary, Any]:
    plan = search_plan()
    findings = SearchFindings(trials={plan.order[0]: mixed_trials(plan, 6)})
    return findings, summarise(plan, findings, findings.best(plan, ""), uri=""), plan


def test_the_plots_of_a_search_are_those_of_its_report() -> None:
    findings, summary, plan = searched()
    task = plan.order[0]
    told = {task: summary.tasks[0].model_copy(update={"importance": {"learningRate": 0.9, "maxSteps": 0.1}})}
    made = {chart.id: chart for chart in trial_charts(plan, findings, told)}
    against = {f"{name}-{task}" for name in plan.tasks[task].space}
    assert set(made) == {f"progress-{task}", f"importance-{task}", f"parallel-{task}", *against}
    assert made[f"importance-{task}"].data[0]["x"] == [0.9, 0.1]
    # What stands side by side has one y axis.
    assert len({tuple(made[name].layout["yaxis"]["range"]) for name in against}) == 1
    best = made[f"parallel-{task}"].data[-1]
    assert best["y"][len(plan.tasks[task].space)] == 1
    assert all(y is None or 0 <= y <= 1 for one in made[f"parallel-{task}"].data for y in one["y"])


def test_before_the_report_nothing_is_said_of_importance() -> None:
    findings, _, plan = searched()
    assert not any(chart.id.startswith("importance") for chart in trial_charts(plan, findings, {}))
