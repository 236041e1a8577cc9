"""docs/cli.md names every command and every exit code."""

import re
from pathlib import Path

import typer

from finetune_cli.app import build_app
from finetune_client.exits import Exit

PAGE = (Path(__file__).resolve().parents[2] / "docs/cli.md").read_text()
OF_OTHER_PAGES = {"run", "search"}


def test_every_command_has_a_line() -> None:
    commands = set(typer.main.get_command(build_app()).commands)  # type: ignore[attr-defined]

    assert {one for one in commands - OF_OTHER_PAGES if f"`{one}" not in PAGE} == set()


def test_every_exit_code_has_a_line() -> None:
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)} == set(map(int, Exit))
