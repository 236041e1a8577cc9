"""What ends a search, and what a trial's value is."""

from datetime import UTC, datetime, timedelta

import pytest

from finetune_core.results.evaluation import Evaluation
from finetune_core.results.search.trial import EndReason, TrialState
from finetune_trainer.search.reports import best_report, mean_report
from finetune_trainer.search.trial_queue import Taken
from finetune_trainer.search.verdict import over
from support.search_drivers import phase, result, search_plan

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def ended(made, values, state=TrialState.COMPLETED):
    return [
        result(made, Taken(index, {"learningRate": 1e-4 * (index + 1)}), value=value, state=state)
        for index, value in enumerate(values)
    ]


def line(step, **metrics):
    return Evaluation(
        step=step, epoch=step / 10, learning_rate=1e-4, train_loss=1.0, time="", seconds=2.0, metrics=metrics
    )


@pytest.mark.parametrize(
    ("fields", "goal", "values", "state", "minutes", "expected"),
    [
        pytest.param({}, None, [0.1, 0.2], "Completed", 0, None, id="trials are left"),
        pytest.param({}, None, [0.1] * 4, "Completed", 0, EndReason.ALL_TRIALS, id="none is left"),
        pytest.param({}, 0.9, [0.95], "Completed", 0, EndReason.GOAL_REACHED, id="goal"),
        pytest.param({}, 0.9, [0.85], "Completed", 0, None, id="goal not reached"),
        pytest.param({"max_failed_trials": 1}, None, [None] * 2, "Failed", 0, EndReason.TOO_MANY_FAILED, id="failures"),
        pytest.param({"max_failed_trials": 2}, None, [None] * 2, "Failed", 0, None, id="failures within bounds"),
        pytest.param({"time_budget_seconds": 60}, None, [0.1], "Completed", 2, EndReason.TIME_BUDGET, id="time"),
        pytest.param({"time_budget_seconds": 300}, None, [0.1], "Completed", 2, None, id="time is left"),
    ],
)
def test_what_ends_a_search(fields, goal, values, state, minutes, expected):
    plan = search_plan(trials=4, **fields)
    task = plan.tasks["rte"].model_copy(update={"goal": goal})
    plan = plan.model_copy(update={"tasks": {"rte": task}})
    results = ended(phase(plan), values, TrialState(state))
    assert over(plan, "rte", results, started=BEGAN, now=BEGAN + timedelta(minutes=minutes)) == expected


def test_trials_that_diverged_end_no_search():
    plan = search_plan(trials=4, max_failed_trials=1)
    failed = ended(phase(plan), [None] * 3, TrialState.FAILED)
    diverged = [one.model_copy(update={"diverged": True}) for one in failed]
    assert over(plan, "rte", diverged, started=BEGAN, now=BEGAN) is None
    assert over(plan, "rte", [*diverged[:1], *failed[1:]], started=BEGAN, now=BEGAN) == EndReason.TOO_MANY_FAILED


def test_tpe_keeps_away_from_where_trials_diverged_however_good_they_were_before():
    plan = search_plan(trials=60, algorithm="TPE", space={"learningRate": {"uniform": [0.1, 0.9]}})
    made = phase(plan)
    rates = [0.1 + 0.8 * place / 39 for place in range(40)]
    trials = []
    for index, rate in enumerate(rates):
        # Above 0.5 they come further and reach more, and then lose everything; below, the scheduler stops them early.
        diverged = rate > 0.5
        history, state = (((0.7, 0.9),), TrialState.FAILED) if diverged else (((0.5, 0.6),), TrialState.STOPPED)
        one = result(made, Taken(index, {"learningRate": rate}), value=0.6, state=state, history=history)
        trials.append(one.model_copy(update={"diverged": diverged}))
    proposed = [made.propose(index, trials, [], lambda _: False)["learningRate"] for index in range(40, 60)]
    assert sum(rate < 0.5 for rate in proposed) > len(proposed) * 3 / 4


def test_a_report_is_the_mean_of_the_seeds_and_nothing_where_one_is_not_finite():
    settings = search_plan().tasks["rte"].settings.model_copy(update={"max_steps": 40, "num_train_epochs": None})
    report = mean_report(settings, [line(10, accuracy=0.5, loss=1.0), line(10, accuracy=0.7, loss=float("nan"))])
    assert report.metrics == {"accuracy": pytest.approx(0.6), "loss": None}
    assert (report.step, report.progress, report.seconds) == (10, 0.25, 4.0)


def test_progress_is_worked_out_where_settings_count_epochs():
    settings = search_plan().tasks["rte"].settings.model_copy(update={"max_steps": None, "num_train_epochs": 4.0})
    assert mean_report(settings, [line(10, accuracy=0.5)]).progress == 0.25


@pytest.mark.parametrize(
    ("values", "more", "step"),
    [([0.1, 0.9, 0.9, 0.3], True, 2), ([0.1, 0.9, 0.05], False, 3), ([None, 0.2, None], True, 2)],
)
def test_the_best_report_is_the_first_best_finite_one(values, more, step):
    settings = search_plan().tasks["rte"].settings
    history = [mean_report(settings, [line(place, accuracy=value)]) for place, value in enumerate(values, start=1)]
    assert best_report(history, "accuracy", greater_is_better=more).step == step


def test_nothing_finite_is_no_best():
    history = [mean_report(search_plan().tasks["rte"].settings, [line(1, accuracy=float("nan"))])]
    assert best_report(history, "accuracy", greater_is_better=True) is None
