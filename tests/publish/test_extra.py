"""What few have installed is asked for when it is needed, and by name."""

import subprocess
import sys

import pytest

from finetune_publish import places

from .conftest import Experiment, Run

WITHOUT = """
import re, sys

class LeftOut:
    def find_spec(self, name, path=None, target=None):
        if re.match(r"(securesystemslib|sigstore|oras|huggingface_hub|mlflow|cryptography)\\b", name):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, LeftOut())
from finetune_cli.lazy import command
print(command("publish").name, command("verify").name)
"""


def test_help_needs_none_of_it() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    assert done.stdout == "publish verify\n", done.stderr


@pytest.mark.parametrize("words", [("publish", "demo", "--to", "x"), ("verify", "x")])
def test_the_command_says_what_to_install(
    experiment: Experiment, run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(places, "find_spec", lambda _: None)
    said = run(*words, *(experiment.options if words[0] == "publish" else ()))
    assert said.code == 1
    assert "pip install '.[cli,publish]'" in said.text
