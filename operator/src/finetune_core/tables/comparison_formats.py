"""A comparison as files: Markdown, LaTeX and HTML for people, CSV for programs. JSON is its own `to_json`."""

from collections.abc import Iterable, Iterator
from html import escape

from finetune_core.results.comparison.schema import (
    Comparison,
    ItemComparison,
    Overall,
    Sample,
    Side,
    TaskComparison,
)
from finetune_core.tables.comparison_text import COLUMNS, FIGURES, told
from finetune_core.tables.csv import Value, csv_table
from finetune_core.tables.html_page import element, html_page
from finetune_core.tables.latex import latex_table, latex_text
from finetune_core.tables.markdown import markdown_line, markdown_text

_COMPARED = ("n", "mean", "std")
_SIDE = ("n", "mean", "std", "best", "failed", "missing", "not_finite", "quarantined")
CSV_COLUMNS = (
    "before", "after", "kind", "task", "metric", "greater_is_better",
    *(f"before_{name}" for name in _SIDE), *(f"after_{name}" for name in _SIDE),
    *(f"{side}_compared_{name}" for side in ("before", "after") for name in _COMPARED),
    "test", "pairs", "difference", "low", "high", "t", "df", "p", "p_holm", "verdict", "reason",
)  # fmt: skip


def comparison_csv(comparison: Comparison) -> bytes:
    """A row a task, in full precision, as measured; empty where there is none. `compared` are the runs of the test.

    The last row, of kind `score`, holds the overall means (x100); its `task` names their tasks, by spaces.
    """
    names = (comparison.before.name, comparison.after.name)
    rows = [(*names, *_task_values(task)) for task in comparison.tasks]
    if comparison.overall is not None:
        rows.append((*names, *_overall_values(comparison.overall)))
    return csv_table(CSV_COLUMNS, rows)


ITEM_COLUMNS = (
    "kind", "task", "metric", "data", "items", "before_seed", "after_seed", "before_run", "after_run", "before_value",
    "after_value", "difference", "low", "high", "both", "only_before", "only_after", "neither", "p", "p_holm", "reason",
)  # fmt: skip


def items_csv(items: Iterable[ItemComparison]) -> bytes:
    """Of each task a row of kind `bootstrap`, over all models, then one of kind `mcnemar` for each pair of models."""
    return csv_table(ITEM_COLUMNS, (row for item in items for row in _item_rows(item)))


def _item_rows(item: ItemComparison) -> Iterator[tuple[Value, ...]]:
    nothing = (None,) * 4
    yield (
        "bootstrap", item.task, item.metric, item.data, item.items, *nothing, item.before, item.after, item.difference,
        item.low, item.high, *nothing, None, None, item.reason,
    )  # fmt: skip
    for pair in item.pairs:
        yield (
            "mcnemar", item.task, "accuracy", item.data, item.items, pair.before_seed, pair.after_seed,
            pair.before_run, pair.after_run, *nothing, None, pair.both, pair.only_before, pair.only_after, pair.neither,
            pair.p, pair.p_holm, None,
        )  # fmt: skip


def comparison_markdown(comparison: Comparison) -> bytes:
    """A table of Markdown between who is compared and the notes."""
    text = told(comparison)
    rules = ("---:" if column in FIGURES else "---" for column in COLUMNS)
    rows = (map(markdown_text, row) for row in text.rows)
    table = "\n".join(map(markdown_line, (COLUMNS, rules, *rows)))
    words = (f"# {markdown_text(text.title)}", *map(markdown_text, text.whose))
    blocks = (*words, table, *map(markdown_text, (text.overall, *text.notes)))
    return ("\n\n".join(blocks) + "\n").encode()


def comparison_latex(comparison: Comparison) -> bytes:
    """A `table*` by booktabs, its notes below. Who is compared stands in comments: a caption is the author's."""
    text = told(comparison)
    return latex_table(
        "".join("r" if column in FIGURES else "l" for column in COLUMNS),
        [list(map(latex_text, COLUMNS))],
        [list(map(latex_text, row)) for row in text.rows],
        (text.overall, *text.notes),
        text.whose,
    )


def comparison_html(comparison: Comparison) -> bytes:
    """One self-contained page."""
    text = told(comparison)
    head = [element("th", escape(title), f'{_class(title)} scope="col"'.strip()) for title in COLUMNS]
    rows = [
        [element("td", escape(cell), _class(title)) for title, cell in zip(COLUMNS, row, strict=True)]
        for row in text.rows
    ]
    return html_page(text.title, head, rows, (*text.whose, text.overall, *text.notes))


def _class(title: str) -> str:
    return "" if title in FIGURES else 'class="whose"'


def _task_values(task: TaskComparison) -> tuple[Value, ...]:
    return (
        "metric", task.task, task.metric, task.before.figures.greater_is_better,
        *_side_values(task.before), *_side_values(task.after),
        *_sample_values(task.before_sample), *_sample_values(task.after_sample),
        None if task.test is None else task.test.value, task.pairs, task.difference, task.low, task.high,
        task.t, task.df, task.p, task.p_holm, task.verdict.value, task.reason,
    )  # fmt: skip


def _side_values(side: Side) -> tuple[Value, ...]:
    figures = side.figures
    counts = (side.failed, side.missing, side.not_finite, side.quarantined)
    return (figures.n, figures.mean, figures.std, figures.best, *counts)


def _sample_values(sample: Sample | None) -> tuple[Value, ...]:
    return tuple(None if sample is None else getattr(sample, name) for name in _COMPARED)


def _overall_values(overall: Overall) -> tuple[Value, ...]:
    nothing = (None,) * 4
    before = (None, overall.before, None, overall.before_best, *nothing)
    after = (None, overall.after, None, overall.after_best, *nothing)
    tested = (*(None,) * 2 * len(_COMPARED), None, None, overall.difference, *(None,) * 8)
    return ("score", " ".join(overall.tasks), "score", True, *before, *after, *tested)
