"""Help: it waits for no command's imports, and says of each what the command says of itself."""

import subprocess
import sys
from importlib.metadata import version

import pytest

from finetune_cli.lazy import COMMANDS, command

from .conftest import Run

SLOW = ("pydantic", "minio", "kubernetes", "celpy", "jsonschema", "yaml", "aiohttp", "jinja2", "plotly", "pandas",
        "numpy", "scipy", "torch", "finetune_core.api", "finetune_store", "finetune_report", "finetune_ui")  # fmt: skip
ASK = f"""
import sys
from finetune_cli.app import main
code = main(sys.argv[1:])
print(*[name for name in {SLOW!r} if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_no_library_of_a_command(arguments: list[str]) -> None:
    made = subprocess.run([sys.executable, "-c", ASK, *arguments], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert made.stderr.splitlines()[-1] == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_help_is_the_commands_own(name: str) -> None:
    own = " ".join(command(name).help.split("\n\n")[0].split())
    assert COMMANDS[name][1] == own


def test_every_command_has_a_place_in_help(run: Run) -> None:
    said = run("--help")
    assert said.code == 0
    for name in COMMANDS:
        assert f"{name} " in said.text


def test_a_command_that_is_nearly_right_is_guessed(run: Run) -> None:
    said = run("statu")
    assert said.code == 2
    assert "status" in said.text


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version").out == f"finetune {version('finetune-operator')}\n"
