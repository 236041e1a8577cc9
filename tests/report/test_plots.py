"""What plots show, and how they look in a paper and on slides."""

import re
from collections.abc import Iterator

import pytest
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from scipy import stats

from finetune_client.plotting import LOOKS
from finetune_core.results.schema import ResultsDocument, RunRow, RunState
from finetune_core.results.search.summarise import SearchFindings
from finetune_report import canvas
from finetune_report.canvas import Look, Picture, looking
from finetune_report.experiment.curves import Curve
from finetune_report.experiment.plots import plot_experiment
from finetune_report.namespace_plots import plot_namespace
from finetune_report.search.plots import plot_task as plot_searched
from support.documents import document_of
from support.search_trials import mixed_trials, search_plan

POINTS_AN_INCH = 72


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Figure]]:
    """Figures as they were drawn, by `task-name`."""
    figures: dict[str, Figure] = {}
    draw = canvas.picture

    def kept(name: str, task: str, title: str, figure: Figure) -> Picture:
        figures[f"{task}-{name}"] = figure
        return draw(name, task, title, figure)

    monkeypatch.setattr(canvas, "picture", kept)
    return figures


VALUES = (0.97, 0.99, 1.0)


def document() -> ResultsDocument:
    return document_of({"rte": list(VALUES)})


def curve(run: RunRow) -> Curve:
    value = run.value or 0.0
    losses = {"loss": ((10, 0.7), (20, 0.6)), "train_loss": ((10, 0.6 - run.run / 10), (20, 0.2))}
    return Curve(run, ((10, 0.5 + run.run / 10), (20, value)), losses)


def pictures() -> dict[str, Picture]:
    made = document()
    curves = {"rte": [curve(run) for run in made.runs if run.state == RunState.SUCCEEDED]}
    return {one.file: one for some in plot_experiment(made, curves).values() for one in some}


def test_neighbours_that_are_compared_have_one_y_axis_and_it_ends_where_the_metric_does(
    drawn: dict[str, Figure],
) -> None:
    pictures()
    curves, seeds = drawn["rte-runs"].axes
    assert curves.get_ylim() == seeds.get_ylim()
    assert curves.get_ylim()[1] == 100
    assert drawn["all-scores"].axes[0].get_ylim()[1] <= 100


def test_scores_and_curves_have_means_with_95_percent_intervals(drawn: dict[str, Figure]) -> None:
    pictures()
    low, _ = stats.t.interval(0.95, 2, loc=98.6666667, scale=stats.sem([97, 99, 100]))
    [bar] = [one for one in drawn["all-scores"].axes[0].containers if isinstance(one, ErrorbarContainer)]
    [segment] = bar.lines[2][0].get_segments()
    assert [y for _, y in segment] == pytest.approx([low, 100])
    label = "mean, 95 % interval"
    [mean] = [line for line in drawn["rte-runs"].axes[0].lines if line.get_label() == label]
    assert list(mean.get_ydata()) == pytest.approx([60, 98.6666667])


def test_an_interval_ends_where_its_metric_does(drawn: dict[str, Figure]) -> None:
    plot_experiment(document_of({"rte": [0.1, 0.95, 1.0]}), {"rte": []})
    assert whiskers(drawn["all-scores"]) == [[0, 100]]
    plot_namespace("team", [document_of({"rte": [0.1, 0.95, 1.0]})])
    assert whiskers(drawn["finetuning_results-comparison"]) == [[0, 100]]


def test_two_runs_are_two_dots_and_no_interval_and_the_legend_says_so(drawn: dict[str, Figure]) -> None:
    made = document_of({"rte": [0.5, 0.7422]})
    plot_experiment(made, {"rte": [curve(run) for run in made.runs]})
    plot_namespace("team", [made])
    for name in ("all-scores", "finetuning_results-comparison"):
        assert whiskers(drawn[name]) == []
        assert dots(drawn[name]) == pytest.approx([50, 74.22])
        assert "mean over runs (no interval below 3 runs)" in legend(drawn[name])
    curves, seeds = drawn["rte-runs"].axes
    assert "mean (no interval below 3 runs)" in legend(drawn["rte-runs"])
    assert not [one for one in curves.collections if isinstance(one, PolyCollection) and one.get_paths()]
    assert whiskers(drawn["rte-runs"]) == []
    assert curves.get_ylim()[0] > 40
    assert len(seeds.collections) > 0


def whiskers(figure: Figure) -> list[list[float]]:
    """The ends of every bar of an interval."""
    bars = [one for axes in figure.axes for one in axes.containers if isinstance(one, ErrorbarContainer)]
    segments = [segment for bar in bars for lines in bar.lines[2] for segment in lines.get_segments()]
    return [[float(y) for _, y in segment] for segment in segments if len(segment)]


def dots(figure: Figure) -> list[float]:
    return [
        float(y) for one in figure.axes[0].collections if isinstance(one, PathCollection) for _, y in one.get_offsets()
    ]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


def test_there_are_curves_of_both_losses(drawn: dict[str, Figure]) -> None:
    assert set(pictures()) == {"all-scores", "rte-runs", "rte-losses"}
    told = {line.get_label(): list(line.get_ydata()) for line in drawn["rte-losses"].axes[0].lines}
    assert told["training: mean, 95 % interval"] == pytest.approx([0.5, 0.2])
    assert told["dev set: mean, 95 % interval"] == pytest.approx([0.7, 0.6])


def test_numbers_are_drawn_where_they_are_and_only_words_are_spread(drawn: dict[str, Figure]) -> None:
    space = {"trainBatchSize": {"choice": [8, 16, 32]}, "lrSchedulerType": {"choice": ["linear", "cosine"]}}
    plan = search_plan(space=space)
    trials = [
        one.model_copy(
            update={
                "config": {
                    "trainBatchSize": (8, 16, 32)[one.index % 3],
                    "lrSchedulerType": ("linear", "cosine")[one.index % 2],
                }
            }
        )
        for one in mixed_trials(plan, 8)
    ]
    plot_searched(plan, SearchFindings(trials={"rte": trials}), "rte")
    assert len({axes.get_ylim() for axes in drawn["rte-hyperparameters"].axes}) == 1
    places = {}
    for axes in drawn["rte-hyperparameters"].axes:
        points = [float(x) for one in axes.collections if isinstance(one, PathCollection) for x, _ in one.get_offsets()]
        places[axes.get_xlabel()] = {x % 1 for x in points}
    [numbers, words] = [places[name] for name in sorted(places, key=lambda name: "schedul" in name.lower())]
    assert numbers == {0.0}
    assert len(words) > 2


def test_a_paper_has_vectors_as_wide_as_a_column_with_fonts_in_them_and_no_title() -> None:
    with looking(Look.PAPER):
        made, again = pictures(), pictures()
    for name, inches in {"all-scores": 3.3, "rte-runs": 6.8, "rte-losses": 3.3}.items():
        pdf = made[name].files["pdf"]
        box = re.search(rb"/MediaBox \[\s*0 0 ([0-9.]+)", pdf)
        assert box
        assert float(box[1]) == pytest.approx(inches * POINTS_AN_INCH, abs=0.1)
        assert b"/FontFile2" in pdf
        assert b"/Type3" not in pdf
        assert f"<!-- {made[name].title} -->".encode() not in made[name].svg
        assert again[name].files == made[name].files


def test_slides_have_larger_parts_and_a_title(drawn: dict[str, Figure]) -> None:
    report = pictures()["rte-runs"]
    width = drawn["rte-runs"].get_size_inches()[0]
    with looking(Look.SLIDES):
        made = pictures()["rte-runs"]
    # The same fonts on two thirds of the size are half as large again.
    assert drawn["rte-runs"].get_size_inches()[0] == pytest.approx(width * 0.66)
    assert f"<!-- {made.title} -->".encode() in made.svg
    assert set(report.files) == {"png", "svg"}
    assert set(made.files) == {"png", "svg", "pdf"}


def test_the_command_line_knows_every_look() -> None:
    assert set(LOOKS) == {look.value for look in Look}
