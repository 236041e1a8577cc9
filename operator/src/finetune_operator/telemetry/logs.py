"""Structured logs: one line an event, as text for people or as JSON for collectors."""

import json
import logging
import sys
from datetime import UTC, datetime

from finetune_core.plain import escaped

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "k8s_ref",
    "k8s_skip",
    "settings",
    "taskName",
}


class JsonFormatter(logging.Formatter):
    """One JSON object a line; `extra` fields become keys."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """Time, level, message, then `extra` fields as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        extra = "".join(f" {key}={value}" for key, value in _extra(record).items())
        return super().format(record) + escaped(extra)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line without what follows it: one line, whatever a user's text in it is."""
        return escaped(super().formatMessage(record))


def configure(log_format: str) -> None:
    """Send all logs to standard error in the given format (text or json)."""
    handler = logging.StreamHandler(sys.stderr)
    text = TextFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if log_format == "json" else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # kopf tells of every object it sees; what matters is told by the reconciler.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    # Its warnings hold whole addresses, and those of notifications are secrets.
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}
