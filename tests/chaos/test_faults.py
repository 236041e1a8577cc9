"""The plan of faults: a seed decides it, every kind has its turn, outages have their lengths."""

from collections import Counter
from itertools import islice

import pytest

from chaos.damage import DAMAGES
from chaos.deck import Deck
from chaos.faults import LONGEST, OUTAGES, SHORTEST, Fault, Kind, Phase, faults, kinds_of, longest_outage
from chaos.inject import INJECTORS


def first(count: int, *, seed: int = 7, minutes: float = 30) -> list[Fault]:
    return list(islice(faults(seed, longest_outage(minutes)), count))


def test_the_same_seed_gives_the_same_faults_and_another_seed_others() -> None:
    assert first(100) == first(100)
    assert first(100) != first(100, seed=8)


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_has_had_its_turn_before_one_has_its_second(seed: int) -> None:
    kinds = [fault.kind for fault in first(3 * len(Kind), seed=seed)]

    for turn in range(3):
        deck = kinds[turn * len(Kind) : (turn + 1) * len(Kind)]
        assert Counter(deck) == Counter(dict.fromkeys(Kind, 1))


def test_every_kind_can_be_done() -> None:
    assert INJECTORS.keys() | DAMAGES.keys() == set(Kind)
    assert not INJECTORS.keys() & DAMAGES.keys()


@pytest.mark.parametrize(("minutes", "longest"), [(1, 10), (5, 25), (30, 150), (120, 600), (600, 600)])
def test_outages_take_ten_seconds_to_a_twelfth_of_the_campaign_600_at_most(minutes: float, longest: float) -> None:
    assert longest_outage(minutes) == longest
    taken = [fault.seconds for fault in first(2000, minutes=minutes) if fault.kind in OUTAGES]
    assert SHORTEST <= min(taken) <= 1.2 * SHORTEST
    assert 0.8 * longest <= max(taken) <= longest <= LONGEST


def test_outages_meet_every_phase() -> None:
    met = {(fault.kind, fault.phase) for fault in first(2000)}

    assert met >= {(kind, phase) for kind in OUTAGES - {Kind.DRIVER_FROZEN} for phase in Phase}


def test_results_are_damaged_when_there_may_be_some() -> None:
    met = {fault.phase for fault in first(2000) if fault.kind in {Kind.RESULT_TORN, Kind.TRIAL_DELETED}}

    assert met == {Phase.WORKING, Phase.REPORTING}


def test_damaged_trials_are_those_of_a_search() -> None:
    on_search = {fault.kind: fault.on_search for fault in first(2000)}

    assert on_search[Kind.CLAIM_TORN]
    assert on_search[Kind.TRIAL_DELETED]
    assert not on_search[Kind.RESULT_DELETED]


def test_kinds_are_chosen_by_name_and_unknown_ones_are_refused_with_those_that_there_are() -> None:
    assert kinds_of("") == tuple(Kind)
    assert kinds_of("store_killed, CLAIM_TORN") == (Kind.STORE_KILLED, Kind.CLAIM_TORN)
    assert {fault.kind for fault in islice(faults(7, 150, kinds_of("claim_torn")), 9)} == {Kind.CLAIM_TORN}
    with pytest.raises(ValueError, match=r"no node_lost; there are operator_killed, .*retry_token"):
        kinds_of("node_lost")


def test_a_fault_that_is_not_reached_comes_next_and_one_that_missed_once_a_round_aimed_anew() -> None:
    deck, plan = Deck(faults(7, 150)), first(6)

    assert {fault.number for fault in deck.hand(3)} == {0, 1, 2}
    deck.hit(plan[1])
    deck.missed(plan[0])
    deck.missed(plan[2])

    dealt = deck.hand(3)
    assert {fault.number for fault in dealt} == {0, 3, 4}
    (again,) = (fault for fault in dealt if fault.number == 0)
    assert (again.kind, again.phase) == (plan[0].kind, Phase.WORKING)
    deck.hit(again)
    assert {fault.number for fault in deck.hand(3)} == {2, 3, 4}


def test_faults_of_the_report_come_last_in_a_round() -> None:
    last = [fault.phase is Phase.REPORTING for fault in Deck(faults(7, 150)).hand(60)]

    assert any(last)
    assert last == sorted(last)
