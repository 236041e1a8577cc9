"""Leader election in virtual time: who leads, who may write, and that there are never two."""

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from finetune_operator.config import Release
from finetune_operator.election import Timing
from finetune_operator.leadership import Alone, Leadership
from finetune_operator.problems import NotLeadingError
from support.leases import FakeLeases, Line

RELEASE = Release("system", "ft")
TIMING = Timing(10)
TAKE_OVER_SECONDS = 15.0


@dataclass
class Candidates:
    """Several candidates of one release, each with a clock that runs alike and began elsewhere."""

    names: str = "ab"
    now: float = 0.0
    leases: FakeLeases = field(default_factory=FakeLeases)

    def __post_init__(self) -> None:
        self.lines = {name: Line(self.leases) for name in self.names}
        self.all = {name: self.new(name) for name in self.names}
        self.due = dict.fromkeys(self.names, 0.0)
        self.dead: set[str] = set()

    def new(self, name: str) -> Leadership:
        offset = 1000.0 * ord(name)
        return Leadership(self.lines[name], RELEASE, name, TIMING, clock=lambda: self.now + offset)

    def step(self, name: str) -> None:
        self.due[name] = self.now + self.all[name].step()

    def run(self, seconds: float) -> None:
        """Let time pass; nobody is slow."""
        end = self.now + seconds
        while True:
            name = min((each for each in self.names if each not in self.dead), key=lambda each: self.due[each])
            if self.due[name] > end:
                break
            self.now = max(self.now, self.due[name])
            self.step(name)
            assert len(self.leaders()) <= 1
        self.now = end

    def leaders(self) -> list[str]:
        return [name for name in self.names if self.all[name].term is not None]


def test_the_first_one_leads_and_goes_on_leading() -> None:
    world = Candidates()
    world.step("a")
    world.run(100)
    assert world.leaders() == ["a"]
    assert world.all["a"].term == 1
    assert world.all["b"].readiness() == (True, "standing by: a holds the Lease system/ft")
    spec = world.leases.kept["system", "ft"]["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("a", 10, 0)


@pytest.mark.parametrize("after", [0.0, 0.7, 1.3, 1.9, 2.0])
def test_a_killed_leader_is_followed_in_less_than_15_s(after: float) -> None:
    world = Candidates()
    world.step("a")
    world.run(20 + after)
    world.dead.add("a")
    killed = world.now
    while world.leaders() != ["b"]:
        world.run(0.1)
    assert world.now - killed < TAKE_OVER_SECONDS - 2, "two seconds are left for what comes after"
    assert world.leases.kept["system", "ft"]["spec"]["leaseTransitions"] == 1


def test_one_that_stops_is_followed_at_the_next_look() -> None:
    world = Candidates()
    world.step("a")
    world.run(5)
    world.dead.add("a")
    world.all["a"].stop(release=True)
    assert world.leaders() == []
    world.run(TIMING.retry)
    assert world.leaders() == ["b"]


def test_one_that_stops_with_work_under_way_lets_its_lease_expire() -> None:
    world = Candidates()
    world.step("a")
    world.run(5)
    world.dead.add("a")
    world.all["a"].stop(release=False)
    world.run(TIMING.lease - TIMING.retry)
    assert world.leaders() == []
    world.run(2 * TIMING.retry)
    assert world.leaders() == ["b"]


def test_a_leader_that_is_cut_off_refuses_to_write_before_another_may_lead() -> None:
    world = Candidates()
    world.step("a")
    with world.all["a"].acting():
        world.lines["a"].cut = True
        world.run(TIMING.renew - 0.1)
        world.all["a"].check()
        world.run(0.2)
        assert world.leaders() == []
        with pytest.raises(NotLeadingError, match="a does not hold the Lease system/ft any more"):
            world.all["a"].check()
        world.run(TIMING.lease)
        assert world.leaders() == ["b"]


def test_what_began_in_one_term_writes_nothing_in_the_next() -> None:
    world = Candidates("a")
    world.step("a")
    with world.all["a"].acting():
        world.lines["a"].cut = True
        world.run(2 * TIMING.lease)
        world.lines["a"].cut = False
        world.run(TIMING.retry)
        assert world.all["a"].term == 2
        with pytest.raises(NotLeadingError):
            world.all["a"].check()
    world.all["a"].check()


def test_time_counts_from_before_the_request_so_a_slow_answer_gives_no_lead() -> None:
    world = Candidates("a")

    def answer_is_slow() -> None:
        world.now += TIMING.renew + 1

    world.lines["a"].after = answer_is_slow
    world.step("a")
    assert world.leases.holder("system", "ft") == "a"
    assert world.leaders() == []


def test_a_candidate_that_has_just_come_waits_a_whole_duration_whatever_the_times_in_the_lease_say() -> None:
    world = Candidates()
    world.step("a")
    world.dead.add("a")
    world.leases.kept["system", "ft"]["spec"]["renewTime"] = "2001-01-01T00:00:00.000000Z"
    world.now = 1e6
    world.step("b")
    assert world.leaders() == []
    world.run(TIMING.lease)
    assert world.leaders() == ["b"]


def test_a_process_that_comes_back_under_the_same_name_leads_at_once() -> None:
    """A container that is started again in its pod: the process before it is gone."""
    world = Candidates()
    world.step("a")
    world.all["a"] = world.new("a")
    world.step("a")
    assert world.leaders() == ["a"]


def test_readiness_says_what_keeps_one_from_its_part() -> None:
    world = Candidates("a")
    assert world.all["a"].readiness()[0] is False
    world.lines["a"].cut = True
    world.step("a")
    assert world.all["a"].readiness() == (False, "neither leading nor standing by: the line is cut")
    world.lines["a"].cut = False
    world.step("a")
    assert world.all["a"].readiness() == (True, "leading")


def test_a_candidate_whose_thread_has_died_is_known_as_dead() -> None:
    world = Candidates("a")
    world.step("a")
    assert world.all["a"].stuck() is None
    world.now += 400
    assert world.all["a"].stuck() == "the Lease has not been looked at for 400 s"


def test_without_a_release_there_is_one_term_for_ever() -> None:
    told: list[str] = []
    alone = Alone()
    alone.start(lambda: told.append("changed"))
    with alone.acting():
        alone.check()
    assert (told, alone.term, alone.stuck()) == (["changed"], 1, None)


happenings = st.lists(
    st.tuples(
        st.sampled_from(["step", "cut", "mend", "slow", "restart", "release", "meddle"]),
        st.sampled_from("abc"),
        st.floats(0, 12),
    ),
    max_size=60,
)


@given(happenings)
@example([("step", "a", 0.0), ("meddle", "b", 0.0), ("slow", "b", 8.0), ("meddle", "b", 0.0)])
def test_there_are_never_two_leaders_whatever_happens(drawn: list[tuple[str, str, float]]) -> None:
    """Candidates step at any time, answers are lost or slow, processes restart, clocks differ: at most one leads."""
    world = Candidates("abc")
    terms: dict[str, int] = {}
    for what, name, seconds in drawn:
        line = world.lines[name]
        line.after = lambda: None
        match what:
            case "cut" | "mend":
                line.cut = what == "cut"
            case "slow":
                line.after = lambda name=name, seconds=seconds: _while_waiting(world, name, seconds)
            case "restart":
                world.all[name] = world.new(name)
            case "release":
                world.all[name].stop(release=True)
                world.all[name] = world.new(name)
            case "meddle" if ("system", "ft") in world.leases.kept:
                world.leases.kept["system", "ft"]["spec"]["renewTime"] = "2001-01-01T00:00:00.000000Z"
        world.step(name)
        _pass(world, seconds / 4)
        terms[name] = max(terms.get(name, 0), world.all[name].term or 0)
        assert len(world.leaders()) <= 1


def _while_waiting(world: Candidates, name: str, seconds: float) -> None:
    """An answer takes its time; the others look meanwhile."""
    _pass(world, seconds)
    for other in set(world.names) - {name}:
        world.lines[other].after = lambda: None
        world.step(other)
        assert len(world.leaders()) <= 1


def _pass(world: Candidates, seconds: float) -> None:
    for _ in range(4):
        world.now += seconds / 4
        assert len(world.leaders()) <= 1


@given(st.floats(0, 60), st.floats(0, 3))
def test_after_any_outage_of_the_api_server_somebody_leads_again(outage: float, more: float) -> None:
    world = Candidates()
    world.step("a")
    for line in world.lines.values():
        line.cut = True
    world.run(outage)
    for line in world.lines.values():
        line.cut = False
    world.run(TIMING.lease + 2 * TIMING.retry + more)
    assert len(world.leaders()) == 1
