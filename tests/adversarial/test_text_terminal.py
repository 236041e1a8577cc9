"""Text of others on a terminal and in logs: it moves no cursor, forges no line and is no markup."""

import io
import json
import logging
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from finetune_cli import output
from finetune_cli.fitted import table
from finetune_core.plain import is_printable, one_line, visible
from finetune_operator.telemetry.logs import TextFormatter
from finetune_trainer.logs import _Formatter
from support.hostile_text import ALL_TEXTS, MARKUP, TERMINAL

OWN_STYLES = re.compile(r"\x1b\[[0-9;]*m")
"""What rich itself writes: colours."""


class Terminal(io.StringIO):
    """A screen."""

    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard output and error as a screen; called by the test itself, for pytest sets both anew before it."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm-256color")
    return screen


def shown(screen: Terminal) -> str:
    return OWN_STYLES.sub("", screen.getvalue())


@pytest.mark.parametrize("text", [*TERMINAL, *MARKUP])
def test_tables_show_text_as_it_is(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    terminal = terminal_of(monkeypatch)
    output.console().print(table(["A", "B"], [[text, Text(text)]]))
    assert is_printable(shown(terminal).replace("\n", ""))
    if text in MARKUP:
        assert shown(terminal).count(text) == 2


@pytest.mark.parametrize("text", [*TERMINAL, *MARKUP])
def test_notes_and_errors_show_text_as_it_is(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    terminal = terminal_of(monkeypatch)
    output.note(text)
    output.error_console().print(text)
    output.write(text)
    assert is_printable(shown(terminal).replace("\n", ""))


def test_what_goes_to_a_program_is_not_touched(capsys: pytest.CaptureFixture[str]) -> None:
    output.write("a\x1b[31mb\n")
    assert capsys.readouterr().out == "a\x1b[31mb\n"


@given(text=st.one_of(st.sampled_from(ALL_TEXTS), st.text()))
def test_visible_text_has_its_lines_and_nothing_else_that_controls(text: str) -> None:
    assert is_printable(visible(text).replace("\n", "").replace("\t", ""))
    assert is_printable(one_line(text))
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize("text", TERMINAL)
@pytest.mark.parametrize("formatter", [TextFormatter("%(message)s"), _Formatter(as_json=False)], ids=lambda one: "")
def test_a_message_is_one_line_of_the_log(formatter: logging.Formatter, text: str) -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": (text,), "experiment": text})
    assert is_printable(formatter.format(record))


@pytest.mark.parametrize("text", TERMINAL)
def test_a_message_is_one_json_object_of_the_log(text: str) -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": (text,), "experiment": text})
    line = _Formatter(as_json=True).format(record)
    assert is_printable(line)
    assert json.loads(line)["message"] == text
