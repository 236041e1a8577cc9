"""The fairness of the work queue, in virtual time."""

import heapq
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_operator.schedule import Schedule

Key = tuple[str, int]


def schedule(workers: int) -> Schedule[Key]:
    return Schedule(workers, group=lambda key: key[0])


def take_all(made: Schedule[Key], now: float = 0.0) -> list[Key]:
    """What is taken when nothing ends."""
    taken = []
    while (key := made.take(now)) is not None:
        taken.append(key)
    return taken


@pytest.mark.parametrize(
    ("workers", "groups", "held"),
    [
        (16, "a", {"a": 8}),
        (16, "ab", {"a": 6, "b": 5}),
        (8, "a", {"a": 4}),
        (8, "abcdefghi", dict.fromkeys("abcdefgh", 1)),
        (3, "a", {"a": 2}),
        (2, "a", {"a": 1}),
        (1, "ab", {"a": 1}),
    ],
)
def test_how_many_workers_groups_hold_that_never_end(workers: int, groups: str, held: dict[str, int]) -> None:
    made = schedule(workers)
    for name in groups:
        for number in range(20):
            made.add((name, number), 0.0)
    taken = [name for name, _ in take_all(made)]
    assert {name: taken.count(name) for name in taken} == held


def test_who_comes_later_finds_a_worker_also_beside_several_groups_that_never_end() -> None:
    made = schedule(16)
    for name in "abcd":
        for number in range(20):
            made.add((name, number), 0.0)
        take_all(made)
    made.add(("late", 0), 0.0)
    assert take_all(made) == [("late", 0)]


def test_groups_take_turns_and_within_one_the_longest_due_goes_first() -> None:
    made = schedule(1)
    for key, due in ((("a", 1), 1.0), (("a", 2), 0.0), (("a", 3), 2.0), (("b", 1), 3.0)):
        made.add(key, due)
    order = []
    while (key := made.take(5.0)) is not None:
        order.append(key)
        made.done(key)
    assert order == [("a", 2), ("b", 1), ("a", 1), ("a", 3)]


def test_the_next_time_is_that_of_a_key_that_can_be_taken_then() -> None:
    made = schedule(2)
    assert made.next_due() is None
    made.add(("a", 1), 0.0)
    made.add(("a", 2), 0.0)
    made.add(("b", 1), 9.0)
    assert made.take(1.0) == ("a", 1)
    assert made.next_due() == 9.0, "a holds its part: nothing of it can be taken before that ends"
    assert made.overdue(1.0) == 1.0
    made.done(("a", 1))
    assert made.next_due() == 0.0


def test_a_busy_key_that_is_added_waits_for_its_end_with_its_earliest_time() -> None:
    made = schedule(4)
    made.add(("a", 1), 0.0)
    assert made.take(0.0) == ("a", 1)
    made.add(("a", 1), 7.0)
    made.add(("a", 1), 5.0)
    assert made.take(100.0) is None
    made.done(("a", 1))
    assert (made.take(4.0), made.take(5.0), len(made)) == (None, ("a", 1), 1)


def test_after_a_pause_the_latest_news_comes_first_and_what_is_new_before_all_that_waited() -> None:
    made = schedule(1)
    for number in range(5):
        made.add(("a", number), float(number))
    made.add(("a", 9), 300.0)
    made.spread(100.0, 2.0)
    made.add(("a", 7), 101.0)
    order = []
    for now in (100.0, 101.0, 102.0, 104.0, 106.0, 108.0, 200.0, 300.0):
        while (key := made.take(now)) is not None:
            made.done(key)
            order.append((now, key[1]))
    assert order == [(100.0, 4), (101.0, 7), (102.0, 3), (104.0, 2), (106.0, 1), (108.0, 0), (300.0, 9)]


@dataclass
class Play:
    """A schedule in virtual time; `seconds` of work a key, `waited` from due to begun."""

    workers: int
    seconds: dict[Key, float]
    waited: dict[Key, float] = field(default_factory=dict)

    def run(self, arrivals: dict[Key, float]) -> None:
        made, ends, now = schedule(self.workers), [], 0.0
        for key, due in arrivals.items():
            made.add(key, due)
        while len(made):
            while (key := made.take(now)) is not None:
                self.waited[key] = now - arrivals[key]
                heapq.heappush(ends, (now + self.seconds[key], key))
                self._judge([busy for _, busy in ends])
            times = [made.next_due(), ends[0][0] if ends else None]
            now = max(now, min(time for time in times if time is not None))
            while ends and ends[0][0] <= now:
                made.done(heapq.heappop(ends)[1])

    def _judge(self, busy: list[Key]) -> None:
        assert len(busy) <= self.workers
        assert len(set(busy)) == len(busy)
        groups = [name for name, _ in busy]
        assert max(map(groups.count, groups)) <= max(1, (self.workers + 1) // 2)


keys = st.tuples(st.sampled_from("abcdef"), st.integers(0, 9))
times = st.floats(0, 100, allow_nan=False)


@given(st.integers(1, 16), st.dictionaries(keys, st.tuples(times, times), max_size=40))
def test_every_key_is_worked_on_and_no_group_ever_holds_more_than_its_part(
    workers: int, drawn: dict[Key, tuple[float, float]]
) -> None:
    play = Play(workers, {key: seconds for key, (_, seconds) in drawn.items()})
    play.run({key: due for key, (due, _) in drawn.items()})
    assert play.waited.keys() == drawn.keys()


@given(st.integers(2, 16), st.integers(1, 200), st.floats(0, 1000))
def test_a_lone_group_however_slow_lets_no_other_wait(workers: int, many: int, comes: float) -> None:
    slow = {("slow", number): 30.0 for number in range(many)}
    play = Play(workers, slow | {("other", 0): 1.0})
    play.run(dict.fromkeys(slow, 0.0) | {("other", 0): comes})
    assert play.waited["other", 0] == 0.0


@given(st.integers(1, 12), st.integers(1, 40), st.floats(0, 500))
def test_many_slow_groups_let_another_wait_for_about_one_turn(groups: int, many: int, comes: float) -> None:
    """16 workers, looks of 30 s: a turn of `groups` others takes groups / 16 of them, and nobody waits a minute."""
    slow = {(f"slow{group}", number): 30.0 for group in range(groups) for number in range(many)}
    play = Play(16, slow | {("other", 0): 1.0})
    play.run(dict.fromkeys(slow, 0.0) | {("other", 0): comes})
    assert play.waited["other", 0] <= 60.0
