"""The plots of an experiment: a picture a task, and one over all tasks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from finetune_core.layout import ExperimentLayout
from finetune_core.results.intervals import mean_curve, mean_of, mean_score, what_is_drawn
from finetune_core.results.schema import BestPointer, ResultsDocument, TaskRow
from finetune_core.tables import figures
from finetune_report import canvas
from finetune_report.canvas import Picture
from finetune_report.experiment.curves import Curve


def plot_task(task: TaskRow, curves: Sequence[Curve]) -> list[Picture]:
    """Learning curves of all succeeded runs with their mean, beside them the runs' best values; then their losses."""
    if task.best is None:
        return [Picture("runs", f"{task.task}-runs", note="There is no plot: no run has a value.")]
    with canvas.style():
        figure = canvas.figure_of(8.4, 3.6)
        # What is compared has one axis.
        over_steps, over_seeds = figure.subplots(1, 2, width_ratios=(3, 1), sharey=True)
        _learning(over_steps, task.best, curves)
        _seeds(over_seeds, task, curves)
        over_steps.set_ylabel(canvas.objective_label(task.metric))
        canvas.end_at(over_steps, task.metric)
        canvas.legend_below(figure, over_steps)
        title = f"{task.task}: {task.succeeded} of {task.planned} runs"
        return [canvas.picture("runs", task.task, title, figure), *_losses(task, curves)]


_LOSSES = {"train_loss": ("training", canvas.ORANGE), "loss": ("dev set", canvas.BLUE)}


def _losses(task: TaskRow, curves: Sequence[Curve]) -> Iterator[Picture]:
    """Where training and dev loss part, a model begins to learn its training data by heart."""
    found = {name: [curve.losses.get(name, ()) for curve in curves] for name in _LOSSES}
    if not any(points for lines in found.values() for points in lines):
        return
    figure = canvas.figure_of(5.6, 3.4)
    axes = figure.subplots()
    for name, (label, colour) in _LOSSES.items():
        for points in found[name]:
            axes.plot([x for x, _ in points], [y for _, y in points], color=colour, linewidth=0.7, alpha=0.45)
        _mean(axes, "loss", found[name], colour, f"{label}: mean")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("optimizer steps")
    axes.set_ylabel("loss")
    canvas.end_at(axes, "loss")
    canvas.legend_below(figure, axes)
    yield canvas.picture("losses", task.task, f"{task.task}: losses", figure)


def _mean(axes: Axes, metric: str, lines: Sequence[Sequence[tuple[int, float]]], colour: str, label: str) -> None:
    """The mean over runs, with a band for its interval where it has one; of one run nothing but its label."""
    told = mean_curve(lines, figures.ends(metric)) if len(lines) > 1 else []
    if told:
        banded = [(step, mean.interval) for step, mean in told if mean.interval]
        lows, highs = [one.low for _, one in banded], [one.high for _, one in banded]
        axes.fill_between([step for step, _ in banded], lows, highs, color=colour, alpha=0.18, linewidth=0)
        label = what_is_drawn((mean.n for _, mean in told), label)
        steps, values = [step for step, _ in told], [mean.value for _, mean in told]
        axes.plot(steps, values, color=colour, linewidth=1.8, label=label)
    elif any(lines):
        axes.plot([], [], color=colour, linewidth=1.8, label=label.partition(":")[0])


def _learning(axes: Axes, best: BestPointer, curves: Sequence[Curve]) -> None:
    for curve in curves:
        marked = curve.run.run_id == best.run_id
        xs = [step for step, _ in curve.points]
        ys = [figures.in_unit(best.metric, value) for _, value in curve.points]
        if marked:
            axes.plot(
                xs, ys, color=canvas.BLUE, linewidth=2, marker=".", zorder=3, label=f"best run (seed {best.seed})"
            )
        else:
            axes.plot(xs, ys, color=canvas.GREY, linewidth=0.8, alpha=0.7, marker=".", markersize=3, label="other runs")
    in_unit = [[(step, figures.in_unit(best.metric, value)) for step, value in curve.points] for curve in curves]
    if len(curves) > 1:
        _mean(axes, best.metric, in_unit, canvas.GREEN, "mean")
    axes.scatter(
        [best.step],
        [figures.in_unit(best.metric, best.value)],
        s=130,
        facecolors="none",
        edgecolors="black",
        linewidths=1.2,
        zorder=4,
        clip_on=False,
        label="its best evaluation",
    )
    axes.margins(y=0.08)  # room for the ring
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("optimizer steps")
    drawn = sum(bool(curve.points) for curve in curves)
    lost = "" if drawn == len(curves) else f" ({drawn} of {len(curves)}: the others' evaluations cannot be read)"
    axes.set_title(f"learning curves{lost}", fontsize="medium")


def _seeds(axes: Axes, task: TaskRow, curves: Sequence[Curve]) -> None:
    valued = [(curve.run, curve.run.value) for curve in curves if curve.run.value is not None]
    values = [figures.in_unit(task.metric, value) for _, value in valued]
    mean = mean_of(values, figures.ends(task.metric)) if len(values) > 1 else None
    canvas.means(axes, [1], [mean], markersize=18, capsize=5, color=canvas.GREEN)
    best = [task.best is not None and run.run_id == task.best.run_id for run, _ in valued]
    colours = [canvas.BLUE if one else canvas.GREY for one in best]
    canvas.runs(axes, 1, values, width=0.36, s=22, c=colours, zorder=3)
    axes.set_xlim(0.5, 1.5)
    axes.set_xticks([1], [f"n = {len(values)}"])
    axes.set_title("best of each seed", fontsize="medium")


_A_RUN = {"c": "white", "edgecolors": "black", "linewidths": 0.8, "label": "runs"}


def plot_scores(document: ResultsDocument) -> Picture:
    """Each task's score by its best run, by the mean over its runs, and by each of them."""
    scored = [task for task in document.tasks if task.score is not None]
    if not scored:
        return Picture("scores", "all-scores", note="There is no plot of scores: no task has one.")
    with canvas.style():
        figure = canvas.figure_of(max(5.2, 0.9 * len(scored) + 1.6), 3.4)
        axes = figure.subplots()
        places = range(len(scored))
        axes.bar(places, [task.score or 0.0 for task in scored], width=0.6, color=canvas.BLUE, label="best run")
        means = [mean_score(document, task) for task in scored]
        counts = [mean.n for mean in means if mean]
        look = {"markersize": 14, "markeredgewidth": 2, "capsize": 4, "color": canvas.ORANGE}
        canvas.means(axes, places, means, label=what_is_drawn(counts), **look)
        for place, task in enumerate(scored):
            canvas.runs(axes, place, document.scores_of(task.task), width=0.3, s=14, zorder=3, **_A_RUN)
        axes.set_xticks(places, [task.task for task in scored], rotation=30 if len(scored) > 6 else 0)
        axes.set_ylabel("task score (× 100)")
        canvas.ends_within(axes, None, 100)
        axes.grid(visible=False, axis="x")
        canvas.legend_below(figure, axes)
        return canvas.picture("scores", "all", "Scores of the tasks", figure)


def plot_experiment(document: ResultsDocument, curves: Mapping[str, Sequence[Curve]]) -> dict[str, list[Picture]]:
    """By task; the one over all of them under an empty name."""
    return {"": [plot_scores(document)]} | {task.task: plot_task(task, curves[task.task]) for task in document.tasks}


def picture_files(layout: ExperimentLayout, pictures: Iterable[Picture]) -> dict[str, bytes]:
    """Content by key, of those that are no notes."""
    return {layout.plot(one.file, suffix): content for one in pictures for suffix, content in one.files.items()}
