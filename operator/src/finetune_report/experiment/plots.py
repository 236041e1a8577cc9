"""The plots of an experiment: a picture a task, and one over all tasks."""

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from finetune_core.layout import ExperimentLayout
from finetune_core.results.schema import BestPointer, ResultsDocument, TaskRow
from finetune_core.tables import figures
from finetune_report import canvas
from finetune_report.canvas import Picture
from finetune_report.experiment.curves import Curve

_GOLDEN = (5**0.5 - 1) / 2


def plot_task(task: TaskRow, curves: Sequence[Curve]) -> Picture:
    """Learning curves of all succeeded runs, the best one marked; beside them the runs' best values as a box."""
    if task.best is None:
        return Picture("runs", f"{task.task}-runs", note="There is no plot: no run has a value.")
    with canvas.style():
        figure = Figure(figsize=(8.4, 3.6), layout="constrained")
        over_steps, over_seeds = figure.subplots(1, 2, width_ratios=(3, 1))
        _learning(over_steps, task.best, curves)
        _seeds(over_seeds, task, curves)
        over_steps.set_ylabel(canvas.objective_label(task.metric))
        title = f"{task.task}: {task.succeeded} of {task.planned} runs"
        figure.suptitle(title)
        canvas.legend_below(figure, over_steps)
        return canvas.picture("runs", task.task, title, figure)


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
    axes.scatter(
        [best.step],
        [figures.in_unit(best.metric, best.value)],
        s=130,
        facecolors="none",
        edgecolors="black",
        linewidths=1.2,
        zorder=4,
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
    axes.boxplot(values, widths=0.5, showfliers=False, medianprops={"color": canvas.ORANGE})
    for number, ((run, _), value) in enumerate(zip(valued, values, strict=True)):
        # Multiples of the golden ratio spread evenly, however many there are.
        place = 1 + 0.36 * ((number * _GOLDEN) % 1 - 0.5)
        best = task.best is not None and run.run_id == task.best.run_id
        axes.scatter([place], [value], s=22, color=canvas.BLUE if best else canvas.GREY, zorder=3)
    axes.set_xticks([1], [f"n = {len(values)}"])
    axes.set_title("best of each seed", fontsize="medium")


def plot_scores(document: ResultsDocument) -> Picture:
    """Each task's score by its best run, and by the mean over its runs."""
    scored = [task for task in document.tasks if task.score is not None]
    if not scored:
        return Picture("scores", "all-scores", note="There is no plot of scores: no task has one.")
    with canvas.style():
        figure = Figure(figsize=(max(5.2, 0.9 * len(scored) + 1.6), 3.4), layout="constrained")
        axes = figure.subplots()
        places = range(len(scored))
        axes.bar(places, [task.score or 0.0 for task in scored], width=0.6, color=canvas.BLUE, label="best run")
        means = [
            (place, task.mean_score) for place, task in zip(places, scored, strict=True) if task.mean_score is not None
        ]
        axes.scatter(
            [place for place, _ in means],
            [mean for _, mean in means],
            marker="_",
            s=400,
            linewidths=2,
            color=canvas.ORANGE,
            zorder=3,
            label="mean over runs",
        )
        axes.set_xticks(places, [task.task for task in scored], rotation=30 if len(scored) > 6 else 0)
        axes.set_ylabel("task score (× 100)")
        axes.grid(visible=False, axis="x")
        title = "Scores of the tasks"
        figure.suptitle(title)
        canvas.legend_below(figure, axes)
        return canvas.picture("scores", "all", title, figure)


def plot_experiment(document: ResultsDocument, curves: Mapping[str, Sequence[Curve]]) -> dict[str, Picture]:
    """By task; the one over all of them under an empty name."""
    return {"": plot_scores(document)} | {task.task: plot_task(task, curves[task.task]) for task in document.tasks}


def picture_files(layout: ExperimentLayout, pictures: Iterable[Picture]) -> dict[str, bytes]:
    """Content by key, of those that are no notes."""
    drawn = [drawing for drawing in pictures if drawing.note is None]
    pngs = {layout.plot(drawing.file, "png"): drawing.png for drawing in drawn}
    return pngs | {layout.plot(drawing.file, "svg"): drawing.svg for drawing in drawn}
