"""Log lines for people and collectors; stores that count their requests."""

import json
import logging
import sys
from pathlib import Path

import pytest

from finetune_operator.telemetry.logs import JsonFormatter, TextFormatter
from finetune_operator.telemetry.metering import MeteredStore
from finetune_store import DirectoryStore, NotFoundError


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("finetune_operator.action_executor", logging.INFO, "acting.py", 1, message, args, None)
    vars(made).update(extra)
    return made


def test_a_json_line_holds_the_message_and_the_extra_fields() -> None:
    line = json.loads(JsonFormatter().format(record("created %s", "a Job", experiment="ns/exp")))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "finetune_operator.action_executor",
        "message": "created a Job",
        "experiment": "ns/exp",
    }


def test_a_traceback_stays_on_the_line() -> None:
    try:
        int("boom")
    except ValueError:
        made = record("failed")
        made.exc_info = sys.exc_info()
    text = JsonFormatter().format(made)
    assert "\n" not in text
    assert "ValueError: invalid literal" in json.loads(text)["traceback"]


def test_a_text_line_ends_with_the_extra_fields() -> None:
    text = TextFormatter("%(levelname)s %(message)s").format(record("created", experiment="ns/exp", child="job"))
    assert text == "INFO created experiment=ns/exp child=job"


def test_every_operation_is_counted_and_done(tmp_path: Path) -> None:
    told: list[str] = []
    store = MeteredStore(DirectoryStore(tmp_path / "store"), told.append)
    (tmp_path / "file").write_bytes(b"file")
    store.check()
    store.put("a", b"1")
    assert store.create("b", b"2")
    assert store.get("a") == b"1"
    assert store.stat("b") is not None
    store.upload("c", tmp_path / "file")
    store.download("c", tmp_path / "copy")
    assert [info.key for info in store.list()] == ["a", "b", "c"]
    store.delete("a")
    assert store.uri("b").endswith("/store/b")
    assert told == ["check", "put", "create", "get", "stat", "upload", "download", "list", "delete"]


def test_a_request_that_fails_is_counted_too(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(NotFoundError):
        MeteredStore(DirectoryStore(tmp_path), told.append).get("none")
    assert told == ["get"]
