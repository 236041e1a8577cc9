"""A column of results is described once: whoever shows the table of tasks shows every column of it."""

import csv
import io

import pytest
from rich.console import Console

from finetune_cli.shown import results as terminal
from finetune_core.results.run import ParameterCount
from finetune_core.results.schema import ResultsDocument, TaskRow
from finetune_core.tables import experiment as tables
from finetune_core.tables.results import Statistic, results_table
from finetune_core.tables.results_formats import table_csv
from finetune_core.tables.runs import runs_csv
from finetune_report.experiment.page import report_html
from support.documents import FAILED, document_of
from support.results import plan_of


@pytest.fixture
def document() -> ResultsDocument:
    return document_of({"mrpc": [0.8, 0.9, FAILED], "rte": [0.6]})


def printed(document: ResultsDocument) -> list[str]:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(terminal.results_page(document))
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def test_report_page_and_terminal_have_the_columns_of_the_table(document: ResultsDocument) -> None:
    titles = tables.task_header(document.tasks)
    plan = plan_of({"mrpc": 3, "rte": 1})
    settings = {name: plan.tasks[name].settings for name in plan.task_names}
    html = report_html(document, {}, settings).decode()

    assert f"| {' | '.join(titles)} |" in tables.results_markdown(document).decode()
    assert " ".join(titles).upper() in printed(document)
    assert all(f">{title}</th>" in html for title in titles)


def test_a_terminal_has_a_line_a_metric_and_the_same_figures(document: ResultsDocument) -> None:
    lines = printed(document)
    first = next(index for index, line in enumerate(lines) if line.startswith("mrpc"))
    assert lines[first].startswith("mrpc 2/3, 1 failed ")
    assert "90.00 85.00 ± 7.07 (2)" in " ".join(lines[first : first + 2])
    assert tables.task_cells(document.tasks)[1][3:5] == ("60.00", "60.00 (1)")
    assert "rte 1/1 accuracy 60.00 60.00 (1) 60.00 0 (seed" in " ".join(lines)


def test_a_column_more_is_a_line_more(document: ResultsDocument, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(task: TaskRow) -> list[str]:
        return [f"{task.planned - task.succeeded} lost"]

    monkeypatch.setattr(tables, "TASK_COLUMNS", (*tables.TASK_COLUMNS, tables.Column("Lost", lost)))

    assert tables.task_cells(document.tasks)[0][-1] == "1 lost"
    assert any(line.startswith("rte") and line.endswith("0 lost") for line in printed(document))


def test_csv_files_have_the_fields_of_a_metric(document: ResultsDocument) -> None:
    own = next(csv.reader(io.StringIO(tables.results_csv(document).decode())))
    all_ = next(csv.reader(io.StringIO(table_csv(results_table([document], Statistic.BEST)).decode())))
    fields = list(tables.METRIC_FIELDS)
    assert own == [name for name in fields if name != "greater_is_better"]
    assert all_[6:-2] == fields


def test_trained_parameters_are_told_where_not_all_are(document: ResultsDocument) -> None:
    counted = ParameterCount(trainable=887_042, total=110_000_000)
    mrpc, rte = document.tasks
    runs = tuple(
        run.model_copy(update={"parameters": counted if run.task == "mrpc" else None}) for run in document.runs
    )
    adapted = document.model_copy(
        update={"tasks": (mrpc.model_copy(update={"parameters": counted}), rte), "runs": runs}
    )

    assert "Trained" not in tables.results_markdown(document).decode()
    assert tables.task_header(adapted.tasks)[-1] == "Trained"
    assert [line[-1] for line in tables.task_cells(adapted.tasks)] == ["887,042 (0.81%)", "–"]
    assert any(line.endswith("TRAINED") for line in printed(adapted))

    table = results_table([adapted], Statistic.BEST)
    for content in (tables.results_csv(adapted), runs_csv(adapted), table_csv(table)):
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        assert list(rows[0])[-2:] == ["trainable_parameters", "parameters"]
        told = {(row["trainable_parameters"], row["parameters"]) for row in rows if row["task"] == "mrpc"}
        assert told == {("887042", "110000000")}
        assert {row["parameters"] for row in rows if row["task"] == "rte"} == {""}
