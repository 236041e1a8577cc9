"""Plots over the experiments of a namespace: their models task by task, and their scores against sparsity."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from finetune_core.results.intervals import FEWEST, Mean, mean_score, what_is_drawn
from finetune_core.results.schema import ResultsDocument
from finetune_core.tables import figures
from finetune_core.tables.results import Statistic, results_table, rivals
from finetune_report import canvas
from finetune_report.canvas import Picture

# Okabe and Ito's, in an order in which neighbours differ in lightness too.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#F0E442")
_MOST = len(_COLOURS)
"""More experiments than this cannot be told apart by colour."""
PLOTS = ("comparison", "sparsity")
"""Names of the plots that there may be."""
_MARK = {
    "color": "#444444", "markersize": 5, "markeredgewidth": 1.2, "elinewidth": 1, "capsize": 2, "zorder": 3
}  # fmt: skip
_A_RUN = {"s": 8, "c": "white", "edgecolors": "#444444", "linewidths": 0.7, "zorder": 4}
_RUNS = f"runs, where they are fewer than {FEWEST}"
_GROUP = 0.84
"""Width of a task's bars together; tasks are 1 apart."""


def plot_namespace(namespace: str, documents: Sequence[ResultsDocument]) -> tuple[Picture, ...]:
    """The comparison, which says so where there is nothing to draw; that against sparsity where any model is sparse.

    Experiments in any order give the same bytes.
    """
    ordered = sorted(documents, key=lambda document: (document.experiment, document.uri))
    with canvas.style():
        against = (_sparsity(namespace, ordered),) if any(one.sparsity for one in ordered) else ()
        return (_comparison(namespace, ordered), *against)


def _comparison(namespace: str, documents: Sequence[ResultsDocument]) -> Picture:
    """Bars of task scores by the best runs, grouped by task, with the means over runs as marks."""
    scored = [document for document in documents if any(task.score is not None for task in document.tasks)]
    drawn = _best_of(scored)
    columns = results_table(drawn, Statistic.BEST).columns()
    tasks = [column.task for column in columns if any(_score(document, column.task) is not None for document in drawn)]
    bars = len(tasks) * len(drawn)
    figure = canvas.figure_of(min(18.0, max(5.6, 0.22 * bars + 0.3 * len(tasks) + 1.4)), 4.2)
    axes = figure.subplots()
    title = f"{namespace}: scores of the experiments by task"
    if len(drawn) < len(scored):
        title += f" (the best {len(drawn)} of {len(scored)} by GLUE score)"
    if not drawn:
        return _nothing(figure, axes, "comparison", title, "No experiment has a score yet.")
    width = min(_GROUP / len(drawn), 0.4)
    means = [[_mean(document, task) for task in tasks] for document in drawn]
    label = what_is_drawn(mean.n for some in means for mean in some if mean)
    for number, document in enumerate(drawn):
        places = [place + width * (number - (len(drawn) - 1) / 2) for place in range(len(tasks))]
        bests = [_score(document, task) for task in tasks]
        _bars(axes, places, bests, width=0.92 * width, color=_COLOURS[number], label=_label(document))
        marked = means[number]
        canvas.means(axes, places, marked, label=label, **_MARK)
        for place, task, mean in zip(places, tasks, marked, strict=True):
            if mean and mean.interval is None:
                canvas.runs(axes, place, document.scores_of(task), width=width / 2, label=_RUNS, **_A_RUN)
    canvas.ends_within(axes, None, 100)
    axes.set_xticks(range(len(tasks)), tasks, rotation=30 if bars < 12 and len(tasks) > 6 else 0)
    axes.set_xlim(-0.6, len(tasks) - 0.4)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel("task score of the best run (× 100)")
    axes.grid(visible=False, axis="x")
    _legend(figure, axes, {label, _RUNS})
    return canvas.picture("comparison", "finetuning_results", title, figure)


def _sparsity(namespace: str, documents: Sequence[ResultsDocument]) -> Picture:
    """The GLUE score against the share of zeros. Means over other tasks than those compared are hollow."""
    known = [
        (document.sparsity, document.glue, document)
        for document in documents
        if document.sparsity is not None and document.glue.value is not None
    ]
    figure = canvas.figure_of(6.4, 4.2)
    axes = figure.subplots()
    title = f"{namespace}: score against sparsity"
    if not known:
        return _nothing(figure, axes, "sparsity", title, "No experiment has a score and a known sparsity yet.")
    compared = rivals((score for _, score, _ in known), Statistic.BEST)
    for sparsity, score, document in known:
        value = score.value or 0.0
        comparable = score in compared
        axes.scatter(
            [100 * sparsity],
            [value],
            s=46,
            facecolors=canvas.BLUE if comparable else "none",
            edgecolors=canvas.BLUE if comparable else canvas.GREY,
            zorder=3,
            label="best runs" if comparable else "best runs, over other tasks: not to be compared",
        )
        if score.mean_of_runs is not None:
            axes.scatter(
                [100 * sparsity],
                [score.mean_of_runs],
                marker="_",
                s=160,
                linewidths=2,
                color=canvas.ORANGE,
                zorder=2,
                label="means over runs",
            )
        # Names of points at the right edge would leave the plot.
        left = sparsity > 0.5
        axes.annotate(
            document.experiment,
            (100 * sparsity, value),
            xytext=(-8 if left else 8, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize=8,
        )
    axes.set_xlim(-4, 104)
    axes.margins(y=0.1)
    axes.set_xlabel("sparsity (% zeros of the weights that the model's type covers; dense models: 0)")
    axes.set_ylabel("GLUE score (× 100)" if all(not score.missing for score in compared) else "mean of task scores")
    canvas.legend_below(figure, axes)
    return canvas.picture("sparsity", "finetuning_results", title, figure)


def _best_of(documents: Sequence[ResultsDocument]) -> list[ResultsDocument]:
    if len(documents) <= _MOST:
        return list(documents)
    # Complete scores first: a mean over a few easy tasks is no reason to be shown.
    ranked = sorted(
        documents,
        key=lambda document: (
            -len(document.glue.covers),
            -(document.glue.value if document.glue.value is not None else -1e9),
        ),
    )
    chosen = ranked[:_MOST]
    return [document for document in documents if document in chosen]


def _score(document: ResultsDocument, task: str) -> float | None:
    return next((row.score for row in document.tasks if row.task == task), None)


def _mean(document: ResultsDocument, task: str) -> Mean | None:
    return next((mean_score(document, row) for row in document.tasks if row.task == task), None)


def _bars(
    axes: Axes, places: Sequence[float], values: Sequence[float | None], *, width: float, color: str, label: str
) -> None:
    """A bar where there is a value; none, not one of no height, where there is none."""
    there = [(place, value) for place, value in zip(places, values, strict=True) if value is not None]
    axes.bar([place for place, _ in there], [value for _, value in there], width=width, color=color, label=label)


def _label(document: ResultsDocument) -> str:
    score = document.glue
    if score.value is None:
        return document.experiment
    return f"{document.experiment} ({figures.score(score.value)}{'*' if score.missing else ''})"


def _legend(figure: Figure, axes: Axes, common: set[str]) -> None:
    # What all have in common comes last.
    entries = sorted(zip(*axes.get_legend_handles_labels(), strict=True), key=lambda entry: entry[1] in common)
    handles = {label: handle for handle, label in entries}
    canvas.legend_of(figure, handles, min(4, len(handles)), "experiment (GLUE score; * not over all tasks)")


def _nothing(figure: Figure, axes: Axes, name: str, title: str, why: str) -> Picture:
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes)
    return canvas.picture(name, "finetuning_results", title, figure)
