"""Which runs a pod does, where `runsPerPod: Auto` leaves it to us."""

from collections.abc import Sequence
from heapq import heapify, heapreplace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.api import Execution
from finetune_core.planning.cost import Rates
from finetune_core.planning.plan import ExecutionLimits, JobPlan
from finetune_core.planning.pods import Indexes, PodFilling, fill, plan_pods
from support.results import plan_of

LIMITS = ExecutionLimits()
MEASURED = Rates({"rte": 1.0})
MINUTES = 60.0
ENOUGH = 3 * MINUTES
"""What a pod is started for, as docs/how-to/share-gpus.md says."""

lengths = st.lists(st.floats(0.1, 5_000.0), max_size=40) | st.lists(st.floats(0.1, 60.0), max_size=40)
places = st.integers(0, 9)


def runs(lengths: Sequence[float]) -> dict[str, float]:
    """Seconds of runs, the longest first."""
    return {f"run-{place}": seconds for place, seconds in enumerate(sorted(lengths, reverse=True))}


def makespan(pods: Indexes, seconds: dict[str, float], slots: int) -> float:
    """When the last pod ends: so many at a time, the next one where one ends, as a Job does them."""
    ends = [0.0] * slots
    heapify(ends)
    for pod in pods:
        heapreplace(ends, ends[0] + sum(seconds[run] for run in pod))
    return max(ends)


def filling(parallelism: int = 1, at_once: int = 1, *, measured: bool = True) -> PodFilling:
    return PodFilling(parallelism, at_once, rates=MEASURED if measured else Rates())


@given(lengths, places, st.integers(1, 4), st.booleans())
def test_every_run_is_in_one_pod_and_those_with_the_most_to_do_come_first(
    lengths: list[float], parallelism: int, at_once: int, measured: bool
) -> None:
    seconds = runs(lengths)
    pods = fill(seconds, filling(parallelism, at_once, measured=measured))
    assert sorted(run for pod in pods for run in pod) == sorted(seconds)
    assert all(pods)
    loads = [sum(seconds[run] for run in pod) for pod in pods]
    assert loads == sorted(loads, reverse=True)
    assert pods == fill(dict(seconds), filling(parallelism, at_once, measured=measured))


@given(lengths, places, st.integers(1, 4))
def test_no_pod_has_less_to_do_than_is_worth_its_start(lengths: list[float], parallelism: int, at_once: int) -> None:
    seconds = runs(lengths)
    pods = fill(seconds, filling(parallelism, at_once))
    assert len(pods) <= 1 or all(sum(seconds[run] for run in pod) >= ENOUGH * at_once * 0.999 for pod in pods)


@given(lengths, st.integers(1, 9))
def test_the_last_pod_makes_the_others_wait_for_minutes_at_most(lengths: list[float], slots: int) -> None:
    seconds = runs(lengths)
    longest = max(lengths, default=0.0)
    # No schedule is shorter than either of the work of each and the longest run.
    bound = sum(lengths) / slots + max(longest + ENOUGH, 5 * ENOUGH)
    assert makespan(fill(seconds, filling(slots)), seconds, slots) <= bound * 1.001


@given(st.lists(st.floats(0.1, 60.0), min_size=1, max_size=40), st.integers(1, 9), st.floats(0.01, 1_000.0))
def test_while_nobody_has_measured_all_that_may_work_do_and_no_scale_is_believed(
    lengths: list[float], slots: int, scale: float
) -> None:
    seconds = runs(lengths)
    pods = fill(seconds, filling(slots, measured=False))
    assert len(pods) >= min(len(seconds), slots)
    scaled = {run: takes * scale for run, takes in seconds.items()}
    least = sum(scaled.values()) / slots
    assert makespan(pods, scaled, slots) <= (2 * least + max(scaled.values())) * 1.001


@pytest.mark.parametrize(
    ("minutes", "parallelism", "at_once", "expected"),
    [
        pytest.param([10, 10, 10], 2, 1, [1, 1, 1], id="long runs have a pod each"),
        pytest.param([10, 10, 10], 2, 2, [2, 1], id="or one for as many as it does at a time"),
        pytest.param([0.5] * 9, 4, 1, [9], id="not enough for two"),
        pytest.param([0.5] * 24, 2, 1, [12, 12], id="whole rounds, so that all end together"),
        pytest.param([0.5] * 24, 9, 1, [8, 8, 8], id="enough for three"),
        pytest.param([10, 0.5, 0.5], 9, 1, [3], id="what is too little for a pod goes with a long run"),
    ],
)
def test_pods_are_filled(minutes: list[float], parallelism: int, at_once: int, expected: list[int]) -> None:
    seconds = runs([one * MINUTES for one in minutes])
    assert [len(pod) for pod in fill(seconds, filling(parallelism, at_once))] == expected


def test_what_runs_took_goes_before_what_they_are_expected_to_take() -> None:
    plan = plan_of({"wnli": 12})
    pending = frozenset(run.run_id for run in plan.runs)
    cost = 128 * (50 * 32 + (5 * 71 + 146) / 3)

    def pods(seconds: float) -> JobPlan:
        took = Rates({"wnli": seconds / cost})
        return plan_pods(plan, pending, Execution(), limits=LIMITS, rates=took)

    assert len(pods(20.0).indexes) == 1
    assert len(pods(60.0).indexes) == 3
    assert len(pods(200.0).indexes) == 12
    assert pods(200.0).plan == pods(20.0).plan
