import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.deciding.outcome import Outcome
from finetune_core.deciding.report_digest import report_digest
from finetune_core.tasks.registry import SUBMISSION_FILES
from support.results import outcome_of, plan_of, prediction_file, result_of

PLAN = plan_of({"cola": 3, "rte": 2})
OUTCOMES = [outcome_of(PLAN, "cola", 0, 0.5), outcome_of(PLAN, "cola", 1, 0.6), outcome_of(PLAN, "rte", 0, 0.7)]
FAILED = [PLAN.runs_of("cola")[2].run_id, PLAN.runs_of("rte")[1].run_id]
DIGEST = report_digest(PLAN, OUTCOMES, FAILED)


@given(st.permutations(OUTCOMES), st.permutations(FAILED))
def test_order_does_not_matter(outcomes: list[Outcome], failed: list[str]) -> None:
    assert report_digest(PLAN, outcomes, failed) == DIGEST


@pytest.mark.parametrize(
    "change",
    [
        {"value": 0.51},
        {"attempt": "another"},
        {"step": 76},
        {"metrics": {"matthews_correlation": 0.5, "loss": 0.4}},
        {"artefacts": "0123"},
    ],
)
def test_a_changed_result_changes_it(change: dict[str, object]) -> None:
    changed = dataclasses.replace(OUTCOMES[0], **change)
    assert report_digest(PLAN, [changed, *OUTCOMES[1:]], FAILED) != DIGEST


def test_completed_predictions_change_it() -> None:
    files = {"CoLA.tsv": prediction_file(SUBMISSION_FILES[0])}
    with_files = Outcome.of(result_of(PLAN, "cola", 0, 0.5, predictions=files))
    assert report_digest(PLAN, [with_files, *OUTCOMES[1:]], FAILED) != DIGEST


def test_another_result_or_failure_changes_it() -> None:
    assert report_digest(PLAN, OUTCOMES[1:], FAILED) != DIGEST
    assert report_digest(PLAN, OUTCOMES, FAILED[1:]) != DIGEST
    assert report_digest(PLAN, OUTCOMES, []) != DIGEST


def test_another_plan_changes_it() -> None:
    asked = plan_of({"cola": 3, "rte": 2}, leaderboard={})
    assert report_digest(asked, OUTCOMES, FAILED) != DIGEST


def test_a_non_finite_value_is_as_good_as_none() -> None:
    nan = dataclasses.replace(OUTCOMES[0], value=float("nan"), metrics={"loss": float("inf")})
    none = dataclasses.replace(OUTCOMES[0], value=None, metrics={"loss": None})
    assert report_digest(PLAN, [nan], []) == report_digest(PLAN, [none], [])


def test_what_is_not_of_the_plan_does_not_matter() -> None:
    foreign = outcome_of(plan_of({"cola": 5}), "cola", 4, 0.9)
    assert report_digest(PLAN, [*OUTCOMES, foreign], [*FAILED, "0" * 16]) == DIGEST


def test_a_run_with_a_result_has_not_failed() -> None:
    late = [*FAILED, OUTCOMES[0].run_id]
    assert report_digest(PLAN, OUTCOMES, late) == DIGEST
