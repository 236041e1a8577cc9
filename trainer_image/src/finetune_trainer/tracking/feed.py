"""What stands between the Trainer and a tracker: a queue, and a thread that alone talks to the tracker.

A tracker may raise anything and may take minutes to say that it cannot be reached. Neither reaches the run: this is
the one place besides a run's boundary where any error is caught, and it is told in the log and in result.json.
"""

import copy
import logging
import os
import queue
import re
import threading
from collections.abc import Callable
from typing import Any

import transformers

from finetune_core.tracking import TrackedRun
from finetune_trainer.tracking.backends import Backend

logger = logging.getLogger(__name__)

_MAX_ERROR = 300
_SECRETS = ("WANDB_API_KEY", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_USER_IN_URL = re.compile(r"://[^/\s@]+@")

_Event = Callable[[transformers.TrainerCallback], object]


class Feed(transformers.TrainerCallback):
    """Passes on what there is to log; `problem` says why the tracker is off for this run, if it is."""

    def __init__(self, name: str, backend: Backend, run: TrackedRun) -> None:
        self.problem: str | None = None
        self._name = name
        self._backend = backend
        self._run = run
        self._events: queue.SimpleQueue[_Event | None] = queue.SimpleQueue()
        self._ok = False
        # A daemon: a tracker that does not answer must not keep the process alive.
        self._thread = threading.Thread(target=self._talk, name=f"tracking with {name}", daemon=True)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The run begins at the tracker, with its arguments."""
        seen, model = copy.copy(state), kwargs.get("model")
        self._thread.start()
        self._tell(lambda callback: callback.on_train_begin(args, seen, transformers.TrainerControl(), model=model))

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Loss, learning rate, and what the Trainer sums up at the end."""
        self._log(args, state, kwargs["logs"], kwargs.get("model"))

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The metrics of an evaluation, which Hugging Face's own evaluation logs under the same names."""
        self._log(args, state, kwargs["metrics"], kwargs.get("model"))

    def end(self, *, ok: bool) -> None:
        """Nothing more will come."""
        self._ok = ok
        self._events.put(None)

    def wait(self, seconds: float) -> None:
        """Give the tracker so long to take what it was sent."""
        if self._thread.ident is None:
            return
        self._thread.join(max(0.0, seconds))
        if self.busy and self.problem is None:
            self._switch_off("it did not take everything in time")

    @property
    def busy(self) -> bool:
        """Whether the tracker still has not answered."""
        return self._thread.is_alive()

    def _log(self, args: Any, state: Any, values: dict[str, Any], model: Any) -> None:
        # As they are now: by the time that the thread comes to it, the run has gone on.
        seen, logs = copy.copy(state), dict(values)
        self._tell(lambda callback: callback.on_log(args, seen, transformers.TrainerControl(), logs=logs, model=model))

    def _tell(self, event: _Event) -> None:
        if self.problem is None:
            self._events.put(event)

    def _talk(self) -> None:
        try:
            callback = self._backend.start(self._run)
            while (event := self._events.get()) is not None:
                event(callback)
                self._backend.sent()
            self._backend.finish(ok=self._ok)
        except Exception as error:  # noqa: BLE001 - see the module's docstring
            self._switch_off(_brief(error))

    def _switch_off(self, why: str) -> None:
        self.problem = f"{self._name}: {why}. Not tracked there any further; {self._backend.remedy}"
        about = {"task": self._run.task, "run": self._run.run, "run_id": self._run.run_id}
        logger.warning("%s. The run itself goes on", self.problem, extra=about)


def _brief(error: Exception) -> str:
    """The error in a line, without the keys and passwords that packages repeat in their messages."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    for name in _SECRETS:
        if secret := os.environ.get(name):
            text = text.replace(secret, f"<{name}>")
    return _USER_IN_URL.sub("://<user>@", text)[:_MAX_ERROR].rstrip(". ")
