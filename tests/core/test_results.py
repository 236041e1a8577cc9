import json
import math
from typing import Any

import pytest
from pydantic import ValidationError

from finetune_core.deciding.outcome import Outcome
from finetune_core.results.run import RunResult, finite
from support.results import plan_of, result_of

PLAN = plan_of({"mrpc": 1})
RESULT = result_of(PLAN, "mrpc", 0, 0.9)


def changed(**fields: Any) -> bytes:
    return json.dumps(json.loads(RESULT.to_json()) | fields).encode()


def test_result_survives_json() -> None:
    assert RunResult.model_validate_json(RESULT.to_json()) == RESULT


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_what_is_not_finite_is_written_as_null(value: float | None) -> None:
    result = result_of(PLAN, "mrpc", 0, value, metrics={"accuracy": value})
    assert result.value is None
    assert result.metrics["accuracy"] is None
    raw = json.loads(result.to_json())
    assert raw["value"] is None
    assert raw["metrics"]["accuracy"] is None


@pytest.mark.parametrize(
    "fields",
    [{"value": "high"}, {"metrics": None}, {"metrics": {"f1": "high"}}, {"metrics": [1]}, {"step": None}, {"run": "x"}],
)
def test_what_is_no_result_is_a_validation_error(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RunResult.model_validate_json(changed(**fields))


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert RunResult.model_validate_json(changed(colour="blue")) == RESULT


def test_outcome_is_the_part_of_a_result_that_reports_depend_on() -> None:
    outcome = Outcome.of(RESULT)
    assert (outcome.run_id, outcome.value, outcome.metrics) == (RESULT.run_id, 0.9, RESULT.metrics)
    assert outcome.artefacts == ""


def test_outcome_changes_with_the_predictions_and_not_with_their_order() -> None:
    one, two = {"A.tsv": b"a", "B.tsv": b"b"}, {"B.tsv": b"b", "A.tsv": b"a"}
    made = [Outcome.of(result_of(PLAN, "mrpc", 0, 0.9, predictions=files)) for files in (one, two, {"A.tsv": b"x"})]
    assert made[0] == made[1]
    assert made[0].artefacts != made[2].artefacts


@pytest.mark.parametrize(("value", "expected"), [(1, 1), (-0.5, -0.5), (0.0, 0.0), (math.nan, None), (None, None)])
def test_finite_keeps_numbers_and_nothing_else(value: float | None, expected: float | None) -> None:
    assert finite(value) == expected
