"""Drivers without Ray: claims, leases and results on a store, with a clock that only moves when told."""

from dataclasses import dataclass, field

from finetune_core.api.search import Algorithm, Distribution, TrialScheduler
from finetune_core.planning.plan import ResolvedData
from finetune_core.planning.search.plan import SearchPlan, SearchTaskPlan
from finetune_core.results.search.trial import Heartbeat, TrialReport, TrialResult, TrialState
from finetune_core.search_layout import SearchLayout, TrialKind
from finetune_store import Store
from finetune_trainer.search.leases import Leases
from finetune_trainer.search.phase import Phase
from finetune_trainer.search.proposals import proposer
from finetune_trainer.search.trial_queue import Nothing, Taken, TrialQueue
from finetune_trainer.search.trial_store import TrialStore
from support.plans import MODEL, plan

LEARNING_RATE = {"learningRate": {"logUniform": [1e-5, 1e-2]}}


def search_plan(
    *, trials: int = 4, space: dict | None = None, algorithm: str = "Random", **fields: object
) -> SearchPlan:
    """A search on RTE with made-up digests."""
    task = plan({"rte": 1}).tasks["rte"]
    searched = SearchTaskPlan(
        definition=task.definition,
        settings=task.settings,
        data=ResolvedData.model_validate(task.data.model_dump()),
        trials=trials,
        space={name: Distribution.model_validate(one) for name, one in (space or LEARNING_RATE).items()},
        greater_is_better=True,
    )
    return SearchPlan(
        namespace="ns",
        search="find",
        model=MODEL,
        tasks={"rte": searched},
        order=("rte",),
        seed=42,
        algorithm=Algorithm(algorithm),
        scheduler=TrialScheduler.FIFO,
        **fields,
    )


def phase(made: SearchPlan) -> Phase:
    """The trials of its task."""
    return Phase(
        plan=made,
        task="rte",
        kind=TrialKind.TRIALS,
        count=made.tasks["rte"].trials,
        seeds=made.trial_seeds("rte"),
        scheduler=made.scheduler,
        propose=proposer(made, "rte"),
    )


def result(
    made: Phase,
    taken: Taken,
    *,
    value: float | None = 0.5,
    state: TrialState = TrialState.COMPLETED,
    driver: str = "someone",
    history: tuple[tuple[float, float], ...] = (),
) -> TrialResult:
    """How a trial ended; `history` are (progress, value)."""
    reports = tuple(
        TrialReport(step=round(100 * progress), progress=progress, seconds=1.0, metrics={"accuracy": one})
        for progress, one in history or ((1.0, value or 0.0),)
    )
    return TrialResult(
        trial_id=made.trial_id(taken.config),
        task="rte",
        index=taken.index,
        state=state,
        config=taken.config,
        settings={},
        metric="accuracy",
        greater_is_better=True,
        value=value,
        step=100,
        total_steps=100,
        seeds=made.seeds,
        run_ids=(),
        history=reports,
        driver=driver,
        cluster=0,
        started_at="",
        finished_at="",
        seconds=1.0,
    )


@dataclass
class FakeClock:
    """Seconds that pass when told."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class FakeDriver:
    """What a driver does to the store, without running anything. Leases last 45 s of `clock`."""

    name: str
    store: Store
    phase: Phase
    clock: FakeClock
    over: bool = False
    beats: int = 0
    trials: TrialStore = field(init=False)
    queue: TrialQueue = field(init=False)

    def __post_init__(self) -> None:
        leases = Leases(self.store, self.phase.layout, seconds=45.0, clock=self.clock)
        self.trials = TrialStore(self.store, self.phase, leases, driver=self.name, cluster=0)
        self.queue = TrialQueue(self.trials, self.phase, lambda: self.over, clock=self.clock)
        self.beat()

    def beat(self, *, ended: bool = False) -> None:
        """Show that it lives, or that it has ended in order."""
        self.beats += 1
        heartbeat = Heartbeat(driver=self.name, cluster=0, beat=self.beats, time="", ended=ended)
        self.store.put(SearchLayout("ns", "find").driver(self.name), heartbeat.to_json())

    def take(self) -> Taken:
        """The next trial; there has to be one."""
        taken = self.queue.next()
        assert isinstance(taken, Taken)
        return taken

    def ask_for(self, seconds: int) -> Taken | Nothing:
        """Ask each second for the next trial; the first that there is, else what was said last."""
        for _ in range(seconds):
            self.clock.seconds += 1
            answer = self.queue.next()
            if isinstance(answer, Taken):
                break
        return answer

    def finish(self, taken: Taken, value: float | None = 0.5, **fields: object) -> TrialResult:
        """The trial ends."""
        return self.trials.record(result(self.phase, taken, value=value, driver=self.name, **fields))
