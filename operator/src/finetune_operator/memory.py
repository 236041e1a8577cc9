"""What the operator remembers of a living experiment or search, to ask less; all of it can be read again."""

from dataclasses import dataclass, field
from datetime import datetime

from finetune_core.api import Publication, Storage, Tracking
from finetune_core.deciding.observation import FailureCause, ReportView
from finetune_core.deciding.outcome import Outcome
from finetune_core.deciding.stalls import Sign
from finetune_core.planning.plan import Plan
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.publishing.orders import Publications
from finetune_core.results.run import DriverReport, Failure, Progress
from finetune_core.results.search.trial import TaskEnd, TrialResult
from finetune_core.spent import Spent
from finetune_kube.kinds import Kind
from finetune_operator.storage import Connection


@dataclass
class LookMemory:
    """What looks at either kind remember; `indexes` are those of the plan ConfigMaps by name.

    `unused`: kinds that the owner has no object of. `reports` are those of drivers that have ended, `hindrances` say
    what was last seen to keep a pod from starting, `short_of_pods` since when (monotonic) a Job has had fewer pods than
    it wants, or KubeRay has said nothing of a RayJob, all by the name of the object. `reporting` says which reports
    were under way when the one in the store was read, `reports_failed` after which of them (uids) all results were
    looked for again. `tried` is what the cluster was last asked about pods as the spec wants them. `signs` are the last
    ones of runs at work, or of a search's drivers; `stalled` counts those that give none; `pod_signs` and
    `pod_stalled` are the same of pods (by uid) that report or look at volumes. `lingering` is since when
    (monotonic) pods, by uid, go on although their work is done. `queue_problem` is why nobody admits what waits in a
    queue, `queue_words` what Kueue says of it otherwise, as of the monotonic time `queue_asked`. `attempts` are failure
    reports by their key, without tracebacks, `given_up` what follows from them for units whose Job is gone, after the
    revisions (by unit) that it was worked out for. `reading_again`: all seems to have ended, and the reading of all
    results again is not done yet. `held`: whether the store tells pods to begin nothing new; None before it is asked.
    `gpu_seconds` are those of the last look.
    """

    indexes: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    unused: frozenset[Kind] = frozenset()
    reports: dict[str, DriverReport] = field(default_factory=dict)
    hindrances: dict[str, str] = field(default_factory=dict)
    reporting: frozenset[str] | None = None
    reports_failed: frozenset[str] = frozenset()
    tried: str | None = None
    short_of_pods: dict[str, float] = field(default_factory=dict)
    signs: dict[str, Sign] = field(default_factory=dict)
    stalled: int = 0
    pod_signs: dict[str, Sign] = field(default_factory=dict)
    pod_stalled: bool = False
    lingering: dict[str, float] = field(default_factory=dict)
    queue_asked: float | None = None
    queue_problem: str | None = None
    queue_words: str = ""
    reading_again: bool = False
    held: bool | None = None
    gpu_seconds: float = 0.0
    attempts: dict[str, Failure] = field(default_factory=dict)
    given_up: tuple[dict[str, str], dict[str, FailureCause]] | None = None
    connection: Connection | None = None
    connected_for: Storage | None = None
    connected_at: float = 0.0

    def clear(self) -> None:
        """Forget everything: it was about another store."""
        vars(self).update(vars(type(self)()))

    def forget_results(self) -> None:
        """Something that was counted is not there any more: all of it is looked for again."""
        self.reporting = self.given_up = self.held = None


@dataclass
class Memory(LookMemory):
    """One living experiment; dropped when it ends.

    `asked` are (Job, run id) whose result was looked for after the Job counted them as ended; `scanned` is the digest
    of the plan whose results were listed; `unreadable` says by run what lies where its result should be; `newer` says
    whether tuned hyperparameters have changed since they were pinned, as of the monotonic time `newer_asked`;
    `spent` is what runs that have no result took of GPUs, as they told it last;
    `tracking_checked` is the block whose Secret was there; `publish_checked` are the entries of `publish` whose Secrets
    were. `published` are the records of entries, as of when there were the Jobs and pods of `publishing`.
    `progress_from` is where the next reading of progress begins: many are read in turns.
    """

    plan: Plan | None = None
    scanned: str | None = None
    asked: set[tuple[str, str]] = field(default_factory=set)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    errors: dict[str, FailureCause] = field(default_factory=dict)
    progress: dict[str, Progress] = field(default_factory=dict)
    spent: dict[str, Spent] = field(default_factory=dict)
    progress_read: float = 0.0
    progress_from: int = 0
    report: ReportView | None = None
    newer: bool = False
    newer_asked: float | None = None
    tracking_checked: Tracking | None = None
    publish_checked: tuple[Publication, ...] | None = None
    published: dict[str, Publications] = field(default_factory=dict)
    publishing: frozenset[str] | None = None

    def forget_results(self) -> None:
        """See LookMemory."""
        super().forget_results()
        self.scanned = self.publishing = None
        for remembered in (self.outcomes, self.unreadable, self.errors, self.asked, self.spent):
            remembered.clear()


@dataclass(frozen=True)
class Unreadable:
    """What lies where a trial's result should be, as of the time that it was written and its size."""

    modified: datetime
    size: int
    what: str


@dataclass
class SearchMemory(LookMemory):
    """One living search; dropped when it ends.

    `results` are trials and finalists by their key in the store, without histories; `claimed` counts trials of a task
    that have no result yet; `listed` is the monotonic time of the last listing.
    """

    plan: SearchPlan | None = None
    results: dict[str, TrialResult] = field(default_factory=dict)
    unreadable: dict[str, Unreadable] = field(default_factory=dict)
    claimed: dict[str, int] = field(default_factory=dict)
    ends: dict[str, TaskEnd] = field(default_factory=dict)
    listed: float | None = None
    jobs_ended: frozenset[tuple[str, int]] = frozenset()
    report: str | None = None

    def forget_results(self) -> None:
        """See LookMemory."""
        super().forget_results()
        self.listed = None
        for remembered in (self.results, self.unreadable, self.ends):
            remembered.clear()
