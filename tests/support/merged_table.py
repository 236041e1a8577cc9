"""The tables of a namespace against best pointers, and against figures worked out by hand from what was drawn."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest

from finetune_core.tasks.registry import GLUE_TASKS
from support.drawn_runs import CUSTOM, LESS_IS_BETTER, REPORTED, Left

Line = dict[str, str]

_SHORT = {"accuracy": "acc", "mm_accuracy": "mm acc", "matthews_correlation": "mcc", "spearmanr": "spearman"}


def check_cells(left: Left, task: str, pointer: dict[str, Any] | None, line: Line) -> None:
    """A line of a CSV, of one task and metric: every cell of it. Bests are the pointer's, to the last bit."""
    metric, deciding = line["metric"], left.deciding(task)
    drawn = left.drawn.runs[task]
    values = list(left.values(task, metric).values())
    succeeded = sum(one == task for one, _ in left.measured)
    failed = sum(run.run_id in left.failed for run in left.plan.runs_of(task))
    scores = [score for run in range(len(drawn)) if (score := score_of(left, task, run)) is not None]
    assert line["chosen_by"] == deciding
    assert (line["planned"], line["succeeded"], line["failed"]) == (str(len(drawn)), str(succeeded), str(failed))
    assert line.get("greater_is_better", str(metric not in LESS_IS_BETTER)) == str(metric not in LESS_IS_BETTER)
    assert line["n"] == str(len(values))
    assert number(line["mean"]) == near(mean(values))
    assert number(line["std"]) == near(deviation(values))
    assert number(line["mean_score"]) == near(mean(scores))
    if pointer is None:
        assert left.winner(task) is None
        assert {line[name] for name in ("best", "best_run", "best_run_id", "seed", "step", "score")} == {""}
        return
    assert left.winner(task) == pointer["run"]
    assert (line["best_run"], line["best_run_id"]) == (str(pointer["run"]), pointer["runId"])
    assert (line["seed"], line["step"]) == (str(pointer["seed"]), str(pointer["step"]))
    assert number(line["best"]) == pointer["metrics"].get(metric) == left.values(task, metric).get(pointer["run"])
    assert number(line["score"]) == pointer["score"] == near(score_of(left, task, pointer["run"]))
    if metric == deciding:
        assert number(line["best"]) == pointer["value"]


def score_of(left: Left, task: str, run: int) -> float | None:
    """The mean of the reported metrics of a run, x100, where it has all of them and more is better of each."""
    said = [left.values(task, metric).get(run) for metric in REPORTED[task]]
    known = [value for value in said if value is not None]
    if len(known) < len(said) or set(REPORTED[task]) & set(LESS_IS_BETTER):
        return None
    return 100 * float(sum(map(Fraction, known)) / len(known))


def best_score(left: Left, task: str) -> float | None:
    winner = left.winner(task) if task in left.drawn.runs else None
    return None if winner is None else score_of(left, task, winner)


def check_scores(left: Left, lines: Sequence[Line]) -> None:
    """The lines of the two scores in a CSV: a mean over those tasks whose best run has a score, which lacks others."""
    assert [line["task"] for line in lines] == ["BERT average", "GLUE score"]
    for line in lines:
        bests, means, missing = score_parts(left, line["task"])
        assert line["missing"] == " ".join(missing)
        assert number(line["best"]) == near(mean(bests))
        assert number(line["mean"]) == near(mean(means))


def score_parts(left: Left, name: str) -> tuple[list[float], list[float], list[str]]:
    """Of a score: the scores of the tasks' best runs, the means of their runs' scores, and the tasks without any."""
    tasks = [task for task in GLUE_TASKS if (task, name) != ("wnli", "BERT average")]
    bests = {task: score for task in tasks if (score := best_score(left, task)) is not None}
    runs = {task: [score_of(left, task, run) for run in range(len(left.drawn.runs[task]))] for task in bests}
    means = [mean([score for score in runs[task] if score is not None]) for task in bests]
    return list(bests.values()), [one for one in means if one is not None], [one for one in tasks if one not in bests]


def check_shown(all_left: Sequence[Left], text: str) -> None:
    """Both tables of the Markdown: every cell, and in bold the best of its column where there is more than one."""
    best, means = text.split("## Means over runs")
    for part, by_means in ((best, False), (means, True)):
        header, *lines = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")]
        cells = {line[1]: dict(zip(header, line, strict=True)) for line in lines if not line[0].startswith("---")}
        assert cells.keys() == {f"team/{left.name}" for left in all_left}
        assert {title.partition(" ")[0] for title in header[5:]} == {
            one for left in all_left for one in left.drawn.runs
        }
        for left in all_left:
            row = cells[f"team/{left.name}"]
            for score in ("BERT average", "GLUE score"):
                # Which scores may be compared at all is another test's question: bold or not.
                assert row[score].replace("**", "") == score_cell(left, score, by_means=by_means)
        for title in header[5:]:
            shown = {name: row[title] for name, row in cells.items()}
            assert shown == task_cells(all_left, title, by_means=by_means)


def score_cell(left: Left, score: str, *, by_means: bool) -> str:
    bests, means, missing = score_parts(left, score)
    value = mean(means if by_means else bests)
    return "–" if value is None else f"{value:z.2f}" + ("\\*" if missing else "")


def task_cells(all_left: Sequence[Left], title: str, *, by_means: bool) -> dict[str, str]:
    """What the column of this title has to say, by experiment."""
    task, _, names = title.partition(" ")
    long = {short: metric for metric, short in _SHORT.items()}
    metrics = []
    for name in names.split("/"):
        bare = name.removesuffix(" ↓")
        metrics.append(long.get(bare, bare))
        assert (bare != name) == (metrics[-1] in LESS_IS_BETTER)
    theirs = [left for left in all_left if task in left.drawn.runs]
    official = () if task in CUSTOM else REPORTED[task]
    assert set(metrics) == {*official, *(metric for left in theirs for metric in left.rows(task))}
    tops = {metric: top(theirs, task, metric, by_means=by_means) for metric in metrics}
    return {f"team/{left.name}": task_cell(left, task, tops, by_means=by_means) for left in all_left}


def task_cell(left: Left, task: str, tops: Mapping[str, str | None], *, by_means: bool) -> str:
    """The metrics of `tops`, each with the text that is to be bold, and the number of runs behind them."""
    if task not in left.drawn.runs:
        return "–"
    told = []
    for metric, best in tops.items():
        value = chosen(left, task, metric, by_means=by_means)
        text = as_read(metric, value)
        spread = deviation(list(left.values(task, metric).values())) if by_means and value is not None else None
        whole = text if spread is None else f"{text} ± {as_read(metric, spread)}"
        told.append(f"**{whole}**" if value is not None and text == best else whole)
    counts = [str(len(left.values(task, metric))) for metric in tops if metric in left.rows(task)]
    tail = counts[0] if len(set(counts)) == 1 else "/".join(counts)
    return (" / " if by_means else "/").join(told) + f" ({tail})"


def chosen(left: Left, task: str, metric: str, *, by_means: bool) -> float | None:
    """The figure that a table shows of a metric; None where the experiment does not report it, or has no value."""
    values = left.values(task, metric) if metric in left.rows(task) else {}
    winner = left.winner(task)
    if by_means:
        return mean(list(values.values()))
    return None if winner is None else values.get(winner)


def top(theirs: Sequence[Left], task: str, metric: str, *, by_means: bool) -> str | None:
    """The text of the column's best figure; None where there are not two to compare."""
    found = [chosen(left, task, metric, by_means=by_means) for left in theirs]
    known = [value for value in found if value is not None]
    if len(known) < 2:
        return None
    return as_read(metric, min(known) if metric in LESS_IS_BETTER else max(known))


def as_read(metric: str, value: float | None) -> str:
    """Per cent with two decimals where more is better, else four digits; zero has no sign."""
    if value is None:
        return "–"
    return f"{value:z.4g}" if metric in LESS_IS_BETTER else f"{100 * value:z.2f}"


def mean(values: Sequence[float]) -> float | None:
    """Exact, then rounded once."""
    return float(sum(map(Fraction, values)) / len(values)) if values else None


def deviation(values: Sequence[float]) -> float | None:
    """Of the sample; exact but for the root, which has 50 digits."""
    if len(values) < 2:
        return None
    exact = [Fraction(value) for value in values]
    middle = sum(exact) / len(exact)
    variance = sum((value - middle) ** 2 for value in exact) / (len(exact) - 1)
    with localcontext() as context:
        context.prec = 50
        return float((Decimal(variance.numerator) / Decimal(variance.denominator)).sqrt())


def near(value: float | None) -> Any:
    """Equal but for the last digits."""
    return None if value is None else pytest.approx(value, rel=1e-12, abs=0)


def number(cell: str) -> float | None:
    """A cell of a CSV."""
    return float(cell) if cell else None
