"""Scores of tasks with error bars, of one experiment or of several side by side. Pure."""

from collections.abc import Sequence
from typing import Any

from finetune_core.results.intervals import mean_score, score_ends, what_is_drawn
from finetune_core.results.schema import ResultsDocument, TaskRow
from finetune_ui.drawing.figure import BEST, COLOURS, Chart, clipped, see_through


def score_chart(documents: Sequence[tuple[str, ResultsDocument]]) -> list[Chart]:
    """Named documents: of each task the mean score (x100) with its interval, every run, and the best; none without."""
    tasks = list(dict.fromkeys(task.task for _, document in documents for task in document.tasks if _has_score(task)))
    if not tasks:
        return []
    lows = [score_ends(task)[0] for _, document in documents for task in document.tasks]
    low = min((low for low in lows if low is not None), default=None) if None not in lows else None
    counts = [n for _, document in documents for task in tasks if (n := len(document.scores_of(task)))]
    traces: list[dict[str, Any]] = []
    for number, (name, document) in enumerate(documents):
        place = _place(number, len(documents))
        colour = COLOURS[number % len(COLOURS)]
        star = BEST if len(documents) == 1 else colour
        traces += _of(name, document, {task: at + place for at, task in enumerate(tasks)}, (colour, star))
    return [
        Chart(
            "scores",
            f"Scores: {what_is_drawn(counts)}",
            tuple(traces),
            {
                "xaxis": {"tickvals": list(range(len(tasks))), "ticktext": tasks, "range": [-0.5, len(tasks) - 0.5]},
                "yaxis": {"title": {"text": "score (× 100)"}, **clipped(low, 100.0)},
                "showlegend": len(documents) > 1,
                "legend": {"orientation": "h", "y": -0.2},
            },
        )
    ]


def _has_score(task: TaskRow) -> bool:
    return task.score is not None or task.mean_score is not None


def _place(number: int, count: int) -> float:
    """Beside the others of the task, within a third of a unit to either side."""
    return 0.0 if count == 1 else 0.6 * number / (count - 1) - 0.3


def _of(
    name: str, document: ResultsDocument, places: dict[str, float], colours: tuple[str, str]
) -> list[dict[str, Any]]:
    colour, star = colours
    # The axis is all tasks', the interval its own: no accuracy is negative beside a correlation that may be.
    scores = {task: document.scores_of(task) for task in places}
    told = [
        (task.task, mean) for task in document.tasks if task.task in places and (mean := mean_score(document, task))
    ]
    errors = [mean.error or (None, None) for _, mean in told]
    runs = [(places[task], score) for task, values in scores.items() for score in values]
    bests = [(places[task.task], task.score) for task in document.tasks if task.score is not None]
    return [
        {"x": [x for x, _ in runs], "y": [y for _, y in runs], "mode": "markers", "name": "runs", "showlegend": False,
         "marker": {"color": see_through(colour, 0.3), "size": 7}, "cliponaxis": False,
         "hovertemplate": "a run: %{y:.2f}<extra></extra>"},
        {"x": [places[task] for task, _ in told], "y": [mean.value for _, mean in told],
         "mode": "markers", "name": name,
         "marker": {"color": colour, "size": 9, "symbol": "square"}, "cliponaxis": False,
         "error_y": {"type": "data", "symmetric": False, "thickness": 2, "width": 6, "color": colour,
                     "array": [above for _, above in errors], "arrayminus": [below for below, _ in errors]},
         "text": [f"{task}, {mean.n} runs" for task, mean in told],
         "hovertemplate": "%{text}: mean %{y:.2f}<extra></extra>"},
        {"x": [x for x, _ in bests], "y": [y for _, y in bests], "mode": "markers", "name": "best run",
         "showlegend": False, "cliponaxis": False, "marker": {"color": star, "size": 11, "symbol": "star"},
         "hovertemplate": "best run: %{y:.2f}<extra></extra>"},
    ]  # fmt: skip
