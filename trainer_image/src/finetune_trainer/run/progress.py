"""What a living run tells: progress.json every few seconds, metrics.jsonl at every evaluation. Best effort.

A store that is down must neither stop nor slow training: what could not be sent is sent with the next piece.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from finetune_core.layout import RunLayout
from finetune_core.results.evaluation import Evaluation, to_lines
from finetune_core.results.run import FailureReason, Phase, Progress
from finetune_core.spent import UNSPENT, Spent, total
from finetune_core.tables.figures import evaluation_line
from finetune_store import Store, StoreError
from finetune_store.documents import find_or_warn
from finetune_trainer.energy import Meter
from finetune_trainer.errors import GaveUpError, StoppedError

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 5.0

Observer = Callable[[Evaluation], None]
"""Sees every evaluation, those of earlier attempts included; may block, and may raise to end the run."""


def unobserved(_: Evaluation) -> None:
    """Nobody looks."""


class Clock:
    """Time of a run over all its attempts, and whether it may go on.

    `before` are seconds of earlier attempts, `spent_before` what they took of GPUs; this one holds `gpus` GPUs, whose
    energy `meter` reads.
    `check()` raises StoppedError after a signal and GaveUpError beyond the run's timeout.
    """

    def __init__(
        self,
        *,
        before: float,
        timeout: int | None,
        attempts: int,
        stopped: Callable[[], bool],
        gpus: float = 0.0,
        spent_before: Spent = UNSPENT,
        meter: Meter | None = None,
    ) -> None:
        self._before = before
        self._gpus = gpus
        self._spent_before = spent_before
        self._meter = meter
        self._timeout = timeout
        self._attempts = attempts
        self._stopped = stopped
        self._started = time.monotonic()
        self.step = 0

    @property
    def elapsed(self) -> float:
        """Seconds over all attempts."""
        return self._before + time.monotonic() - self._started

    @property
    def spent(self) -> Spent:
        """What it took of GPUs over all attempts, which may have had more or fewer of them; as it is written."""
        now = Spent(self._gpus * (self.elapsed - self._before), self._meter.joules if self._meter else None)
        spent = total([self._spent_before, now])
        return Spent(round(spent.gpu_seconds, 2), None if spent.joules is None else round(spent.joules, 1))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens in here takes none of the run's time."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._started += time.monotonic() - began

    @property
    def stopping(self) -> bool:
        """Whether the process was told to stop."""
        return self._stopped()

    def check(self, *, signals: bool = True) -> None:
        """Raise if the run has to end here."""
        if self._timeout is not None and self.elapsed > self._timeout:
            message = (
                f"the run took longer than execution.runTimeoutSeconds: {self.elapsed:.0f} s of {self._timeout} s over "
                f"{self._attempts} attempt(s), at step {self.step}. Raise the timeout or shorten the training"
            )
            raise GaveUpError(FailureReason.TIMEOUT, message)
        if signals and self._stopped():
            raise StoppedError("told to stop")


class Reporter:
    """Sends progress and metrics; `store` should not retry."""

    def __init__(
        self,
        store: Store,
        layout: RunLayout,
        attempt: str,
        clock: Clock,
        now: Callable[[], str],
        observe: Observer = unobserved,
        *,
        every: float = _EVERY_SECONDS,
    ) -> None:
        self._store = store
        self._layout = layout
        self._attempt = attempt
        self._clock = clock
        self._now = now
        self._observe = observe
        self._every = every
        self._sent = 0.0
        self._phase = Phase.TRAINING
        self._at: tuple[int, int, float | None] = (0, 0, None)
        self._last: Progress | None = None
        self.evaluations: list[Evaluation] = []

    def progress(self, step: int, total: int, seconds_left: float | None, *, force: bool = False) -> None:
        """Tell where the run is, at most every few seconds unless forced."""
        self._clock.step = step
        self._at = step, total, seconds_left
        if not force and time.monotonic() - self._sent < self._every:
            return
        self._sent = time.monotonic()
        spent = self._clock.spent
        progress = Progress(
            step=step,
            total_steps=total,
            seconds_left=None if seconds_left is None else round(seconds_left, 1),
            elapsed_seconds=round(self._clock.elapsed, 1),
            gpu_seconds=round(spent.gpu_seconds, 1),
            energy_joules=spent.joules,
            attempt=self._attempt,
            time=self._now(),
            phase=self._phase,
        )
        self._last = progress
        self._send(self._layout.progress, progress.to_json())

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Whoever looks meanwhile sees that the run evaluates."""
        self.enter(Phase.EVALUATING)
        try:
            yield
        finally:
            self._phase = Phase.TRAINING

    def enter(self, phase: Phase) -> None:
        """Tell what the run does from now on; that it evaluates, at most every few seconds."""
        self._phase = phase
        self.progress(*self._at, force=phase != Phase.EVALUATING)

    def renew(self) -> None:
        """Send the last progress with the time that it is now, unless it was sent just now."""
        last = self._last
        if last is None or time.monotonic() - self._sent < self._every:
            return
        spent = self._clock.spent
        taken = {"elapsed_seconds": round(self._clock.elapsed, 1), "gpu_seconds": round(spent.gpu_seconds, 1)}
        update = {"time": self._now(), "phase": self._phase, **taken, "energy_joules": spent.joules}
        self._send(self._layout.progress, last.model_copy(update=update).to_json())

    def evaluation(self, evaluation: Evaluation) -> None:
        """Add a line to metrics.jsonl, with the time that it is now, and send the whole file."""
        times = {"time": self._now(), "seconds": round(self._clock.elapsed, 2)}
        self.evaluations.append(evaluation.model_copy(update=times))
        self._send(self._layout.metrics(self._attempt), self.metrics_bytes())
        _, total, left = self._at
        logger.info("%s", evaluation_line(self.evaluations[-1], total, left))
        self._show(self.evaluations[-1])

    def restore(self, evaluations: Iterable[Evaluation]) -> None:
        """The evaluations of earlier attempts."""
        self.evaluations[:] = evaluations
        for evaluation in self.evaluations:
            self._show(evaluation)

    def _show(self, evaluation: Evaluation) -> None:
        with self._clock.paused():
            self._observe(evaluation)

    def metrics_bytes(self) -> bytes:
        """metrics.jsonl."""
        return to_lines(self.evaluations)

    def _send(self, key: str, data: bytes) -> None:
        try:
            self._store.put(key, data)
        except StoreError as error:
            logger.warning("not sent for now: %s", error)


def spent_before(store: Store, layout: RunLayout) -> tuple[float, Spent]:
    """Seconds that earlier attempts took, and what of GPUs, by the last progress that they could send."""
    last = find_or_warn(store, layout.progress, Progress)
    return (0.0, UNSPENT) if last is None else (last.elapsed_seconds, last.spent)
