"""Who runs which trial: claims, leases, duplicates; without Ray."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from finetune_core.results.search.trial import TrialResult, TrialState
from finetune_store import open_store
from finetune_trainer.search.trial_queue import Nothing, Taken
from support.search_drivers import FakeClock, FakeDriver, phase, search_plan


@pytest.fixture
def store(tmp_path):
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def clock():
    return FakeClock()


def test_each_driver_takes_other_trials_and_configurations_are_the_plans(store, clock):
    made = phase(search_plan(trials=4))
    one, two = (FakeDriver(name, store, made, clock) for name in ("one", "two"))
    taken = [driver.take() for driver in (one, two, one, two)]
    assert [each.index for each in taken] == [0, 1, 2, 3]
    assert [each.config for each in taken] == [made.propose(index, [], [], lambda _: False) for index in range(4)]


def test_of_drivers_at_the_same_moment_exactly_one_gets_a_trial(store, clock):
    made = phase(search_plan(trials=12))
    drivers = [FakeDriver(f"driver-{number}", store, made, clock) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda driver: [driver.take().index for _ in range(3)], drivers))
    assert sorted(index for indexes in taken for index in indexes) == list(range(12))


def test_nothing_is_taken_from_a_driver_that_lives(store, clock):
    made = phase(search_plan(trials=1))
    one, two = (FakeDriver(name, store, made, clock) for name in ("one", "two"))
    one.take()
    for _ in range(10):
        clock.seconds += 30
        one.beat()
        assert two.queue.next() == Nothing(finished=False)


def test_a_dead_drivers_trial_is_taken_over_with_its_configuration_after_the_lease(store, clock):
    made = phase(search_plan(trials=1))
    one, two = (FakeDriver(name, store, made, clock) for name in ("one", "two"))
    lost = one.take()
    assert two.queue.next() == Nothing(finished=False)
    assert two.ask_for(44) == Nothing(finished=False)
    assert two.ask_for(2) == lost
    assert two.trials.claims[0].number == 1


def test_after_an_outage_longer_than_the_lease_a_driver_has_time_to_show_that_it_lives(store, clock):
    made = phase(search_plan(trials=1))
    one, two = (FakeDriver(name, store, made, clock) for name in ("one", "two"))
    lost = one.take()
    assert two.ask_for(4) == Nothing(finished=False)
    clock.seconds += 600  # in which the store answered neither of them
    assert two.ask_for(5) == Nothing(finished=False)
    one.beat()
    assert two.ask_for(44) == Nothing(finished=False)
    assert two.ask_for(2) == lost, "dead all the same, where it shows nothing for a lease"


def test_a_driver_that_ended_in_order_leaves_its_trial_at_once(store, clock):
    made = phase(search_plan(trials=1))
    one, two = (FakeDriver(name, store, made, clock) for name in ("one", "two"))
    lost = one.take()
    one.beat(ended=True)
    assert two.take() == lost


def test_a_driver_that_never_showed_a_heartbeat_is_dead_after_a_lease_of_looking(store, clock):
    made = phase(search_plan(trials=1))
    one, two = (FakeDriver(name, store, made, clock) for name in ("one", "two"))
    lost = one.take()
    store.delete(made.layout.driver("one"))
    assert two.ask_for(45) == Nothing(finished=False)
    assert two.ask_for(1) == lost


def test_the_first_result_of_a_trial_stays(store, clock):
    made = phase(search_plan(trials=1))
    one, two = (FakeDriver(name, store, made, clock) for name in ("one", "two"))
    lost = one.take()
    taken = two.ask_for(47)
    assert isinstance(taken, Taken)
    two.finish(taken, 0.7)
    late = one.finish(lost, 0.9)
    assert (late.driver, late.value) == ("two", 0.7)


def test_all_trials_with_a_result_are_the_end(store, clock):
    made = phase(search_plan(trials=2))
    one, two = (FakeDriver(name, store, made, clock) for name in ("one", "two"))
    one.finish(one.take())
    last = two.take()
    assert one.queue.next() == Nothing(finished=False)
    two.finish(last)
    clock.seconds += 2
    assert one.queue.next() == Nothing(finished=True)


def test_when_the_search_is_over_living_drivers_are_waited_for_and_dead_ones_are_not(store, clock):
    made = phase(search_plan(trials=4))
    one, two = (FakeDriver(name, store, made, clock) for name in ("one", "two"))
    two.take()
    one.over = True
    assert one.queue.next() == Nothing(finished=False)
    assert one.ask_for(46) == Nothing(finished=True)


def test_a_configuration_that_has_a_result_is_recorded_as_its_repetition_and_not_run(store, clock):
    made = phase(search_plan(trials=4, space={"trainBatchSize": {"choice": [16]}}))
    driver = FakeDriver("one", store, made, clock)
    first = driver.finish(driver.take(), 0.6)
    assert driver.queue.next() == Nothing(finished=True)
    repeated = [driver.trials.results[index] for index in (1, 2, 3)]
    assert {one.duplicate_of for one in repeated} == {0}
    assert {one.value for one in repeated} == {first.value}
    assert {one.trial_id for one in repeated} == {first.trial_id}


def test_a_configuration_that_is_being_run_waits_for_that_result(store, clock):
    made = phase(search_plan(trials=2, space={"trainBatchSize": {"choice": [16]}}))
    one, two = (FakeDriver(name, store, made, clock) for name in ("one", "two"))
    running = one.take()
    assert two.queue.next() == Nothing(finished=False)
    one.finish(running, 0.6, state=TrialState.STOPPED)
    clock.seconds += 2
    assert two.queue.next() == Nothing(finished=True)
    assert (two.trials.results[1].duplicate_of, two.trials.results[1].state) == (0, TrialState.STOPPED)


def test_tpe_learns_from_every_drivers_trials_and_fixes_its_proposal_by_the_claim(store, clock):
    made = phase(search_plan(trials=40, algorithm="TPE"))
    teacher, student, other = (FakeDriver(name, store, made, clock) for name in ("teacher", "student", "other"))
    for _ in range(30):
        taken = teacher.take()
        teacher.finish(taken, math.log10(taken.config["learningRate"]))
    proposed = [student.take() for _ in range(8)]
    assert sum(one.config["learningRate"] > 1e-3 for one in proposed) >= 6, "it looks where others found the best"
    student.beat(ended=True)
    assert other.take() == proposed[0]


def test_tpe_does_not_propose_what_was_tried_while_there_is_something_else(store, clock):
    made = phase(search_plan(trials=6, algorithm="TPE", space={"trainBatchSize": {"choice": [4, 8, 16, 32, 64, 128]}}))
    driver = FakeDriver("one", store, made, clock)
    taken = [driver.take() for _ in range(3)]
    for one in taken:
        driver.finish(one)
    taken += [driver.take() for _ in range(2)]
    sizes = [one.config["trainBatchSize"] for one in taken]
    assert len(set(sizes)) == 5


def test_tpe_takes_failed_stopped_and_foreign_trials(store, clock):
    made = phase(search_plan(trials=20, algorithm="TPE"))
    driver = FakeDriver("one", store, made, clock)
    driver.finish(driver.take(), None, state=TrialState.FAILED)
    driver.finish(driver.take(), 0.4, state=TrialState.STOPPED, history=((0.1, 0.4),))
    driver.trials.record(
        driver.finish(driver.take(), 0.9).model_copy(
            update={"index": 3, "config": {"weightDecay": 0.1}, "trial_id": "x"}
        )
    )
    for _ in range(10):
        assert isinstance(driver.queue.next(), Taken)


@pytest.mark.parametrize("content", [b"", b"{", b"{}"])
def test_a_damaged_result_counts_as_none_and_its_trial_is_done_again(store, clock, content):
    made = phase(search_plan(trials=2))
    one, two = (FakeDriver(name, store, made, clock) for name in ("one", "two"))
    first, _ = one.finish(one.take()), one.finish(one.take())
    key = made.trial(0).result
    store.put(key, content)
    one.beat(ended=True)
    taken = two.take()
    assert (taken.index, taken.config) == (0, first.config)
    assert store.get(made.trial(0).unreadable("two")) == content
    two.finish(taken)
    assert TrialResult.model_validate_json(store.get(key)).driver == "two"


def test_a_result_of_another_trial_counts_as_none(store, clock):
    made = phase(search_plan(trials=2))
    one = FakeDriver("one", store, made, clock)
    one.finish(one.take())
    store.put(made.trial(1).result, store.get(made.trial(0).result))
    assert one.take().index == 1


def test_a_damaged_claim_is_nobodys_and_the_next_one_has_another_number(store, clock):
    made = phase(search_plan(trials=1))
    one, two = (FakeDriver(name, store, made, clock) for name in ("one", "two"))
    lost = one.take()
    store.put(made.trial(0).claim(0), b"{")
    assert two.take() == lost
    assert two.trials.claims[0].number == 1
