"""Lines of a trainer's log: whose run they are of, and how a terminal shows them. Pure.

The trainer writes JSON, or `TIME LEVEL message task=rte run=0 run_id=...`; see `finetune_trainer.logs`.
"""

import json
import re
from dataclasses import dataclass

_TEXT = re.compile(r"(?P<time>\d{4}-\S+) (?P<level>[A-Z]+) +(?P<message>.*)", re.DOTALL)
_TAIL = re.compile(r" (?P<key>task|run|run_id)=(?P<value>\S*)")
_USUAL = "info"


@dataclass(frozen=True)
class LogLine:
    """A line; `task` and `run` are of the run that it is about, None where it is about the pod."""

    raw: str
    time: str = ""
    level: str = ""
    message: str = ""
    task: str | None = None
    run: int | None = None

    def is_of(self, task: str, run: int | None) -> bool:
        """Whether it is about that run of the task (any run: None)."""
        return self.task == task and run in {None, self.run}

    def shown(self) -> str:
        """For people: `18:02:03 rte 0 step 20 of 60: ...`; a line of somebody else's stays as it is."""
        if not self.message:
            return self.raw
        whose = "" if self.task is None else f"{self.task} {self.run}  "
        level = "" if self.level == _USUAL else f"{self.level}: "
        return f"{self.time[11:19]}  {whose}{level}{self.message}"


def read_line(raw: str) -> LogLine:
    """A line of a log as it was written."""
    return _of_json(raw) if raw.startswith("{") else _of_text(raw)


def _of_json(raw: str) -> LogLine:
    try:
        told = json.loads(raw)
    except ValueError:
        return LogLine(raw)
    text = {name: str(told.get(name) or "") for name in ("time", "level", "message")}
    text["message"] += f"\n{told['traceback']}" if told.get("traceback") else ""
    return LogLine(raw, **text, task=told.get("task"), run=told.get("run"))


def _of_text(raw: str) -> LogLine:
    match = _TEXT.fullmatch(raw)
    if match is None:
        return LogLine(raw)
    about = {found["key"]: found["value"] for found in _TAIL.finditer(match["message"])}
    run = about.get("run", "")
    return LogLine(
        raw,
        match["time"],
        match["level"].lower(),
        _TAIL.sub("", match["message"]),
        about.get("task"),
        int(run) if run.isdigit() else None,
    )
