"""GPU-hours in results and tables: of runs that ended, of attempts in vain, and of none that others trained."""

import csv
import io

import pytest

from finetune_core.results.document import build_document
from finetune_core.results.run import Progress
from finetune_core.results.schema import ResultsDocument
from finetune_core.tables import figures
from finetune_core.tables.experiment import cost_line, results_markdown, task_cells, task_header
from finetune_core.tables.runs import runs_csv
from support.results import plan_of, result_of

PLAN = plan_of({"rte": 4, "wnli": 1})
URI = "s3://bucket/team/demo"


def document(gpu_seconds: float = 3600.0) -> ResultsDocument:
    """Of rte two runs have a result (one is another experiment's), one has failed, one is interrupted; wnli waits."""
    ended = [
        result_of(PLAN, "rte", 0, 0.6, gpu_seconds=gpu_seconds),
        result_of(PLAN, "rte", 1, 0.7, gpu_seconds=9 * gpu_seconds, taken_from="base"),
    ]
    lost = PLAN.runs_of("rte")[2:]
    left = {
        run.run_id: Progress(
            step=1,
            total_steps=2,
            seconds_left=None,
            elapsed_seconds=1,
            gpu_seconds=gpu_seconds / 4,
            attempt="a",
            time="t",
        )
        for run in lost
    }
    failures = {lost[0].run_id: None}
    results = {one.run_id: one for one in ended}
    return build_document(PLAN, results, failures, uri=URI, models={}, progress=left)


def test_a_task_took_what_its_own_runs_took_however_they_ended() -> None:
    made = document()
    assert [task.gpu_seconds for task in made.tasks] == [3600 + 2 * 900, 0]
    assert made.gpu_seconds == 5400
    assert [run.gpu_seconds for run in made.runs if run.task == "rte"] == [3600, 32_400, 900, 900]


def test_tables_tell_gpu_hours() -> None:
    made = document()
    place = task_header(made.tasks).index("GPU-hours")
    assert [row[place] for row in task_cells(made.tasks)] == ["1.5", "0"]
    assert cost_line(made) == "1.5 GPU-hours, over all attempts of all runs."
    assert "1.5 GPU-hours, over all attempts of all runs." in results_markdown(made).decode()
    rows = list(csv.DictReader(io.StringIO(runs_csv(made).decode())))
    assert sorted(row["gpu_seconds"] for row in rows) == ["", "32400.0", "3600.0", "900.0", "900.0"]


def test_where_there_were_no_gpus_nothing_is_said_of_them() -> None:
    made = document(gpu_seconds=0)
    assert "GPU" not in results_markdown(made).decode() + "".join(task_header(made.tasks))
    assert "gpu_seconds" not in runs_csv(made).decode()
    assert b"gpuSeconds" not in made.to_json()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0, "0"), (36, "0.01"), (900, "0.25"), (3599, "1"), (45_000, "12.5"), (3.6e6, "1000")],
)
def test_gpu_hours_are_as_coarse_as_people_read_them(seconds: float | None, text: str) -> None:
    assert figures.gpu_hours(seconds) == text
