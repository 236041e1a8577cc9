"""Lines of a trainer's log as the trainer writes them: whose they are, and how a terminal shows them."""

import logging
from dataclasses import dataclass
from typing import Any, cast

import pytest

from finetune_cli.commands.objects.pod_logs import _Lines
from finetune_cli.shown.log_lines import LogLine, read_line
from finetune_client.kube.client import Kube
from finetune_trainer import logs


def written(*, as_json: bool) -> list[str]:
    """What a pod that does two runs logs."""
    made: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            made.append(self.format(record))

    handler = Kept()
    handler.setFormatter(logs._Formatter(as_json=as_json))
    handler.addFilter(logs._with_subject)
    logger = logging.Logger("a pod", logging.INFO)
    logger.addHandler(handler)
    logger.info("2 runs to do")
    for run in (0, 1):
        with logs.about(task="rte", run=run, run_id=f"id-{run}"):
            logger.info("step %d of 60: accuracy 66.12, 12 s left", 20 + run)
            logger.warning("not sent for now: a=b")
    with logs.about(task="cola", run=0, run_id="id-2"):
        logger.info("done", extra={"run_id": "its own"})
    return made


@pytest.mark.parametrize("as_json", [False, True])
def test_a_line_says_whose_run_it_is_about_in_either_format(as_json: bool) -> None:
    lines = [read_line(raw) for raw in written(as_json=as_json)]

    assert [(line.task, line.run) for line in lines] == [
        (None, None), ("rte", 0), ("rte", 0), ("rte", 1), ("rte", 1), ("cola", 0)
    ]  # fmt: skip
    assert [line.shown()[10:] for line in lines[:3]] == [
        "2 runs to do",
        "rte 0  step 20 of 60: accuracy 66.12, 12 s left",
        "rte 0  warning: not sent for now: a=b",
    ]


@pytest.mark.parametrize("raw", ["", "{torn", "Killed", "{}", "2026 what"])
def test_lines_of_others_stay_as_they_are(raw: str) -> None:
    line = read_line(raw)
    assert (line.shown(), line.task, line.is_of("rte", None)) == (raw, None, False)


@dataclass
class Pods:
    lines: list[str]

    def log(self, _pod: str, *, follow: bool, tail: int | None = None) -> Any:
        return self.lines if tail is None else self.lines[-tail:]


def asked(**options: Any) -> list[LogLine]:
    kube = cast("Kube", Pods(written(as_json=True)))
    return list(_Lines(kube, **{"task": None, "run": None, "follow": False, "tail": None, **options}).of("pod"))


def test_only_the_lines_of_the_run_that_is_asked_for_are_shown() -> None:
    assert {(line.task, line.run) for line in asked(task="rte", run=1)} == {("rte", 1)}
    assert [line.run for line in asked(task="rte")] == [0, 0, 1, 1]
    assert len(asked()) == 6


def test_the_tail_is_of_the_runs_own_lines() -> None:
    (line,) = asked(task="rte", run=0, tail=1)
    assert line.level == "warning"
