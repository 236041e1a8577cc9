"""The live picture of a local run: what each run does, and how many are at work."""

from pathlib import Path

import pytest

from finetune_cli.local.watching import Watch, picture
from finetune_cli.output import _PlainConsole
from finetune_core.results.run import DriverReport, Progress
from finetune_store import DirectoryStore
from support.report_store import layout_of
from support.results import plan_of

PLAN = plan_of({"rte": 2})
KEY = "team/demo/report.json"


def watch(tmp_path: Path, phase: str, *, workers: int = 1) -> Watch:
    """Both runs are at step 30 of 100, with 60 seconds to go."""
    store = DirectoryStore(tmp_path)
    for run in PLAN.runs:
        at = Progress(step=30, total_steps=100, seconds_left=600, elapsed_seconds=5, attempt="a", time="", phase=phase)
        store.put(layout_of(PLAN).run(run.task, run.run_id).progress, at.to_json())
    store.put(KEY, DriverReport(time="", running=[run.run_id for run in PLAN.runs]).to_json())
    made = Watch(store, PLAN, KEY, workers=workers)
    made.look()
    return made


def shown(seen: Watch) -> str:
    console = _PlainConsole(width=80)
    with console.capture() as capture:
        console.print(picture(seen))
    return capture.get()


@pytest.mark.parametrize("phase", ["evaluating", "predicting", "uploading"])
def test_the_bar_says_what_a_run_does_that_does_not_train(tmp_path: Path, phase: str) -> None:
    assert shown(watch(tmp_path, phase)).count(f"30/100 steps {phase}") == 2


def test_a_run_that_trains_says_it_by_its_steps(tmp_path: Path) -> None:
    assert "training" not in shown(watch(tmp_path, "training"))


def test_what_the_driver_does_at_a_time_counts_where_nobody_said_how_many(tmp_path: Path) -> None:
    assert watch(tmp_path, "training").eta() == watch(tmp_path, "training", workers=2).eta() == "~10m"
