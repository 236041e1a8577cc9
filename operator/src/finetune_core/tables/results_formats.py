"""The results table as files: Markdown and LaTeX for people, CSV for programs. JSON is the table's own `to_json`.

Markdown, LaTeX and HTML (`results_table_html`) are wide, as papers have them. CSV is long, one row an experiment, task
and metric: whatever the tasks are it has the same columns, and those of PARAMETER_FIELDS behind them where weights were
frozen; figures in full, best and mean both, and pandas' pivot makes any wide table of it.
"""

import re
from collections.abc import Iterable, Iterator

from finetune_core.results.schema import ResultsDocument, ScoreRow
from finetune_core.tables.csv import Value, csv_table
from finetune_core.tables.experiment import METRIC_FIELDS, metric_values, parameter_columns, parameter_values
from finetune_core.tables.latex import latex_table, latex_text
from finetune_core.tables.markdown import markdown_line, markdown_text
from finetune_core.tables.results import ExperimentRow, ResultsTable, Statistic, results_table
from finetune_core.tables.results_text import IDENTITY, Cell, Shown, shown, written

CSV_COLUMNS = (
    *("model", "model_digest", "namespace", "experiment", "report_digest", "kind"),
    *METRIC_FIELDS,
    *("missing", "uri"),
)


def table_csv(table: ResultsTable) -> bytes:
    """Full precision, empty where there is none; both statistics, whichever the table shows.

    Rows of kind `metric` are as measured. Those of kind `score` are x100, `mean` by the means over runs, and no full
    score unless `missing` (task names, by spaces) is empty.
    """
    parameters = parameter_columns(task for experiment in table.experiments for task in experiment.tasks)
    rows = (row for experiment in table.experiments for row in _csv_rows(experiment, parameters))
    return csv_table((*CSV_COLUMNS, *parameters), rows)


def table_markdown(table: ResultsTable) -> bytes:
    """A table of Markdown with its notes below."""
    return (_markdown(shown(table)) + "\n").encode()


def namespace_markdown(namespace: str, documents: Iterable[ResultsDocument]) -> bytes:
    """The experiments of a namespace by their best runs, then by the means over runs."""
    rows = list(documents)
    best, mean = (_markdown(shown(results_table(rows, statistic))) for statistic in Statistic)
    title = f"# Results of the experiments in {markdown_text(namespace)}"
    return f"{title}\n\n## Best runs\n\n{best}\n\n## Means over runs\n\n{mean}\n".encode()


def table_latex(table: ResultsTable) -> bytes:
    """A `table*` by booktabs, its notes below. The report's digest stands in a comment: nobody reads it in print."""
    text = shown(table)
    titles = [*IDENTITY[:2], *(title for title, _ in text.header)]
    metrics = ["", "", *(metrics for _, metrics in text.header)]
    return latex_table(
        f"ll{'r' * len(text.header)}",
        [list(map(latex_text, titles)), list(map(latex_text, metrics))],
        [[*map(latex_text, identity[:2]), *map(_latex_cell, cells)] for identity, cells in text.rows],
        text.notes,
        (" ".join(identity) for identity, _ in text.rows),
    )


def _csv_rows(row: ExperimentRow, parameters: tuple[str, ...]) -> Iterator[tuple[Value, ...]]:
    whose = (row.model_uri, row.model_digest, row.namespace, row.experiment, row.report_digest)
    for score in row.scores:
        yield (*whose, "score", *_score_values(score), row.uri, *parameter_values(None, parameters))
    for task in row.tasks:
        for metric in task.metrics:
            counted = parameter_values(task.parameters, parameters)
            yield (*whose, "metric", *metric_values(task, metric), None, row.uri, *counted)


def _score_values(score: ScoreRow) -> tuple[Value, ...]:
    given: dict[str, Value] = {
        "task": score.name,
        "metric": "score",
        "greater_is_better": True,
        "mean": score.mean_of_runs,
        "best": score.value,
    }
    return (*(given.get(name) for name in METRIC_FIELDS), " ".join(score.missing))


def _markdown(text: Shown) -> str:
    titles = [*IDENTITY, *(markdown_text(f"{title} {metrics}") for title, metrics in text.header)]
    rules = [*("---" for _ in IDENTITY), *("---:" for _ in text.header)]
    rows = ([*map(markdown_text, identity), *map(_markdown_cell, cells)] for identity, cells in text.rows)
    table = "\n".join(markdown_line(cells) for cells in (titles, rules, *rows))
    return "\n\n".join((table, *map(markdown_text, text.notes)))


def _markdown_cell(cell: Cell) -> str:
    return written(cell, bold=lambda text: f"**{text}**", escape=_within)


def _within(text: str) -> str:
    """A part of a cell: blanks at its ends are to stay."""
    return re.sub(r"\S.*\S|\S", lambda match: markdown_text(match[0]), text)


def _latex_cell(cell: Cell) -> str:
    return written(
        cell,
        bold=lambda text: rf"\textbf{{{text}}}",
        escape=latex_text,
        spread=lambda text: rf"{{\scriptsize\,$\pm$\,{text}}}",
    )
