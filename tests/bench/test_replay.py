"""Searches over recorded curves: steps and values worked out by hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curves.policies.freeze_thaw import FreezeThaw, freeze_thaw, predicted_ends
from curves.policies.patient import Patience, patient
from curves.policies.pausing import Rungs, halving, promoting
from curves.policies.stopping import asha, full
from curves.policies.warm import Known, begun, expected, misleading
from curves.recorded import Curve, drop_torn_line, read_lines, write_lines
from curves.replay import Draw, Interval, Pool, replay
from curves.search import Search, loss, loss_until, value, value_then_loss
from finetune_core.api.search import Asha

CONFIG = {"learningRate": 1e-3, "trainBatchSize": 16, "numTrainEpochs": 2, "warmupRatio": 0.1, "weightDecay": 0.0}


def curve(index: int, values: list[float], losses: list[float] | None = None, **changed: Any) -> Curve:
    """Evaluations every ten steps, to the last one."""
    losses = losses or [round(1 - one, 3) for one in values]
    rows = tuple((10 * place, None, *row) for place, row in enumerate(zip(losses, values, strict=True), 1))
    given: dict[str, Any] = {"config": CONFIG, "seed": 0, "diverged": False, "total_steps": 10 * len(rows)}
    return Curve(setting="a", index=index, seconds=1.0, rows=rows, **given | changed)


FOUR = (
    curve(0, [0.5, 0.5, 0.6, 0.7]),
    curve(1, [0.5, 0.6, 0.7, 0.9]),
    curve(2, [0.6, 0.6, 0.6, 0.6]),
    curve(3, [0.7, 0.8, 0.8, 0.8]),
)
"""By the first evaluation 3 leads, then 2; the best at the end is 1, which all but one are ahead of or level with."""


def outcome(policy: Any, curves: tuple[Curve, ...] = FOUR) -> tuple[float, int]:
    """The value exported, and steps trained."""
    draw = Draw("a", curves)
    found = replay(policy, draw, Pool(curves))
    return found.value, round(found.steps * Search.of(curves).all_steps)


def test_the_full_search_trains_everything_and_exports_the_best() -> None:
    assert outcome(full) == (0.9, 160)


def test_halving_lets_the_best_half_go_on_from_where_they_were() -> None:
    # 4 x 10 steps to the rung, then 3 and 2 for 30 more each.
    assert outcome(halving(Rungs((0.25,), 2, value_then_loss))) == (0.8, 100)


def test_halving_at_a_later_rung_sees_the_late_bloomer() -> None:
    # 4 x 30 steps to the rung, then 3 and 1 for 10 more each.
    assert outcome(halving(Rungs((0.75,), 2, value_then_loss))) == (0.9, 140)


def test_halving_judges_a_rung_by_what_was_seen_there() -> None:
    search = Search(FOUR, [1, 4, 1, 1])  # 1 is further on, and best: it is not judged by that
    assert halving(Rungs((0.25,), 2, value_then_loss))(search) == 3


def test_a_patient_search_waits_until_half_of_the_trials_have_moved() -> None:
    losses = ([0.7, 0.7, 0.2, 0.1], [0.7, 0.7, 0.3, 0.2], [0.69, 0.69, 0.69, 0.69], [0.68, 0.68, 0.68, 0.68])
    late = tuple(curve(n, [1 - one for one in row], row) for n, row in enumerate(losses))
    policy = patient(Patience(first=0.25, further=4, factor=4, score=loss, moved=0.5))
    # At 1/4 and 1/2 nothing is told apart, and 3 would have been ahead; at 3/4 the first one is.
    assert outcome(policy, late) == (0.9, 4 * 30 + 10)


def test_a_patient_search_in_which_nothing_moves_is_the_full_one() -> None:
    flat = tuple(curve(n, [0.5] * 4, [0.7 - n / 1000] * 4) for n in range(4))
    assert outcome(patient(Patience(first=0.25, further=4, factor=4, score=loss, moved=0.5)), flat) == (0.5, 160)


def test_promoting_begins_no_trial_while_one_is_to_be_promoted() -> None:
    rungs = Rungs((0.25,), 2, value_then_loss)
    # 0 and 1 are there: 0 is promoted, level with 1 but earlier; with all four, 3 is the second one.
    assert promoting(rungs)(Search(FOUR, [1, 0, 0, 0])) == 1
    assert promoting(rungs)(Search(FOUR, [1, 1, 0, 0])) == 0
    assert promoting(rungs)(Search(FOUR, [4, 1, 1, 1])) == 3
    assert outcome(promoting(rungs)) == (0.8, 130)


def test_todays_asha_stops_what_lags_at_a_quarter_for_good() -> None:
    # Rungs at 1/4 and 1/2: 3 is alone and goes to its end; 0 and 1 are below the median of 3 (and 0) at 1/4; 2 is above
    # the median of these three there, and below 3 at 1/2.
    ordered = (FOUR[3], FOUR[0], FOUR[1], FOUR[2])
    assert outcome(asha(Asha(grace_period=0.25, reduction_factor=2)), ordered) == (0.8, 40 + 10 + 10 + 20)


def test_a_trial_that_goes_on_costs_only_what_it_had_not_done() -> None:
    search = Search.of(FOUR)
    for trial in (0, 1, 0):
        search.go_on(trial)
    assert (search.steps, search.progress(0), search.seen) == (30, 0.5, [2, 1, 0, 0])


def test_a_diverged_trial_never_leads_by_its_loss() -> None:
    gone = curve(0, [0.9], [0.1], diverged=True, total_steps=40)
    search = Search((gone, FOUR[0]), [1, 1])
    assert loss(search, 0) < loss(search, 1)
    assert search.ended(0)
    assert search.count_at(0, 0.5) == 1


def test_losses_decide_early_and_the_metric_later() -> None:
    early = Search((curve(0, [0.5] * 4, [0.6] * 4), curve(1, [0.6] * 4, [0.7] * 4)), [1, 1])
    late = Search(early.curves, [4, 4])
    score = loss_until(0.5)
    assert score(early, 0) > score(early, 1)
    assert score(late, 0) < score(late, 1)


def test_equal_values_are_told_apart_by_their_loss() -> None:
    search = Search((curve(0, [0.5] * 4, [0.7] * 4), curve(1, [0.5] * 4, [0.6] * 4)), [1, 1])
    assert value(search, 0) == value(search, 1)
    assert value_then_loss(search, 0) < value_then_loss(search, 1)


def test_a_policy_sees_nothing_of_what_was_not_trained() -> None:
    settings = FreezeThaw(first=0.25, budget=0.6, score=value)
    policies = [halving(Rungs((0.25,), 2, loss)), promoting(Rungs((0.25,), 2, loss)), freeze_thaw(settings)]
    changed = tuple(curve(one.index, [row[3] for row in one.rows[:2]] + [0.0, 1.0]) for one in FOUR)
    for policy in policies:
        assert policy(Search(FOUR, [2, 1, 1, 1])) == policy(Search(changed, [2, 1, 1, 1]))


def test_freeze_thaw_is_sure_of_an_end_that_it_has_seen() -> None:
    far = tuple(curve(n, [0.5] * 4, config=CONFIG | {"learningRate": 10.0 ** -(n + 2)}) for n in range(3))
    bloomed = (*far, curve(3, [0.5, 0.6, 0.8, 0.9], config=CONFIG | {"learningRate": 1e-5}))
    means, deviations = predicted_ends(Search(bloomed, [1, 1, 1, 4]), value)
    assert means.argmax() == 3
    assert deviations[3] < min(deviations[:3])


def test_freeze_thaw_keeps_to_its_budget_but_for_a_stride_and_ends_the_best_one() -> None:
    # 40 first steps; 80 are the budget, and the last stride is two evaluations.
    exported, steps = outcome(freeze_thaw(FreezeThaw(first=0.25, budget=0.5, score=value)))
    assert exported == 0.8
    assert 70 <= steps <= 80 + 20


def test_fresh_seeds_of_what_was_exported() -> None:
    again = curve(3, [0.1, 0.2, 0.4, 0.3], seed=1)
    pool = Pool((*FOUR, again))
    assert pool.fresh(FOUR[3]) == 0.4
    assert pool.fresh(FOUR[0]) is None
    assert pool.seeds("a") == [0]


def test_draws_are_the_same_for_every_policy() -> None:
    pool = Pool(FOUR)
    one, other = (list(pool.draws("a", 3, trials=2, seed=7)) for _ in range(2))
    assert one == other
    assert {len(draw.curves) for draw in one} == {2}


def test_settings_of_a_task_with_several_spaces_are_one_pool() -> None:
    pool = Pool((*FOUR, replace(FOUR[0], setting="a/longer")))
    assert pool.settings == ["a"]
    assert len(pool.curves("a")) == len(pool) == 5


def test_a_part_of_the_trials_is_begun() -> None:
    # 0 and 1 to the rung, then 0, which is level with 1 and earlier, to its end.
    assert outcome(halving(Rungs((0.25,), 2, value_then_loss), part=0.5)) == (0.7, 50)


def test_an_interval_by_hand() -> None:
    # Mean 2, deviation 1, four values: 1.96 / 2 either way.
    found = Interval.of([1.0, 2.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.high - found.mean == pytest.approx(1.96 * (2 / 3) ** 0.5 / 2)


def test_warm_trials_are_taken_by_hope_and_by_turn() -> None:
    rates = (1e-5, 1e-4, 1e-3, 1e-2)
    curves = tuple(curve(n, [0.5] * 4, config=CONFIG | {"learningRate": rate}) for n, rate in enumerate(rates))
    prior = [Known(one.config, hope) for one, hope in zip(curves, (0.1, 0.2, 0.9, 0.6), strict=True)]
    assert [one.index for one in begun(curves, prior, 4)] == [2, 0, 3, 1]
    assert [one.index for one in begun(curves, misleading(prior), 2)] == [0, 1]
    assert expected([curves[2].config], prior)[0] == pytest.approx(0.9, abs=0.2)


def test_the_file_of_curves_comes_back_as_it_was(tmp_path: Path) -> None:
    for name in ("one.jsonl.gz", "other.jsonl.gz"):
        write_lines(tmp_path / name, reversed(FOUR))
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "other.jsonl.gz").read_bytes()
    assert read_lines(tmp_path / "one.jsonl.gz") == list(FOUR)


def test_a_journal_that_a_kill_has_torn_lacks_only_its_last_line(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    assert read_lines(journal) == []
    whole = json.dumps(FOUR[0].to_json())
    journal.write_text(f"{whole}\n{whole[:50]}")
    assert read_lines(journal) == [FOUR[0]]
    drop_torn_line(journal)
    assert journal.read_text() == f"{whole}\n"
