"""What runs come to: plans that a spec may ask for, results and reports as documents, and the fate of each run."""

import random
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.results.document import build_document
from finetune_core.results.run import ExitCode, Failure, FailureReason, RunResult
from support.results import plan_of, result_of

LAYOUT = ExperimentLayout("team", "demo")


class Fate(StrEnum):
    """How attempts at a run end."""

    WELL = "ends well"
    MISTAKE = "fails for good, and says why in the store"
    SILENT = "is killed for want of memory, again and again, and leaves no word"
    FLAKY = "fails once, then ends well"
    LOST = "ends well once without a result, then with one"


_FATES = (*[Fate.WELL] * 6, Fate.MISTAKE, Fate.SILENT, Fate.FLAKY, Fate.LOST)


class _Plan(Plan):
    """Its digests are worked out once: a simulation asks for them a million times."""

    @property
    def digest(self) -> str:
        return _digest(self.resolved_for, "digest")

    @property
    def work_digest(self) -> str:
        return _digest(self.resolved_for, "work_digest")


_PLANS: dict[str, Plan] = {}


@cache
def _digest(name: str, what: str) -> str:
    value: str = getattr(Plan, what).fget(_PLANS[name])
    return value


@cache
def plan(learning_rate: float, runs: int, tasks: tuple[str, ...]) -> Plan:
    """The plan of a spec."""
    name = f"{learning_rate}/{runs}/{tasks}"
    made = plan_of(dict.fromkeys(tasks, runs), training={task: {"learningRate": learning_rate} for task in tasks})
    _PLANS[name] = made.model_copy(update={"resolved_for": name})
    return _Plan.model_construct(**dict(_PLANS[name]))


@dataclass
class Work:
    """How each run ends, by its id, and how often it was tried."""

    rng: random.Random
    fates: dict[str, Fate] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)

    def attempt(self, run_id: str) -> ExitCode | int | None:
        """The exit code of the next attempt; None for one that ends well and leaves nothing."""
        fate = self.fates.setdefault(run_id, self.rng.choice(_FATES))
        first = self.tries.setdefault(run_id, 0) == 0
        self.tries[run_id] += 1
        if fate == Fate.MISTAKE:
            return ExitCode.USER_ERROR
        if fate == Fate.SILENT:
            return 137
        if first and fate in {Fate.FLAKY, Fate.LOST}:
            return ExitCode.RETRY if fate == Fate.FLAKY else None
        return ExitCode.SUCCESS

    def result(self, of: Plan, run: PlannedRun, attempt: str) -> bytes:
        """What an attempt leaves; no two runs have the same value."""
        value = self.values.setdefault(run.run_id, 0.5 + len(self.values) / 1000)
        made: RunResult = result_of(of, run.task, run.run, value, attempt=attempt)
        return made.model_dump_json(by_alias=True).encode()


def failure(run: PlannedRun, attempt: str, scope: str, code: int) -> bytes:
    """What an attempt that failed leaves."""
    made = Failure(
        reason=FailureReason.USER_ERROR if code == ExitCode.USER_ERROR else FailureReason.INTERNAL,
        message="it fails",
        run_id=run.run_id,
        task=run.task,
        run=run.run,
        attempt=attempt,
        exit_code=code,
        time="",
        scope=scope,
    )
    return made.to_json()


@cache
def _document(name: str) -> str:
    document = build_document(_PLANS[name], {}, {}, uri="memory:///", models={})
    return document.model_copy(update={"report_digest": "DIGEST"}).model_dump_json(by_alias=True)


def report(of: Plan, digest: str) -> bytes:
    """A report of a digest."""
    return _document(of.resolved_for).replace("DIGEST", digest).encode()
