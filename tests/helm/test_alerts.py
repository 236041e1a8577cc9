"""The alerts, by Prometheus' own engine over the operator's own metrics.

Each fires in the situation that it is for, at the time that is worked out by hand beside it, and in no other.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

from finetune_operator.telemetry import Telemetry
from support.helm import NAMESPACE, render, the
from support.prometheus import STEP, Scrapes, Told, ask

LEADER, STANDBY = (NAMESPACE, "ft-finetune-operator-a"), (NAMESPACE, "ft-finetune-operator-b")
SAME_NAMESPACE = NAMESPACE, "another-a"
MINUTE = 60

Life = Callable[[int], Mapping[tuple[str, str], Telemetry | None]]


@cache
def rules() -> tuple[dict[str, Any], ...]:
    found = the(render(prometheusRule={"enabled": True}), "PrometheusRule")
    return tuple(rule for group in found["spec"]["groups"] for rule in group["rules"])


class Release:
    """Two replicas: `a` leads and looks at 2 objects each STEP, `b` stands by."""

    def __init__(self) -> None:
        self.leader, self.standby = Telemetry(), Telemetry()
        self.leader.leader.set(1)
        self.standby.leader.set(0)

    def look(self, *, errors: int = 0) -> None:
        for _ in range(2):
            self.leader.reconcile_seconds.observe(0.04)
        if errors:
            self.leader.reconcile_errors.labels(error="StoreError").inc(errors)

    @property
    def pods(self) -> dict[tuple[str, str], Telemetry | None]:
        return {LEADER: self.leader, STANDBY: self.standby}


def watched(life: Life, minutes: int) -> Told:
    """What fires while a release lives so; another one, well or not, lives beside it in the same namespace."""
    scrapes, neighbour = Scrapes(), Telemetry()
    for at in range(0, minutes * MINUTE + 1, STEP):
        neighbour.reconcile_errors.labels(error="StoreError").inc(100)
        neighbour.show_others({"theirs": "system/ft"})
        neighbour.leader.set(1)
        scrapes.take(at, {**life(at), SAME_NAMESPACE: neighbour})
    told = ask(rules(), scrapes)
    assert told.problems == []
    return told


def test_nothing_fires_while_all_is_well() -> None:
    release = Release()

    def life(at: int) -> Mapping[tuple[str, str], Telemetry | None]:
        # One that waits, an error now and then.
        release.leader.queue_length.set(1)
        release.look(errors=at % (10 * MINUTE) == 0)
        return release.pods

    assert watched(life, 130).fired == []


def test_a_release_without_a_leader_is_told_after_five_minutes() -> None:
    release = Release()

    def life(at: int) -> Mapping[tuple[str, str], Telemetry | None]:
        release.look()
        # The leader loses its Lease at ten minutes, and nobody takes it.
        release.leader.leader.set(at < 10 * MINUTE)
        return release.pods

    told = watched(life, 20)

    assert told.times("FinetuneOperatorWithoutLeader") == list(range(15 * MINUTE, 20 * MINUTE + 1, STEP))
    assert told.fired[0].labels["severity"] == "critical"
    assert told.fired[0].summary.startswith("No replica of the finetune operator leads")
    assert {one.name for one in told.fired} == {"FinetuneOperatorWithoutLeader"}


def test_a_release_that_does_not_answer_at_all_has_no_leader() -> None:
    release = Release()

    def life(at: int) -> Mapping[tuple[str, str], Telemetry | None]:
        release.look()
        return release.pods if at < 10 * MINUTE else dict.fromkeys(release.pods)

    told = watched(life, 20)

    assert told.times("FinetuneOperatorWithoutLeader")[0] == 15 * MINUTE


def test_a_change_of_leaders_is_nothing_to_tell() -> None:
    release = Release()

    def life(at: int) -> Mapping[tuple[str, str], Telemetry | None]:
        release.look()
        release.leader.leader.set(at < 10 * MINUTE)
        release.standby.leader.set(at >= 14 * MINUTE)
        return release.pods

    assert watched(life, 30).fired == []


def test_looks_that_end_in_errors_are_told() -> None:
    release = Release()

    def life(at: int) -> Mapping[tuple[str, str], Telemetry | None]:
        # One error at first, from ten minutes on 6 in 30 s, which is 0.2 a second.
        release.look(errors=6 if at > 10 * MINUTE else at == 0)
        return release.pods

    told = watched(life, 40)

    # Of ten minutes, those after the tenth have more than 0.1 a second on average once they are more than five; then
    # it waits for fifteen. Rates are extrapolated to the edges of the window, hence the half minute.
    began = told.times("FinetuneOperatorFails")[0]
    assert 30 * MINUTE <= began <= 31 * MINUTE
    assert told.times("FinetuneOperatorFails") == list(range(began, 40 * MINUTE + 1, STEP))
    assert {one.name for one in told.fired} == {"FinetuneOperatorFails"}


def test_a_few_errors_are_nothing_to_tell() -> None:
    release = Release()

    def life(at: int) -> Mapping[tuple[str, str], Telemetry | None]:
        # 2 in 30 s: 0.07 a second.
        release.look(errors=2)
        return release.pods

    assert watched(life, 40).fired == []


def test_an_operator_that_looks_at_nothing_while_objects_wait_is_told() -> None:
    release = Release()

    def life(at: int) -> Mapping[tuple[str, str], Telemetry | None]:
        release.leader.queue_length.set(3)
        if at <= 10 * MINUTE:
            release.look()
        return release.pods

    told = watched(life, 45)

    # The last look is in the scrape of 10:00. A window of 15 minutes holds no new look once the scrape before, of 9:30,
    # has left it, which is at 24:30; 15 more minutes it has to be so.
    assert told.times("FinetuneOperatorIsBehind")[0] == 39 * MINUTE + STEP
    assert {one.name for one in told.fired} == {"FinetuneOperatorIsBehind"}


@pytest.mark.parametrize("waits", ["nothing", "at a standby"])
def test_an_operator_with_nothing_to_do_is_not_behind(waits: str) -> None:
    release = Release()

    def life(at: int) -> Mapping[tuple[str, str], Telemetry | None]:
        release.standby.queue_length.set(3 if waits == "at a standby" else 0)
        return release.pods

    assert watched(life, 45).fired == []


def test_a_namespace_of_another_release_is_told_after_an_hour_by_its_name() -> None:
    release = Release()

    def life(at: int) -> Mapping[tuple[str, str], Telemetry | None]:
        release.look()
        # The second one is left alone after 50 minutes.
        release.leader.show_others({"shared": "system/ft2", **({"brief": "system/ft2"} if at < 50 * MINUTE else {})})
        return release.pods

    told = watched(life, 70)

    assert told.times("FinetuneNamespaceOfOtherRelease")[0] == 60 * MINUTE
    assert {one.labels["watched_namespace"] for one in told.fired} == {"shared"}
    assert told.fired[0].summary == ("Two releases watch the namespace shared; this one leaves it to system/ft2.")
