"""Which of several releases manages a namespace, in virtual time."""

import logging
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_kube.errors import ApiUnavailableError
from finetune_operator.claims import CLAIM, PATIENCE_SECONDS, Claims
from finetune_operator.config import Release
from finetune_operator.election import Timing, new_lease
from finetune_operator.leadership import Leadership
from support.leases import FakeLeases, Line

RELEASES = {"a": Release("system", "ft-a"), "b": Release("other", "ft-b")}
TIMING = Timing(10)
TEAM = "team"


@dataclass
class Releases:
    """Two releases of one replica each, both of which watch the namespace `team`."""

    now: float = 0.0
    leases: FakeLeases = field(default_factory=FakeLeases)

    def __post_init__(self) -> None:
        self.lines = {name: Line(self.leases) for name in RELEASES}
        self.restarts = 0
        for name in RELEASES:
            self.restart(name)

    def restart(self, name: str) -> None:
        """A new process of a release, under the same name."""
        leader = Leadership(self.lines[name], RELEASES[name], f"pod-{name}", TIMING, clock=lambda: self.now)
        claims = Claims(self.lines[name], RELEASES[name], leader, clock=lambda: self.now)
        vars(self).setdefault("leaders", {})[name] = leader
        vars(self).setdefault("claims", {})[name] = claims

    def holds(self, name: str) -> bool:
        """What a look at an object of the namespace asks."""
        return bool(self.claims[name].holds(TEAM))

    def run(self, seconds: float, *alive: str) -> None:
        """Time passes; those who are alive renew their release's Lease and look at the namespace now and then."""
        end = self.now + seconds
        while self.now < end:
            for name in alive:
                self.leaders[name].step()
                if self.leaders[name].term is not None:
                    self.holds(name)
            self.now += TIMING.retry


def test_the_first_release_claims_the_namespace_and_the_second_leaves_it_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Releases()
    with caplog.at_level(logging.WARNING):
        world.run(1000, "a", "b")
    assert (world.holds("a"), world.holds("b")) == (True, False)
    assert world.leases.holder(TEAM, CLAIM) == "system/ft-a"
    assert world.claims["b"].others() == {TEAM: "system/ft-a"}
    told = "namespace team is managed by the release system/ft-a: the release other/ft-b leaves it alone"
    assert caplog.messages == [told], "once"


def test_a_claim_costs_one_writing_a_term_and_a_reading_a_minute() -> None:
    world = Releases()
    read: list[str] = []
    world.lines["a"].before = lambda: read.append("request")
    world.leaders["a"].step()
    read.clear()
    for _ in range(50):
        world.holds("a")
    assert len(read) == 2, "one to read, one to write"
    assert [name for _, name, _ in world.leases.writes].count(CLAIM) == 1


def test_a_release_that_is_gone_for_minutes_is_followed_and_stands_by_when_it_comes_back() -> None:
    world = Releases()
    world.run(20, "a", "b")
    world.run(PATIENCE_SECONDS - 30, "b")
    assert not world.holds("b"), "an upgrade takes less"
    world.run(100, "b")
    assert world.holds("b")
    world.restart("a")
    world.run(50, "a", "b")
    assert (world.holds("a"), world.holds("b")) == (False, True)


def test_of_a_taker_and_an_owner_that_comes_back_at_the_same_time_one_is_refused() -> None:
    world = Releases()
    world.run(20, "a", "b")
    world.restart("a")
    world.now += 2 * PATIENCE_SECONDS
    world.leaders["b"].step()
    world.now += TIMING.retry
    world.leaders["b"].step()
    world.holds("b")
    world.now += 2 * PATIENCE_SECONDS
    world.leaders["b"].step()
    answers = []

    def in_between() -> None:
        # The taker has read the claim and the owner's silent Lease; before it writes, the owner is back.
        answers.append("answer")
        if len(answers) == 2:
            world.leaders["a"].step()
            assert world.holds("a")

    world.lines["b"].after = in_between
    assert not world.holds("b")
    assert len(answers) == 2, "its writing is refused"


def test_a_release_whose_replicas_take_turns_keeps_its_namespaces() -> None:
    world = Releases()
    for _ in range(20):
        world.run(40, "a", "b")
        world.restart("a")
        world.run(30, "b")
    world.run(20, "a", "b")
    assert (world.holds("a"), world.holds("b")) == (True, False)


def test_without_leading_nothing_is_held() -> None:
    world = Releases()
    world.run(10, "a")
    world.now += TIMING.lease
    assert not world.holds("a")


def test_a_claim_that_somebody_deletes_is_made_again_and_its_new_owner_is_noticed() -> None:
    world = Releases()
    world.run(20, "a")
    world.leases.delete(TEAM, CLAIM)
    world.run(100, "a")
    assert world.leases.holder(TEAM, CLAIM) == "system/ft-a"
    world.leases.delete(TEAM, CLAIM)
    world.leaders["b"].step()
    assert world.holds("b")
    world.run(100, "a", "b")
    assert (world.holds("a"), world.holds("b")) == (False, True)


@pytest.mark.parametrize("written", ["", "nobody", "../../kube-system/leases", "a/b/c", "UPPER/case", "x" * 300])
def test_a_holder_that_is_no_release_counts_as_none_and_is_never_asked_for(written: str) -> None:
    world = Releases()
    world.run(20, "a")
    world.restart("a")
    world.leases.kept[TEAM, CLAIM]["spec"]["holderIdentity"] = written
    asked: list[tuple[str, str]] = []
    inner = world.leases.get_lease
    world.leases.get_lease = lambda space, name: asked.append((space, name)) or inner(space, name)  # type: ignore[method-assign,func-returns-value]
    world.leaders["b"].step()
    assert world.holds("b")
    assert set(asked) == {("other", "ft-b"), (TEAM, CLAIM)}


def test_a_holder_that_names_another_lease_learns_nothing_of_it() -> None:
    world = Releases()
    world.run(20, "a")
    world.restart("a")
    lease = new_lease("kube-system", "kube-scheduler", "node", seconds=10, now="2026-01-01T00:00:00.000000Z")
    del lease["metadata"]["labels"]
    world.leases.create_lease("kube-system", lease)
    taken = []
    for holder in ("kube-system/kube-scheduler", "kube-system/none"):
        world.leases.kept[TEAM, CLAIM]["spec"]["holderIdentity"] = holder
        since = world.now
        while not world.holds("b"):
            # It lives, as far as anybody could see.
            world.leases.replace_lease("kube-system", world.leases.kept["kube-system", "kube-scheduler"])
            world.run(10, "b")
        taken.append(world.now - since)
        world.restart("b")
    assert taken[0] == pytest.approx(taken[1], abs=60)
    assert min(taken) >= PATIENCE_SECONDS


def test_a_release_that_may_not_be_looked_at_is_taken_for_alive_and_the_remedy_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Releases()
    world.run(20, "a")
    world.lines["b"].forbidden = frozenset({"system"})
    world.run(2 * PATIENCE_SECONDS, "b")
    assert not world.holds("b")
    assert "if it is gone, delete its Lease finetune-claim" in caplog.text


happenings = st.lists(
    st.tuples(
        st.sampled_from(["step", "look", "cut", "mend", "restart", "interleave", "wait"]),
        st.sampled_from("ab"),
        st.floats(0, 200),
    ),
    max_size=80,
)


@given(happenings)
def test_two_releases_never_manage_a_namespace_at_once(drawn: list[tuple[str, str, float]]) -> None:
    world = Releases()
    for what, name, seconds in drawn:
        other = "b" if name == "a" else "a"
        for line in world.lines.values():
            line.after = lambda: None
        match what:
            case "cut" | "mend":
                world.lines[name].cut = what == "cut"
            case "restart":
                world.restart(name)
            case "wait":
                world.now += seconds
        world.leaders[name].step()
        if what == "interleave":
            # Between this one's reading and writing the other looks.
            world.lines[name].after = lambda other=other: _look(world, other)
        if what in {"look", "interleave"}:
            _look(world, name)
        world.now += seconds / 20
        acting = [each for each in RELEASES if world.leaders[each].term is not None and _remembers(world, each)]
        assert len(acting) <= 1


def _look(world: Releases, name: str) -> None:
    with suppress(ApiUnavailableError):
        world.holds(name)


def _remembers(world: Releases, name: str) -> bool:
    """Whether it would act, without asking anew."""
    known = world.claims[name]._known.get(TEAM)
    return known is not None and known.other is None and known.term == world.leaders[name].term
