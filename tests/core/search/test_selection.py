import math

import pytest

from finetune_core.results.search.best_trial import best_trial
from finetune_core.results.search.selection import best_hyperparameters, origin
from finetune_core.results.search.trial import TrialResult, TrialState
from support.search_trials import config, finalist, mixed_trials, search_plan, trial

PLAN = search_plan(("rte", "mrpc"), proxy_for={"rte": ["qnli", "wnli"]})
WITH_FINALISTS = search_plan(finalists={"trials": 2, "seeds": 3})


def test_every_task_gets_the_configuration_of_its_best_trial() -> None:
    trials = [*mixed_trials(PLAN, 8, "rte"), *mixed_trials(PLAN, 6, "mrpc")]
    export = best_hyperparameters(PLAN, trials, [], "digest")
    assert (export.namespace, export.search, export.report_digest) == ("team", "hunt", "digest")
    for task in ("rte", "mrpc"):
        best = best_trial(one for one in trials if one.task == task)
        assert best is not None
        chosen = export.tasks[task]
        assert (chosen.trial, chosen.trial_id, chosen.value) == (best.index, best.trial_id, best.value)
        assert chosen.hyperparameters == best.config
        assert (chosen.seeds, chosen.finalist, chosen.proxy) == (1, False, None)


def test_a_trial_that_was_stopped_early_can_be_the_best() -> None:
    trials = [trial(PLAN, 0, value=0.5), trial(PLAN, 1, value=0.9, state=TrialState.STOPPED)]
    assert best_hyperparameters(PLAN, trials, [], "d").tasks["rte"].trial == 1


def test_tasks_that_stand_in_for_others_hand_them_their_hyperparameters() -> None:
    tasks = best_hyperparameters(PLAN, mixed_trials(PLAN, 4), [], "d").tasks
    assert set(tasks) == {"rte", "qnli", "wnli"}
    assert {tasks[name].proxy for name in ("qnli", "wnli")} == {"rte"}
    assert tasks["qnli"].hyperparameters == tasks["wnli"].hyperparameters == tasks["rte"].hyperparameters


def test_a_task_that_is_searched_itself_is_never_stood_in_for() -> None:
    plan = search_plan(("rte", "mrpc"), proxy_for={"rte": ["mrpc"]})
    assert set(best_hyperparameters(plan, mixed_trials(plan, 4), [], "d").tasks) == {"rte"}


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_a_task_without_any_finite_value_has_no_best(value: float | None) -> None:
    trials = [trial(PLAN, 0, value=value), trial(PLAN, 1, state=TrialState.FAILED)]
    assert best_hyperparameters(PLAN, trials, [], "d").tasks == {}


def test_a_failed_trial_never_wins_whatever_value_it_reports() -> None:
    failed = trial(PLAN, 0, state=TrialState.FAILED).model_copy(update={"value": 0.99})
    assert best_hyperparameters(PLAN, [failed, trial(PLAN, 1, value=0.1)], [], "d").tasks["rte"].trial == 1


def test_ties_go_to_the_lower_index() -> None:
    trials = [trial(PLAN, index, value=0.5) for index in (2, 0, 1)]
    assert best_hyperparameters(PLAN, trials, [], "d").tasks["rte"].trial == 0


def test_with_finalists_the_best_mean_over_fresh_seeds_wins() -> None:
    lucky, steady = trial(WITH_FINALISTS, 3, value=0.9), trial(WITH_FINALISTS, 5, value=0.8)
    again = [finalist(WITH_FINALISTS, 0, lucky, 0.70), finalist(WITH_FINALISTS, 1, steady, 0.79)]
    best = best_hyperparameters(WITH_FINALISTS, [lucky, steady], again, "d").tasks["rte"]
    assert (best.trial, best.trial_id, best.hyperparameters) == (5, steady.trial_id, steady.config)
    assert (best.value, best.seeds, best.finalist) == (0.79, 3, True)


def test_finalists_that_all_failed_leave_the_choice_to_the_trials() -> None:
    one = trial(WITH_FINALISTS, 3, value=0.9)
    again = [finalist(WITH_FINALISTS, 0, one, 0.0, state=TrialState.FAILED)]
    best = best_hyperparameters(WITH_FINALISTS, [one], again, "d").tasks["rte"]
    assert (best.trial, best.value, best.finalist) == (3, 0.9, False)


def test_finalists_that_the_plan_does_not_ask_for_do_not_count() -> None:
    plan = search_plan()
    lucky, steady = trial(WITH_FINALISTS, 3, value=0.9), trial(WITH_FINALISTS, 5, value=0.8)
    again = [finalist(WITH_FINALISTS, 0, steady, 0.95)]
    assert best_hyperparameters(plan, [lucky, steady], again, "d").tasks["rte"].trial == 3


def test_less_is_better_where_the_trials_say_so() -> None:
    plan = search_plan(("price",))
    trials = [trial(plan, 0, value=0.5), trial(plan, 1, value=0.2), trial(plan, 2, value=0.9)]
    assert best_hyperparameters(plan, trials, [], "d").tasks["price"].trial == 1


def test_a_finalist_comes_from_the_first_trial_of_its_configuration() -> None:
    def numbered(index: int, **fields: object) -> TrialResult:
        return trial(WITH_FINALISTS, index, configuration=config(1), **fields)

    again = finalist(WITH_FINALISTS, 0, numbered(4), 0.5)
    failed = numbered(2, state=TrialState.FAILED)
    found = origin(again, [numbered(7), failed, numbered(4), trial(WITH_FINALISTS, 0)])
    assert found is not None
    assert found.index == 4
    assert origin(again, [trial(WITH_FINALISTS, 0)]) is None
