"""The lines of metrics.jsonl: what is written is read back, 0.1.0's too, and bookkeeping is never a metric."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.results.evaluation import Evaluation, read_lines, to_lines

FLAT = {
    "step": 20, "epoch": 1.5, "learningRate": 1e-5, "trainLoss": 0.5, "sparsity": 0.85, "nonZeroParameters": 7,
    "accuracy": 0.66, "loss": None, "time": "2026-01-01T00:00:00Z", "seconds": 3.25,
}  # fmt: skip
"""A line as version 0.1.0 wrote it."""

figures = st.none() | st.floats(-1e100, 1e100)
evaluations = st.builds(
    Evaluation,
    step=st.integers(0, 2**53 - 1),
    epoch=figures,
    learning_rate=figures,
    train_loss=figures,
    metrics=st.dictionaries(st.sampled_from(["accuracy", "f1", "step", "time", "schemaVersion", "metrics"]), figures),
    time=st.none() | st.just("2026-01-01T00:00:00Z"),
    seconds=st.none() | st.floats(0, 1e12),
)


def lines(*rows: object) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@given(st.lists(evaluations, max_size=3))
def test_what_is_written_is_read_back(written: list[Evaluation]) -> None:
    assert read_lines(to_lines(written)) == tuple(written)


def test_a_flat_line_is_told_apart_by_the_names_of_0_1_0() -> None:
    (evaluation,) = read_lines(lines(FLAT))
    assert evaluation.metrics == {"accuracy": 0.66, "loss": None}
    assert (evaluation.step, evaluation.epoch, evaluation.learning_rate) == (20, 1.5, 1e-5)
    assert (evaluation.train_loss, evaluation.sparsity, evaluation.non_zero_parameters) == (0.5, 0.85, 7)
    assert (evaluation.time, evaluation.seconds) == ("2026-01-01T00:00:00Z", 3.25)
    assert list(evaluation.row().items()) == list(FLAT.items())


def test_a_new_bookkeeping_field_is_no_metric() -> None:
    row = json.loads(to_lines([Evaluation(step=1, metrics={"accuracy": 0.5})]))
    (evaluation,) = read_lines(lines(row | {"gradientNorm": 3.0}))
    assert evaluation.metrics == {"accuracy": 0.5}
    assert "gradientNorm" not in evaluation.row()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 10**400])
def test_what_is_not_finite_is_null(value: float) -> None:
    content = to_lines([Evaluation(step=1, train_loss=value, metrics={"accuracy": value})])
    assert (b"NaN" in content, b"Infinity" in content) == (False, False)
    (evaluation,) = read_lines(content)
    assert (evaluation.train_loss, evaluation.metrics) == (None, {"accuracy": None})


@pytest.mark.parametrize(
    "content",
    [
        b'{"step": 1, "accur',
        b"\xff",
        b'{"accuracy": 0.5}\n',
        b'{"step": 1, "accuracy": "0.5"}\n',
        b'{"step": 1, "accuracy": true}\n',
        b'{"step": 1, "a b\\n": 0.5}\n',
        b'{"step": 1, "accuracy": NaN}\n',
        b'{"schemaVersion": 3, "step": 1, "metrics": {}}\n',
        b'{"step": 1, "metrics": {}}\n[]\n',
        b'{"step": 1, "metrics": {}}\n' * 100_001,
    ],
)
def test_what_is_no_evaluation_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's too, and the parser's
        read_lines(content)
