"""Experiments drawn at random whose runs arrive in a store bit by bit, and who has to win, worked out by hand."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hypothesis import strategies as st

from finetune_core.planning.plan import Plan
from finetune_store import DirectoryStore
from support.report_store import fail_run, finish_run, layout_of
from support.results import plan_of

Predict = Callable[[str, str], dict[str, bytes]]
"""From a task and words that no other run and attempt has to the prediction files, by name."""

REPORTED = {
    "cola": ("matthews_correlation",),
    "mrpc": ("f1", "accuracy"),
    "stsb": ("pearson", "spearmanr"),
    "mnli": ("accuracy", "mm_accuracy"),
    "rte": ("accuracy",),
    "wnli": ("accuracy",),
    "sst2": ("accuracy",),
    "qqp": ("f1", "accuracy"),
    "qnli": ("accuracy",),
    "spam": ("accuracy", "f1"),
    "price": ("mse", "pearson"),
}
"""The metrics of each task's row, the one that decides first; `spam` and `price` are custom tasks."""

CUSTOM = ("spam", "price")
LESS_IS_BETTER = ("loss", "mse")
ABSENT = "absent"
"""In place of a value: no evaluation of the run has it."""

_CHOICES = {task: ("loss", *names) for task, names in REPORTED.items()}
_EDGES = (math.nan, math.inf, -math.inf, None, ABSENT)


class End(Enum):
    """How a run ends. One that was `RETRIED` has failed and then succeeded; one that is `UNDER_WAY` has not ended."""

    DONE = "done"
    RETRIED = "retried"
    FAILED = "failed"
    UNDER_WAY = "under way"


@dataclass(frozen=True)
class DrawnRun:
    """`value` is of the metric that decides, `others` of some others; one `quarantined` takes another's place."""

    end: End
    value: Any
    others: Mapping[str, Any]
    quarantined: bool


@dataclass(frozen=True)
class DrawnExperiment:
    """Runs by task; `deciding` has the metric that decides where it is not the task's own."""

    runs: Mapping[str, list[DrawnRun]]
    deciding: Mapping[str, str]
    models: str
    seed: int


# Few distinct values, so that ties are common; the same run ids in two experiments are wanted too.
drawn_runs = st.builds(
    DrawnRun,
    end=st.sampled_from([End.DONE] * 5 + [End.RETRIED, End.FAILED, End.UNDER_WAY]),
    value=st.sampled_from([0.25, 0.5, 0.5, 0.5, 0.75, 0.0, -0.0, -0.25, 5e-324, 1e300, *_EDGES]),
    others=st.dictionaries(
        st.sampled_from(sorted({name for names in _CHOICES.values() for name in names})),
        st.sampled_from([0.25, 0.75, *_EDGES]),
        max_size=4,
    ),
    quarantined=st.sampled_from([False, False, False, True]),
)


@st.composite
def experiments(draw: st.DrawFn, tasks: tuple[str, ...], max_runs: int = 4, max_tasks: int = 5) -> DrawnExperiment:
    """Experiments over some of the tasks."""
    runs = st.lists(drawn_runs, min_size=1, max_size=max_runs)
    names = draw(st.lists(st.sampled_from(tasks), min_size=1, max_size=max_tasks, unique=True))
    chosen = {task: draw(st.none() | st.sampled_from(_CHOICES[task])) for task in names}
    return DrawnExperiment(
        runs={task: draw(runs) for task in names},
        deciding={task: metric for task, metric in chosen.items() if metric is not None},
        models=draw(st.sampled_from(["Best", "All", "None"])),
        seed=draw(st.integers(1, 2)),
    )


@dataclass(eq=False)
class Left:
    """An experiment in the store: its plan, and of the runs that arrived so far what they wrote."""

    store: DirectoryStore
    plan: Plan
    drawn: DrawnExperiment
    predict: Predict
    written: dict[tuple[str, int], dict[str, bytes]] = field(default_factory=dict)
    measured: dict[tuple[str, int], dict[str, float | None]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    retried: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.plan.experiment

    def deciding(self, task: str) -> str:
        return self.drawn.deciding.get(task) or REPORTED[task][0]

    def rows(self, task: str) -> set[str]:
        """The metrics of the task's row."""
        return {self.deciding(task), *REPORTED[task]}

    def values(self, task: str, metric: str) -> dict[int, float]:
        """The finite values of the runs that succeeded so far, by run."""
        found = {run: said.get(metric) for (one, run), said in sorted(self.measured.items()) if one == task}
        return {run: value for run, value in found.items() if value is not None}

    def winner(self, task: str, *, without: int | None = None) -> int | None:
        """The run that no other beats; of several the first. `without` is one that does not take part."""
        metric = self.deciding(task)
        values = {run: value for run, value in self.values(task, metric).items() if run != without}
        sign = -1 if metric in LESS_IS_BETTER else 1
        unbeaten = [run for run, value in values.items() if not any(sign * v > sign * value for v in values.values())]
        return min(unbeaten, default=None)

    def arrive(self, *, part: int, parts: int) -> None:
        """The runs of one part of `parts` end, and leave what they leave."""
        for task, runs in self.drawn.runs.items():
            for index, run in enumerate(runs):
                if index % parts == part and run.end != End.UNDER_WAY:
                    self._end(task, index, run)

    def _end(self, task: str, index: int, run: DrawnRun) -> None:
        planned = self.plan.runs_of(task)[index]
        layout = layout_of(self.plan).run(task, planned.run_id)
        died = self.predict(task, f"{self.name} {planned.run_id} that died")
        for name, content in died.items():
            self.store.put(layout.predictions("attempt-that-died", name), content)
        if run.end in {End.FAILED, End.RETRIED}:
            (self.failed if run.end == End.FAILED else self.retried).add(
                fail_run(self.store, self.plan, task, index, "why")
            )
        if run.end == End.FAILED:
            return
        deciding = self.deciding(task)
        given = {name: run.others[name] for name in _CHOICES[task] if name in run.others} | {deciding: run.value}
        predictions = self.predict(task, f"{self.name} {planned.run_id}")
        result = finish_run(
            self.store,
            self.plan,
            task,
            index,
            _known(run.value),
            metrics={name: _known(value) for name, value in given.items()},
            predictions=predictions,
            step=75 + index,
        )
        metrics = {name: value for name, value in result.metrics.items() if given.get(name) != ABSENT}
        self.store.put(layout.result, result.model_copy(update={"metrics": metrics}).to_json())
        self.written[task, index] = predictions
        self.measured[task, index] = {name: _finite(value) for name, value in metrics.items()}


def leave(store: DirectoryStore, name: str, drawn: DrawnExperiment, predict: Predict, **spec: Any) -> Left:
    """The plan of an experiment, no run of which has ended, but those that are quarantined: they were the very best."""
    plain = _plan(name, drawn, **spec)
    wrong = [
        plain.runs_of(task)[index]
        for task, runs in drawn.runs.items()
        for index, run in enumerate(runs)
        if run.quarantined
    ]
    plan = _plan(name, drawn, quarantine=[{"runId": run.run_id, "reason": "broken"} for run in wrong], **spec)
    store.put(layout_of(plan).plan, plan.to_bytes())
    left = Left(store, plan, drawn, predict)
    for run in wrong:
        tempting = -1.0 if left.deciding(run.task) in LESS_IS_BETTER else 1e301
        predictions = predict(run.task, f"{name} {run.run_id}")
        finish_run(store, plain, run.task, run.run, tempting, predictions=predictions)
    return left


def _plan(name: str, drawn: DrawnExperiment, **spec: Any) -> Plan:
    training = {task: {"metric_for_best_model": metric} for task, metric in drawn.deciding.items()}
    counts = {task: len(runs) for task, runs in drawn.runs.items()}
    plan = plan_of(counts, training=training, retention={"models": drawn.models}, seed=drawn.seed, **spec)
    return plan.model_copy(update={"experiment": name})


def _known(value: Any) -> float | None:
    return None if value == ABSENT else value


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
