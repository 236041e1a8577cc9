"""Signs of life: as long as the main thread moves, whatever it does, and no longer."""

import threading
from collections.abc import Callable

from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import Progress
from finetune_store.folders import DirectoryStore
from finetune_trainer.run.progress import Clock, Reporter
from finetune_trainer.run.signs import Signs


def test_a_thread_that_moves_renews_its_sign() -> None:
    renewed = threading.Semaphore(0)
    with Signs(renewed.release, every=0.01):
        for _ in range(5):
            # Moves: the wait is another call each time.
            while not renewed.acquire(timeout=0.001):
                pass


def test_a_thread_that_hangs_in_one_call_does_not() -> None:
    looks: list[int] = []
    hung, looked = threading.Event(), threading.Event()

    class Counted(Signs):
        """Ends the hang after a hundred looks."""

    def hang(signs_of: Callable[[Callable[[], None]], Signs]) -> None:
        with signs_of(lambda: looks.append(1)):
            looked.set()
            hung.wait()

    thread = threading.Thread(target=hang, args=(lambda renew: Counted(renew, every=0.001),))
    thread.start()
    looked.wait()
    beats = threading.Semaphore(0)
    with Signs(beats.release, every=0.001):
        # As many looks as this thread gets signs: the other's are as frequent.
        for _ in range(100):
            while not beats.acquire(timeout=0.0005):
                pass
    hung.set()
    thread.join()
    assert len(looks) <= 2
