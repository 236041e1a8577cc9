"""What is wrong with a user's input: all of it at once, each with the place and the remedy.

FinetuneError
└── InvalidInputError      holds one or more Problem
"""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong: `field` is the path a user can find it under (`spec.tasks[cola].training.evalSteps`)."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class FinetuneError(Exception):
    """Base of the errors that this project raises on purpose."""


class InvalidInputError(FinetuneError):
    """The input cannot be used; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(str(problem) for problem in problems))
