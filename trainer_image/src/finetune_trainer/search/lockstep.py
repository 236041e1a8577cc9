"""Several runs in one process, evaluation by evaluation: each goes on to its next one, then waits for the others.

One thread a run, of which exactly one moves at a time. Random states are a process's: each run's are put back before
it goes on and kept when it waits, so a run gives the numbers that it gives alone.
"""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from finetune_core.results.evaluation import Evaluation
from finetune_trainer.run.progress import Observer

Job = Callable[[Observer], None]
"""A run to its end; it shows every evaluation to the observer."""


class EndedError(BaseException):
    """Raised inside a run that is to end here; no Exception, so that nothing on its way takes it for a failure."""


class Lockstep:
    """The runs of a trial. `advance` moves all of them by one evaluation."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._seats = [_Seat(job) for job in jobs]
        self._lines: list[Evaluation | None] = [None] * len(self._seats)

    def advance(self) -> list[Evaluation] | None:
        """Everyone's newest line (of a run that has ended: its last); None if all have ended without a new one.

        What a run raised is raised here once all others have moved too.
        """
        moved = False
        failure: Exception | None = None
        for place, seat in enumerate(self._seats):
            line = seat.advance()
            if line is not None:
                self._lines[place], moved = line, True
            error = seat.take_error()
            failure = failure or error
        if failure is not None:
            raise failure
        return [line for line in self._lines if line is not None] if moved else None

    @property
    def ended(self) -> bool:
        """Whether no run is left that could move."""
        return all(seat.ended for seat in self._seats)

    def end(self) -> None:
        """End what has not ended, where it waits."""
        for seat in self._seats:
            seat.end()


class _Seat:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._go = threading.Semaphore(0)
        self._waiting = threading.Semaphore(0)
        self._line: Evaluation | None = None
        self._error: Exception | None = None
        self._random: tuple[Any, ...] | None = None
        self._ending = False
        self.ended = False
        self._thread: threading.Thread | None = None

    def advance(self) -> Evaluation | None:
        if self.ended:
            return None
        self._line = None
        if self._random is not None:
            _restore(self._random)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        else:
            self._go.release()
        self._waiting.acquire()
        self._random = _states()
        return self._line

    def take_error(self) -> Exception | None:
        error, self._error = self._error, None
        return error

    def end(self) -> None:
        if self._thread is not None and not self.ended:
            self._ending = True
            self._go.release()
            self._thread.join()
        self.ended = True

    def _run(self) -> None:
        try:
            self._job(self._observe)
        except EndedError:
            pass
        except Exception as error:  # noqa: BLE001 - handed to whoever called advance()
            self._error = error
        self.ended = True
        self._waiting.release()

    def _observe(self, line: Evaluation) -> None:
        self._line = line
        self._waiting.release()
        self._go.acquire()
        if self._ending:
            raise EndedError


def _states() -> tuple[Any, ...]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda


def _restore(states: tuple[Any, ...]) -> None:
    python, numpy, cpu, cuda = states
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state_all(cuda)
