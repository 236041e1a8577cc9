"""What the operator remembers of a living experiment, to ask less; all of it can be read again."""

from dataclasses import dataclass, field

from finetune_core.observation import ReportView, RunError
from finetune_core.outcome import Outcome
from finetune_core.plan import Plan
from finetune_core.results import Progress
from finetune_core.spec import Storage
from finetune_operator.storage import Connection


@dataclass
class Memory:
    """One living experiment; dropped when it ends.

    `asked` are (Job, run id) whose result was looked for after the Job counted them as ended; `scanned` is the digest
    of the plan whose results were listed.
    """

    plan: Plan | None = None
    scanned: str | None = None
    asked: set[tuple[str, str]] = field(default_factory=set)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    errors: dict[str, RunError] = field(default_factory=dict)
    progress: dict[str, Progress] = field(default_factory=dict)
    progress_read: float = 0.0
    indexes: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    report: ReportView | None = None
    report_jobs_seen: frozenset[str] | None = None
    connection: Connection | None = None
    connected_for: Storage | None = None
    connected_at: float = 0.0

    def clear(self) -> None:
        """Forget everything: it was about another store."""
        vars(self).update(vars(Memory()))
