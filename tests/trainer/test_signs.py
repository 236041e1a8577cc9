"""signs_of_moves of life: as long as the main thread moves, whatever it does, and no longer."""

import threading
from pathlib import Path

from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import Progress
from finetune_store import open_store
from finetune_trainer.run.progress import Clock, Reporter
from finetune_trainer.run.signs import signs_of_moves


def test_a_thread_that_moves_renews_its_sign() -> None:
    renewed = threading.Semaphore(0)
    with signs_of_moves(renewed.release, every=0.01):
        wait_moving(renewed, times=5)


def test_a_thread_that_hangs_in_one_call_does_not() -> None:
    looks: list[int] = []
    entered, hang = threading.Event(), threading.Event()

    def work() -> None:
        with signs_of_moves(lambda: looks.append(1), every=0.001):
            entered.set()
            hang.wait()

    thread = threading.Thread(target=work)
    thread.start()
    entered.wait()
    # As long as this thread takes for a hundred signs of its own, the other is looked at as often.
    renewed = threading.Semaphore(0)
    with signs_of_moves(renewed.release, every=0.001):
        wait_moving(renewed, times=100)
    hang.set()
    thread.join()
    assert len(looks) <= 3


def wait_moving(renewed: threading.Semaphore, *, times: int) -> None:
    """Until it was renewed so often; each try is another instruction for who looks at this thread."""
    for _ in range(times):
        while not renewed.acquire(blocking=False):
            sum(range(100))


def test_the_last_progress_is_sent_again_with_the_time_that_it_is_now(tmp_path: Path) -> None:
    store, layout = open_store(f"file://{tmp_path}"), ExperimentLayout("ns", "exp").run("rte", "0123456789ab")
    clock = Clock(before=0, timeout=None, attempts=1, stopped=lambda: False)
    times = iter(["2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"])
    reporter = Reporter(store, layout, "attempt", clock, lambda: next(times), every=0)
    reporter.renew()
    assert store.stat(layout.progress) is None
    reporter.progress(3, 10, 5.0)
    reporter.renew()
    found = Progress.model_validate_json(store.get(layout.progress))
    assert (found.step, found.total_steps, found.time) == (3, 10, "2026-01-01T00:01:00Z")
