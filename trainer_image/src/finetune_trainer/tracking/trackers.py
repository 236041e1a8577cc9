"""The trackers that a process was told of, from one run to the next."""

import importlib.util
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from pydantic import ValidationError

from finetune_core.api import Tracker, Tracking
from finetune_core.tracking import TRACKING_ENV, TrackedRun, from_env
from finetune_store import Store
from finetune_trainer.errors import UserError
from finetune_trainer.tracking.backends import Backend, MLflow, TensorBoard, Wandb
from finetune_trainer.tracking.feed import Feed

_PACKAGES: dict[Tracker, tuple[str, ...]] = {
    Tracker.TENSORBOARD: ("tensorboard", "tensorboardX"),
    Tracker.MLFLOW: ("mlflow",),
    Tracker.WANDB: ("wandb",),
}
"""Any one of them will do."""

_PATIENCE_SECONDS = 20.0
_HASTE_SECONDS = 5.0
"""How long trackers get at the end of a run that came to its end, and of one that did not (a pod may be ending)."""


class RunTracking:
    """The feeds of one run: `callbacks` for its Trainer, and, after its end, what went wrong with them."""

    def __init__(self, feeds: list[Feed], warnings: list[str]) -> None:
        self.callbacks = feeds
        self._warnings = warnings

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why a tracker does not show the run, or not all of it."""
        return (*self._warnings, *(feed.problem for feed in self.callbacks if feed.problem))

    def close(self, *, ok: bool, seconds: float) -> None:
        """End the run at the trackers, all at once, in so many seconds."""
        deadline = time.monotonic() + seconds
        for feed in self.callbacks:
            feed.end(ok=ok)
        for feed in self.callbacks:
            feed.wait(deadline - time.monotonic())


class Trackers:
    """What the environment chooses, for each run anew; `check` before a run, `leave` before the process ends."""

    def __init__(self, tracking: Tracking | None) -> None:
        self._tracking = tracking
        self._last: dict[Tracker, Feed] = {}
        self._failed = False

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Trackers":
        """UserError if what it says cannot be read."""
        try:
            return cls(from_env(env))
        except ValidationError as error:
            raise UserError(f"{TRACKING_ENV} is no tracking of this version, as spec.tracking is: {error}") from error

    def check(self) -> None:
        """UserError where the package of a tracker is not installed."""
        chosen = self._tracking.report_to if self._tracking else ()
        for tracker in chosen:
            if not any(importlib.util.find_spec(package) for package in _PACKAGES[tracker]):
                package = _PACKAGES[tracker][0]
                raise UserError(
                    f"tracking.reportTo asks for {tracker.value}, but the package {package} is not installed here: "
                    "build an image FROM the trainer's with it and name that in execution.image (locally: pip install "
                    f"{package}), or remove {tracker.value} from tracking.reportTo. See docs/how-to/tracking.md"
                )

    @contextmanager
    def follow(
        self,
        run: TrackedRun,
        *,
        folder: Path,
        store: Store,
        key: str,
        waiting: Callable[[], AbstractContextManager[None]],
    ) -> Iterator[RunTracking]:
        """Trackers that follow a run until the block ends; event files pass through `folder` to `key` in the store.

        They are waited for, at the end, inside of `waiting()`: it is no time of the run's.
        """
        feeds, warnings = [], []
        for tracker in self._tracking.report_to if self._tracking else ():
            last = self._last.get(tracker)
            if last is not None and last.busy:
                warnings.append(
                    f"{tracker.value}: still has not answered about an earlier run; this one is not tracked"
                )
                continue
            self._last[tracker] = feed = Feed(tracker.value, self._backend(tracker, folder, store, key), run)
            feeds.append(feed)
        tracking = RunTracking(feeds, warnings)
        ok = False
        try:
            yield tracking
            ok = True
        finally:
            with waiting():
                tracking.close(ok=ok, seconds=_PATIENCE_SECONDS if ok else _HASTE_SECONDS)
            self._failed = self._failed or bool(tracking.warnings)

    def leave(self, code: int) -> None:
        """End this process with a code, where a tracker failed in it; else return.

        Packages wait at the process's end for a server that does not answer, which would keep the pod, and its GPU.
        """
        if self._failed:
            for stream in (*logging.getLogger().handlers, sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code)

    def _backend(self, tracker: Tracker, folder: Path, store: Store, key: str) -> Backend:
        project = self._tracking.project if self._tracking else None
        if tracker == Tracker.TENSORBOARD:
            return TensorBoard(folder, store, key)
        return MLflow(project) if tracker == Tracker.MLFLOW else Wandb(project)
