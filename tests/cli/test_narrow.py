"""Tables on terminals of 80 and of 140 columns: no id and no figure is broken over lines, and nothing is lost."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import RenderableType

from finetune_cli.fitted import table
from finetune_cli.output import _PlainConsole
from finetune_cli.shown.comparison import comparison_page as two_page
from finetune_cli.shown.objects import object_list, page
from finetune_cli.shown.results import best_page, best_rows, results_page
from finetune_cli.shown.results_table import comparison_page
from finetune_client.overview import Overview, overview
from finetune_core.results.comparison.experiments import compare
from finetune_core.tables.results import Statistic, results_table
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_report.significance import t_test
from support.documents import document_of
from support.experiments import experiment

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NAMES = [task for task in GLUE_TASKS if task not in {"ax", "diagnostic"}]


def lines(shown: RenderableType, width: int, *, colours: bool = False) -> list[str]:
    console = _PlainConsole(width=width, force_terminal=colours, color_system="standard" if colours else None)
    with console.capture() as capture:
        console.print(shown)
    return [line.rstrip() for line in capture.get().splitlines()]


def seen(kind: str = "FinetuneExperiment", **status: Any) -> Overview:
    manifest = experiment("bert-large-uncased-whole-word-masking")
    manifest["metadata"] |= {"namespace": "team", "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 2}
    return overview({**manifest, "kind": kind, "status": status})


def with_tasks() -> Overview:
    best = {"run": 1, "seed": 1234567890, "value": 0.5612, "step": 12000}
    tasks = [
        {"name": name, "metric": "matthews_correlation", "runs": "12/13", "failed": 1, "best": best,
         "mean": 0.55, "std": 0.0158, "score": 56.12} for name in NAMES
    ]  # fmt: skip
    return seen(runs={"summary": "3/6", "failed": 1}, tasks=tasks, score="56.12 (1/9)", eta="~20m")


DOCUMENT = document_of({task: [0.6123, 0.7234, 0.6512] for task in NAMES}, name="demo")
OTHER = document_of({task: [0.6523, 0.7334, 0.6712] for task in NAMES}, name="better")
SHOWN = {
    "list": object_list(
        [with_tasks(), seen("HPSearch", trials={"summary": "8/16"}, best="rte 70.00, cola 12.00")], NOW
    ),
    "status": page(with_tasks(), NOW),
    "results": results_page(DOCUMENT),
    "best": best_page(best_rows(DOCUMENT)),
    "over experiments": comparison_page(results_table([DOCUMENT, OTHER], Statistic.MEAN)),
    "compare": two_page(compare(DOCUMENT, OTHER, t_test)),
}
FIGURE = re.compile(r"[+-]?\d+\.\d\d(?: ± \d+\.\d\d \(\d+\))?")


@pytest.mark.parametrize("what", SHOWN)
@pytest.mark.parametrize("width", [80, 140])
def test_tables_fit_and_every_figure_and_id_stands_whole(what: str, width: int) -> None:
    narrow, whole = lines(SHOWN[what], width), lines(SHOWN[what], 10_000)
    cells = {cell for line in whole for cell in re.split(r"\s{2,}", line.strip())}
    tabular = [line for line in narrow if re.search(r"\S\s{2,}\S", line)]

    assert max(map(len, tabular)) <= width
    for line in tabular:
        for found in FIGURE.findall(line):
            assert any(found in cell for cell in cells), found
    for name in NAMES if what in {"status", "results", "compare"} else ():
        assert any(line.startswith(name) for line in narrow)


@pytest.mark.parametrize("what", ["results", "over experiments", "compare", "status"])
def test_no_score_is_left_out_where_it_is_narrow(what: str) -> None:
    def figures(width: int) -> set[str]:
        return {one for line in lines(SHOWN[what], width) for one in re.findall(r"\d+\.\d\d ± \d+\.\d\d", line)}

    assert figures(80) == figures(10_000) != set()


def shown_columns(columns: Sequence[str], rows: Sequence[Sequence[object]], width: int, **options: Any) -> list[str]:
    return lines(table(columns, rows, **options), width)


def test_extra_columns_go_first_from_the_right_and_stay_where_all_are_asked_for() -> None:
    columns, row = ("TASK", "ONE?", "TWO?", "LAST>"), ("rte", "1" * 20, "2" * 20, "3" * 20)
    assert shown_columns(columns, [row], 100)[0].split() == ["TASK", "ONE", "TWO", "LAST"]
    assert shown_columns(columns, [row], 60)[0].split() == ["TASK", "ONE", "LAST"]
    assert shown_columns(columns, [row], 30)[0].split() == ["TASK", "LAST"]
    assert shown_columns(columns, [row], 30, wide=True)[0].split() == ["TASK", "ONE", "TWO", "LAST"]


def test_what_does_not_fit_beside_the_first_column_stands_below_it() -> None:
    found = shown_columns(("TASK", "ONE", "TWO"), [("rte", "1" * 20, "2" * 20), ("cola", None, "b")], 40)
    assert [line.split() for line in found] == [
        ["TASK", "ONE"], ["rte", "1" * 20], ["cola", "–"], [], ["TASK", "TWO"], ["rte", "2" * 20], ["cola", "b"]
    ]  # fmt: skip


def test_words_go_on_in_the_next_line_and_are_never_cut() -> None:
    words = "learningRate 3e-05, maxSteps 90, perDeviceTrainBatchSize 32"
    found = shown_columns(("TASK", "HYPERPARAMETERS~"), [("rte", words)], 40)
    assert max(map(len, found)) <= 40
    assert " ".join(" ".join(found[1:]).split()) == f"rte {words}"


@pytest.mark.parametrize(
    ("status", "reason", "colour"),
    [("True", "AllRunsSucceeded", "32"), ("False", "TaskFailed", "31"), ("Unknown", "Running", "33")],
)
def test_states_have_colours_on_a_terminal_alone(status: str, reason: str, colour: str) -> None:
    item = seen(conditions=[{"type": "Succeeded", "status": status, "reason": reason}], observedGeneration=2)
    for made in (object_list([item], NOW), page(item, NOW)):
        assert f"{colour}m{reason}" in "\n".join(lines(made, 80, colours=True))
        assert "\x1b" not in "\n".join(lines(made, 80))
