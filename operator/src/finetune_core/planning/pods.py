"""Which runs a pod does: so many each, or as many as it is worth starting a pod for. An index of a Job is a pod.

A Job begins its indexes in their order, as many at a time as its parallelism, and the next one as soon as one ends. So
indexes with the longest work come first (longest processing time first: Graham, 1969,
https://doi.org/10.1137/0117039). Estimates decide which run is in which pod of a Job that is to be made, and nothing
else: a Job that is there keeps its plan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import ceil

from finetune_core.api import Execution
from finetune_core.planning.cost import NO_RATES, Rates, expected_cost
from finetune_core.planning.devices import gpus_of_pod, runs_at_once
from finetune_core.planning.plan import ExecutionLimits, JobPlan, Plan, TaskPlan

ENOUGH_SECONDS = 180.0
"""Work for which a pod is worth its start: scheduling, perhaps a node and an image, imports, model, data."""

_SECONDS_OF_COST_BY_GPU = 1 / 100_000
_SECONDS_OF_COST_BY_CPU = 1 / 6_000
"""Where no run has told yet: about a BERT-base on one GPU, and MiniLM on two cores (bench/RESULTS.md)."""

Indexes = tuple[tuple[str, ...], ...]
"""Completion index -> ids of the runs that it does."""


@dataclass(frozen=True)
class PodFilling:
    """What pods are filled by: how many there are at a time, how many runs each of them does at a time, and seconds
    per unit of cost as runs took them.
    """

    parallelism: int
    at_once: int = 1
    gpus: int = 0
    rates: Rates = NO_RATES

    @classmethod
    def of(cls, execution: Execution, rates: Rates) -> "PodFilling":
        """As a spec says it."""
        return cls(execution.parallelism, runs_at_once(execution), gpus_of_pod(execution), rates)

    @property
    def slots(self) -> int:
        """Pods at a time; where none may run for now, it is not known how many will."""
        return max(1, self.parallelism)

    @property
    def enough(self) -> float:
        """Seconds of runs, one after another, that keep a pod at work for `ENOUGH_SECONDS`."""
        return ENOUGH_SECONDS * self.at_once

    def seconds(self, task: TaskPlan) -> float:
        """How long a run of a task takes."""
        known = self.rates.seconds(task)
        guess = _SECONDS_OF_COST_BY_GPU if self.gpus else _SECONDS_OF_COST_BY_CPU
        return guess * expected_cost(task) if known is None else known


def order_runs(plan: Plan, pending: frozenset[str]) -> tuple[str, ...]:
    """The ids of the pending runs, longest first (a shorter makespan); ties by run index, then plan order."""
    return _ordered(plan, pending, {name: expected_cost(task) for name, task in plan.tasks.items()})


def job_plan(plan: Plan, pending: frozenset[str], *, runs_per_pod: int, limits: ExecutionLimits) -> JobPlan:
    """Cut the pending runs into indexes of at most `runs_per_pod` runs, longest first."""
    ordered = order_runs(plan, pending)
    chunks = tuple(ordered[start : start + runs_per_pod] for start in range(0, len(ordered), runs_per_pod))
    return JobPlan(plan=plan, indexes=chunks, limits=limits)


def plan_pods(
    plan: Plan, pending: frozenset[str], execution: Execution, *, limits: ExecutionLimits, rates: Rates = NO_RATES
) -> JobPlan:
    """Share the pending runs out to pods as a spec says: so many each, or as many as are worth a pod (see `fill`)."""
    if isinstance(execution.runs_per_pod, int):
        return job_plan(plan, pending, runs_per_pod=execution.runs_per_pod, limits=limits)
    filling = PodFilling.of(execution, rates)
    of_task = {name: filling.seconds(task) for name, task in plan.tasks.items()}
    tasks = {run.run_id: run.task for run in plan.runs}
    seconds = {run: of_task[tasks[run]] for run in _ordered(plan, pending, of_task)}
    return JobPlan(plan=plan, indexes=fill(seconds, filling), limits=limits)


def fill(seconds: Mapping[str, float], filling: PodFilling) -> Indexes:
    """Pods of runs (id -> seconds, the longest first), those with the most work first.

    Runs that are `enough` for a pod have one of their own, or one for as many as it does at a time. The others share
    pods, which have enough each, or are a single one. As long as nobody has measured a run, seconds may be wrong by
    far, though not their proportions: then there is a pod for each run, or as many as may work at a time.
    """
    if not seconds:
        return ()
    enough = filling.enough
    long = [run for run, takes in seconds.items() if takes >= enough]
    short = [run for run, takes in seconds.items() if takes < enough]
    least = 0 if filling.rates.of_task else min(len(seconds), filling.slots)
    alone = max(ceil(len(long) / filling.at_once), min(least, len(long)))
    shared = max(_shared(seconds, short, filling), min(least - alone, len(short)))
    if not shared:
        long, short, alone = [*long, *short], [], max(alone, 1)
    pods = [*_balanced(seconds, long, alone), *_balanced(seconds, short, shared)]
    return tuple(sorted(pods, key=lambda pod: -sum(seconds[run] for run in pod)))


def _shared(seconds: Mapping[str, float], short: Sequence[str], filling: PodFilling) -> int:
    """So many pods that none has less than enough: the loads of `_balanced` differ by a run at most.

    More than work at a time come in whole rounds, so that all end together.
    """
    work, longest = sum(seconds[run] for run in short), max((seconds[run] for run in short), default=0.0)
    pods = int(work // (filling.enough + longest)) or int(work >= filling.enough)
    return pods - pods % filling.slots if pods > filling.slots else pods


def _balanced(seconds: Mapping[str, float], runs: Sequence[str], pods: int) -> list[tuple[str, ...]]:
    """Each run to the pod that has the least to do."""
    loads = [(0.0, place) for place in range(pods)]
    filled: list[list[str]] = [[] for _ in range(pods)]
    for run in runs:
        load, place = heappop(loads)
        filled[place].append(run)
        heappush(loads, (load + seconds[run], place))
    return [tuple(pod) for pod in filled]


def _ordered(plan: Plan, pending: frozenset[str], cost: Mapping[str, float]) -> tuple[str, ...]:
    """By the cost of a task's run, the greatest first; ties by run index, then plan order."""
    position = {run.run_id: place for place, run in enumerate(plan.runs)}
    waiting = [run for run in plan.runs if run.run_id in pending]
    waiting.sort(key=lambda run: (-cost[run.task], run.run, position[run.run_id]))
    return tuple(run.run_id for run in waiting)
