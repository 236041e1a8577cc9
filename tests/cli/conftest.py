"""What the tests of the command line share: a real API server and S3 server, an operator, and the program's output."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from finetune_cli.app import main
from support.own_cluster import kubeconfig, world

__all__ = ["kubeconfig", "world"]


@dataclass(frozen=True)
class Said:
    """What a command left: its exit code, and its words with every gap one space wide."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both outputs, on one line."""
        return re.sub(r"\s+", " ", f"{self.out} {self.err}")


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `finetune` with arguments."""

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        code = main(list(arguments))
        return Said(code, *capsys.readouterr())

    return call
