"""What ends a search, what a trial's value is, what stops a trial early; without Ray's processes."""

from datetime import UTC, datetime, timedelta

import pytest

from finetune_core.evaluation import Evaluation
from finetune_core.search.trials import EndReason, TrialReport, TrialState
from finetune_core.spec.search import Asha, TrialScheduler
from finetune_trainer.search.claimant import Taken
from finetune_trainer.search.messages import OBJECTIVE, PROGRESS, Ended, Message, scheduler_result
from finetune_trainer.search.reports import best_report, mean_report
from finetune_trainer.search.schedulers import make_scheduler
from finetune_trainer.search.verdict import over
from support.search_boards import phase, result, search_plan

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


def test_that_a_trial_diverged_travels_through_tune():
    message = Message(None, Ended(error="the training loss is not finite at step 6", diverged=True))
    assert Message.from_tune(message.to_tune("accuracy", greater_is_better=True)) == message


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


def test_messages_come_back_as_they_were_sent():
    report = mean_report(search_plan().tasks["rte"].settings, [line(1, accuracy=0.5)])
    for message in (Message(report, None), Message(report, Ended(error="broken", inputs=True)), Message(None, Ended())):
        assert Message.from_tune(message.to_tune("accuracy", greater_is_better=True)) == message


class Trial:
    def __init__(self, trial_id):
        self.trial_id = trial_id


def judge(scheduler, name, progress, value):
    return scheduler.on_trial_result(None, Trial(name), {PROGRESS: progress, OBJECTIVE: value})


def test_asha_stops_a_trial_that_is_worse_than_those_of_other_drivers():
    made = phase(search_plan(trials=9))
    scheduler = make_scheduler(TrialScheduler.ASHA, Asha(), greater_is_better=True)
    elsewhere = [
        result(made, Taken(index, {"learningRate": 1e-4}), value=0.8, history=((0.25, 0.8), (1.0, 0.8)))
        for index in range(3)
    ]
    scheduler.show(elsewhere)
    scheduler.on_trial_add(None, Trial("bad"))
    scheduler.on_trial_add(None, Trial("good"))
    assert judge(scheduler, "bad", 25.0, 0.5) == "STOP"
    assert judge(scheduler, "good", 25.0, 0.9) == "CONTINUE"


def test_asha_stops_nothing_before_every_trial_had_its_share_of_steps():
    scheduler = make_scheduler(TrialScheduler.ASHA, Asha(grace_period=0.5), greater_is_better=True)
    for name, value in (("first", 0.9), ("second", 0.1)):
        scheduler.on_trial_add(None, Trial(name))
        assert judge(scheduler, name, 49.0, value) == "CONTINUE"


@pytest.mark.parametrize("more", [True, False])
def test_of_trials_that_are_equal_asha_stops_the_one_with_the_higher_loss(more):
    def evaluated(name, loss, value=0.53):
        report = TrialReport(step=25, progress=0.25, seconds=1.0, metrics={"score": value, "loss": loss})
        return scheduler.on_trial_result(None, Trial(name), scheduler_result(report, "score", greater_is_better=more))

    scheduler = make_scheduler(TrialScheduler.ASHA, Asha(), greater_is_better=more)
    for name in ("first", "worse", "broken", "better", "another"):
        scheduler.on_trial_add(None, Trial(name))
    assert evaluated("first", 0.69) == "CONTINUE"
    assert evaluated("worse", 0.70) == "STOP"
    assert evaluated("broken", None) == "STOP"
    assert evaluated("better", 0.60) == "CONTINUE"
    # One example more or less of a million is more than any loss.
    assert evaluated("another", 9.0, value=0.53 + (1e-6 if more else -1e-6)) == "CONTINUE"


def test_asha_lets_a_trial_at_its_last_step_end_in_order():
    scheduler = make_scheduler(TrialScheduler.ASHA, Asha(), greater_is_better=True)
    for name, value in (("first", 0.9), ("second", 0.1)):
        scheduler.on_trial_add(None, Trial(name))
        assert judge(scheduler, name, 100.0, value) == "CONTINUE"


def test_median_stopping_stops_what_is_below_the_median_and_never_pauses():
    scheduler = make_scheduler(TrialScheduler.MEDIAN_STOPPING, Asha(), greater_is_better=True)
    trials = [Trial(f"trial-{number}") for number in range(4)]
    decisions = []
    for trial, value in zip(trials, (0.8, 0.8, 0.8, 0.2), strict=True):
        scheduler.on_trial_add(None, trial)
        decisions.append(scheduler.on_trial_result(None, trial, {PROGRESS: 50.0, OBJECTIVE: value}))
    assert decisions == ["CONTINUE", "CONTINUE", "CONTINUE", "STOP"]


def test_a_value_that_is_not_finite_is_worse_than_any_other():
    for more in (True, False):
        worst = Message(None, None).to_tune("accuracy", greater_is_better=more)[OBJECTIVE]
        assert worst < -1e20 if more else worst > 1e20
