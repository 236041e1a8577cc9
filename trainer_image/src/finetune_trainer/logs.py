"""Structured logs of the trainer: one line an event, as text or JSON."""

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from finetune_core.plain import escaped

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Formatter(logging.Formatter):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD and key[0] != "_"}
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname.lower(), "message": record.getMessage(), **extra}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        if self._as_json:
            return json.dumps(line, default=str)
        tail = "".join(f" {key}={value}" for key, value in extra.items())
        return escaped(f"{line['time']} {record.levelname:7} {record.getMessage()}{tail}")


_about: ContextVar[Mapping[str, object]] = ContextVar("about")


@contextmanager
def about(**what: object) -> Iterator[None]:
    """Every line that this thread logs in here says what it is about: a pod does several runs."""
    token = _about.set(what)
    try:
        yield
    finally:
        _about.reset(token)


def _with_subject(record: logging.LogRecord) -> bool:
    for key, value in _about.get({}).items():
        vars(record).setdefault(key, value)
    return True


def configure(log_format: str) -> None:
    """Send logs to standard error; libraries only from warnings on.

    FINETUNE_LOG_FILE gets them too: below Ray, standard error is not the pod's log, and /proc/1/fd/2 is.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    refused: OSError | None = None
    if file := os.environ.get("FINETUNE_LOG_FILE"):
        try:
            handlers.append(logging.FileHandler(file))
        except OSError as error:
            refused = error
    for handler in handlers:
        handler.addFilter(_with_subject)
        handler.setFormatter(_Formatter(as_json=log_format == "json"))
    logging.basicConfig(level=logging.WARNING, handlers=handlers, force=True)
    logging.getLogger("finetune_trainer").setLevel(logging.INFO)
    if refused is not None:
        logging.getLogger(__name__).warning("logs do not go to FINETUNE_LOG_FILE: %s", refused)
