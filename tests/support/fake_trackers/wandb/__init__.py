"""A stand-in for wandb: one run at a time in a process, as with the real one."""

import atexit
import os
import threading
from types import SimpleNamespace
from typing import Any

from fake_calls import called

run: Any = None
summary: dict[str, Any] = {}


class Settings(SimpleNamespace):
    """Keeps what it is given."""


class _Config(dict):
    def update(self, values: dict[str, Any], *, allow_val_change: bool) -> None:
        super().update(values)


config = _Config()


def init(**arguments: Any) -> None:
    global run  # noqa: PLW0603 - as in the real package
    called("wandb.init", **{name: value for name, value in arguments.items() if name != "settings"})
    run = SimpleNamespace(summary={}, name=arguments["name"], _label=lambda **_: None)


def log(values: dict[str, Any]) -> None:
    called("wandb.log", run=run.name, values=values)


def define_metric(*_: Any, **__: Any) -> None:
    pass


def finish(exit_code: int) -> None:
    global run  # noqa: PLW0603
    called("wandb.finish", run=run.name, exit_code=exit_code)
    run = None


if os.environ.get("FAKE_TRACKER_HANGS_AT_EXIT"):
    atexit.register(lambda: threading.Event().wait())
