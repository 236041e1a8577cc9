"""The energy of GPUs in results: told where all runs that held one tell it, and nowhere a part as the whole."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.results.document import build_document
from finetune_core.results.run import Progress, RunResult
from finetune_core.results.schema import ResultsDocument
from finetune_core.spent import Spent, total
from finetune_core.tables import figures
from finetune_core.tables.experiment import cost_line, results_markdown, task_cells, task_header
from finetune_core.tables.runs import runs_csv
from support.results import plan_of, result_of

PLAN = plan_of({"rte": 3, "wnli": 1})
KWH = 3.6e6


def run(task: str, index: int, joules: float | None, **more: object) -> RunResult:
    return result_of(PLAN, task, index, 0.6, gpu_seconds=3600.0, **more).model_copy(update={"energy_joules": joules})


def document(*results: RunResult, working: float | None = None) -> ResultsDocument:
    left = PLAN.runs_of("rte")[2]
    progress = Progress(
        step=1, total_steps=2, seconds_left=None, elapsed_seconds=1, gpu_seconds=900, energy_joules=working,
        attempt="a", time="t",
    )  # fmt: skip
    return build_document(
        PLAN,
        {one.run_id: one for one in results},
        {},
        uri="s3://bucket/team/demo",
        models={},
        progress={left.run_id: progress},
    )


def test_a_task_and_an_experiment_took_what_their_own_runs_took() -> None:
    taken = run("rte", 1, 9 * KWH, taken_from="base")
    made = document(run("rte", 0, 0.25 * KWH), taken, run("wnli", 0, 2 * KWH), working=0.05 * KWH)

    assert [task.energy_joules for task in made.tasks] == [pytest.approx(0.3 * KWH), 2 * KWH]
    assert made.spent.joules == pytest.approx(2.3 * KWH)
    place = task_header(made.tasks).index("GPU kWh")
    assert [row[place] for row in task_cells(made.tasks)] == ["0.3", "2"]
    assert cost_line(made) == "2.2 GPU-hours, and 2.3 kWh by the GPUs' own counters, over all attempts of all runs."
    rows = list(csv.DictReader(io.StringIO(runs_csv(made).decode())))
    assert [row["energy_joules"] for row in rows if row["run"] == "0"] == ["900000.0", "7200000.0"]


def test_a_run_that_does_not_tell_it_makes_the_sum_unknown_and_others_keep_theirs() -> None:
    made = document(run("rte", 0, None), run("wnli", 0, KWH), working=KWH)

    assert [task.energy_joules for task in made.tasks] == [None, KWH]
    assert made.spent == Spent(3600 + 900 + 3600, None)
    assert "kWh" not in cost_line(made)
    place = task_header(made.tasks).index("GPU kWh")
    assert [row[place] for row in task_cells(made.tasks)] == [figures.NOTHING, "1"]


def test_where_nobody_tells_it_nothing_is_said_of_it() -> None:
    made = document(run("rte", 0, None))
    assert "kWh" not in results_markdown(made).decode() + "".join(task_header(made.tasks))
    assert "energy" not in runs_csv(made).decode()
    assert b"energy" not in made.to_json()


@given(st.lists(st.tuples(st.floats(0, 1e9), st.none() | st.floats(0, 1e9))))
def test_a_sum_is_of_all_that_held_a_gpu_or_not_known(parts: list[tuple[float, float | None]]) -> None:
    made = total(Spent(*part) for part in parts)
    told = [joules for _, joules in parts if joules is not None]
    assert made.gpu_seconds == pytest.approx(sum(seconds for seconds, _ in parts))
    if not told or any(seconds and joules is None for seconds, joules in parts):
        assert made.joules is None
    else:
        assert made.joules == pytest.approx(sum(told))


@pytest.mark.parametrize(
    ("joules", "text"),
    [(None, "–"), (0, "0"), (36, "1e-05"), (151_200, "0.042"), (3.6e6, "1"), (45e6, "12"), (3.6e9, "1000")],
)
def test_energy_is_as_coarse_as_people_read_it(joules: float | None, text: str) -> None:
    assert figures.energy(joules) == text
