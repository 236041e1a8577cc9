"""Runs the commands of the documentation in a folder that holds what the pages suppose to be there.

Our own programs are called in this process (one of its own takes a second, with torch five), the others as they are.
`finetune ui` is asked for its page and stopped. Only looked up are targets of `make`, which are tests of their own or
the real cluster's, and what a port is forwarded to, as no pod runs.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from unittest import mock

import requests

from finetune_cli.app import main
from finetune_dev import binaries
from finetune_dev.kubectl import program
from finetune_trainer.cli import main as trainer_main
from support.doc_pages import REPOSITORY, Command

# What stands in capitals is something of the reader's own.
PLACEHOLDERS = {
    "NEW-FOLDER": "./bert-sparse",
    "FOLDER": "./bert",
    "NAMESPACE": "team",
    "MY-BUCKET": "my-bucket",
    "REGISTRY": "registry.example",
}
_PLACEHOLDER = re.compile(rf"\b({'|'.join(PLACEHOLDERS)})\b")
# Of a clone, what pages name by its path.
_OF_THE_CLONE = (".venv", "Makefile", "dev", "examples", "helm", "pyproject.toml", "requirements")


@dataclass(frozen=True)
class Outcome:
    """What a command left."""

    code: int
    out: str
    err: str = ""

    def __str__(self) -> str:
        return f"exit code {self.code}: {(self.err or self.out).strip()[-600:]}"


class Shell:
    """A person's shell at the top of a clone; `environment` is added to this process's own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._environment = {**environment, "PYTHONPATH": "dev", "PWD": str(folder)}
        for name in _OF_THE_CLONE:
            (folder / name).symlink_to(REPOSITORY / name)

    def run(self, command: Command) -> Outcome:
        """Run a command; 127, as shells have it, where nothing is known of how."""
        words = tuple(self._filled(word) for word in command.words)
        way = _WAYS.get(words[0].rpartition("/")[2])
        if way is None:
            return Outcome(127, "", f"nothing runs {words[0]}: say how in {Path(__file__).name}, or why not in NOT_RUN")
        with chdir(self.folder), mock.patch.dict(os.environ, self._environment):
            outcome = way(replace(command, words=words))
        if command.to:
            (self.folder / command.to).write_text(outcome.out)
        return outcome

    def _filled(self, word: str) -> str:
        word = _PLACEHOLDER.sub(lambda match: PLACEHOLDERS[match[0]], word)
        return word.replace("$PWD", str(self.folder))


def _finetune(command: Command) -> Outcome:
    if command.words[1] == "ui":
        return _served(command.words)
    return _called(main, command.words)


def _trainer(command: Command) -> Outcome:
    return _called(trainer_main, command.words)


def _called(main: Callable[[list[str]], int], words: Sequence[str]) -> Outcome:
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(list(words[1:]))
    return Outcome(code, out.getvalue(), err.getvalue())


def _served(words: Sequence[str]) -> Outcome:
    """Start it on a free port, get the page that it says it serves, and stop it."""
    command = (str(Path(sys.executable).with_name(words[0])), *words[1:], "--port=0")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        page = requests.get(found[0], timeout=30, proxies={"http": ""}) if found else None
        process.send_signal(signal.SIGINT)
        return Outcome(0 if page and page.ok else 1, page.text if page else "", line + process.communicate()[1])


def _kubectl(command: Command) -> Outcome:
    words = command.words[1:]
    if words[0] == "finetune":
        return _finetune(replace(command, words=words))
    if "port-forward" in words:
        return _port(*words)
    return _process(program("kubectl"), *words)


def _port(*words: str) -> Outcome:
    """Whether there is what a port is to be forwarded to, and has that port."""
    asked = (
        *("get" if word == "port-forward" else word for word in words[:-1]),
        "-o",
        "jsonpath={.spec.ports[*].port}",
    )
    outcome = _process(program("kubectl"), *asked)
    has = words[-1].rpartition(":")[2] in outcome.out.split()
    return outcome if has else replace(outcome, code=outcome.code or 1)


def _helm(command: Command) -> Outcome:
    return _process(str(binaries.ensure("helm")), *command.words[1:])


def _make(command: Command) -> Outcome:
    return _process("make", "--dry-run", *command.words[1:])


def _python(command: Command) -> Outcome:
    return _process(sys.executable, *command.words[1:])


def _built_in(command: Command) -> Outcome:
    """The whole line: what a shell's own commands do ends with it."""
    return _process("bash", "-euc", command.said.text)


def _process(*words: str) -> Outcome:
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


_WAYS = {
    "export": _built_in,
    "finetune": _finetune,
    "finetune-trainer": _trainer,
    "helm": _helm,
    "kubectl": _kubectl,
    "make": _make,
    "python": _python,
    "source": _built_in,
}
