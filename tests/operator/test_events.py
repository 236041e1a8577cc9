"""Which changes of a status are worth an event."""

from finetune_core.api.status import Condition, ConditionStatus, ConditionType, ExperimentStatus, Reason, RunFailure
from finetune_operator.status.notices import Notice, notices


def status(
    reason: Reason, outcome: ConditionStatus = ConditionStatus.UNKNOWN, *failures: RunFailure, message: str = "m"
) -> ExperimentStatus:
    return ExperimentStatus(
        conditions=(condition(ConditionType.SUCCEEDED, outcome, reason, message),), failures=failures
    )


def condition(type_: ConditionType, outcome: ConditionStatus, reason: Reason, message: str = "m") -> Condition:
    return Condition(
        type=type_,
        status=outcome,
        reason=reason,
        message=message,
        last_transition_time="2026-01-01T00:00:00Z",
        observed_generation=1,
    )


def failure(run_id: str) -> RunFailure:
    return RunFailure(task="rte", run=2, run_id=run_id, reason="UserError", message="bad labels")


def test_a_new_phase_is_told() -> None:
    found = notices(status(Reason.PENDING), status(Reason.RUNNING, message="0 of 3"))
    assert found == (Notice("Normal", "Running", "0 of 3"),)


def test_another_message_of_the_same_phase_is_not() -> None:
    assert notices(status(Reason.RUNNING, message="1 of 3"), status(Reason.RUNNING, message="2 of 3")) == ()


def test_what_needs_somebody_is_a_warning() -> None:
    for reason in (Reason.BLOCKED, Reason.STORAGE_UNAVAILABLE, Reason.SOME_RUNS_FAILED):
        (notice,) = notices(status(Reason.RUNNING), status(reason))
        assert notice.type == "Warning"


def test_each_newly_failed_run_is_told_once_with_its_reason() -> None:
    before = status(Reason.RUNNING, ConditionStatus.UNKNOWN, failure("a"))
    after = status(Reason.RUNNING, ConditionStatus.UNKNOWN, failure("a"), failure("b"))
    assert notices(before, after) == (Notice("Warning", "RunFailed", "rte run 2 (b): UserError: bad labels"),)


def test_an_invalid_spec_is_told_once_with_what_is_wrong() -> None:
    after = ExperimentStatus(
        conditions=(
            condition(ConditionType.VALID, ConditionStatus.FALSE, Reason.INVALID_SPEC, "spec.tasks: wrong"),
            condition(ConditionType.SUCCEEDED, ConditionStatus.FALSE, Reason.INVALID_SPEC),
            condition(ConditionType.LEADERBOARD_READY, ConditionStatus.UNKNOWN, Reason.INVALID_SPEC),
        )
    )
    assert notices(ExperimentStatus(), after) == (Notice("Warning", "InvalidSpec", "spec.tasks: wrong"),)


def test_a_leaderboard_zip_that_is_ready_or_refused_is_told() -> None:
    for outcome, reason, kind in (
        (ConditionStatus.TRUE, Reason.COMPLETE, "Normal"),
        (ConditionStatus.FALSE, Reason.TASKS_MISSING, "Warning"),
    ):
        after = ExperimentStatus(conditions=(condition(ConditionType.LEADERBOARD_READY, outcome, reason),))
        assert [(notice.type, notice.reason) for notice in notices(ExperimentStatus(), after)] == [(kind, reason)]


def test_what_a_spec_probably_does_not_mean_is_told_once_in_one_event() -> None:
    one, two, three = (ExperimentStatus(warnings=told) for told in (("a",), ("a", "b", "c"), ("c",)))
    assert notices(ExperimentStatus(), one) == (Notice("Warning", "SpecWarning", "a"),)
    assert notices(one, two) == (Notice("Warning", "SpecWarning", "b; c"),)
    assert notices(two, two) == ()
    assert notices(two, three) == ()
