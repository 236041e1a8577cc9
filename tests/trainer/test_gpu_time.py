"""What a run holds of GPUs, over all its attempts; nobody here needs one."""

from pathlib import Path

import pytest

from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import Progress
from finetune_core.spent import UNSPENT, Spent
from finetune_store import open_store
from finetune_trainer import hardware
from finetune_trainer.run import progress as told
from finetune_trainer.run.progress import Clock, Reporter, spent_before


class Time:
    """Stands still unless it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(told, "time", made)
    return made


def clock(*, before: float = 0.0, gpus: float = 0.0, spent: Spent = UNSPENT) -> Clock:
    return Clock(before=before, timeout=None, attempts=1, stopped=lambda: False, gpus=gpus, spent_before=spent)


def test_gpus_are_counted_while_they_are_held_not_while_others_move(time: Time) -> None:
    half = clock(gpus=0.5)
    time.now += 60
    with half.paused():
        time.now += 600
    assert half.spent.gpu_seconds == 30


def test_attempts_add_up_though_each_had_other_gpus(tmp_path: Path, time: Time) -> None:
    store, layout = open_store(f"file://{tmp_path}"), ExperimentLayout("ns", "exp").run("rte", "0123456789ab")
    assert spent_before(store, layout) == (0, UNSPENT)
    for gpus in (4, 0.25):
        before, spent = spent_before(store, layout)
        reporter = Reporter(store, layout, "a", clock(before=before, gpus=gpus, spent=spent), lambda: "t")
        time.now += 50
        reporter.progress(1, 10, None)
        time.now += 50
        reporter.renew()

    assert spent_before(store, layout) == (200, Spent(425))
    assert Progress.model_validate_json(store.get(layout.progress)).gpu_seconds == 425


def test_on_cpus_nothing_is_said(tmp_path: Path, time: Time) -> None:
    store, layout = open_store(f"file://{tmp_path}"), ExperimentLayout("ns", "exp").run("rte", "0123456789ab")
    reporter = Reporter(store, layout, "a", clock(), lambda: "t")
    time.now += 50
    reporter.progress(1, 10, None, force=True)
    assert b"gpuSeconds" not in store.get(layout.progress)


def test_a_worker_that_shares_a_gpu_holds_its_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(hardware.HELD, "0.25")
    assert hardware.gpus_held() == 0.25
