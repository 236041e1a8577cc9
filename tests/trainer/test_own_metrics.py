"""Metrics that a task lists beyond its kind's: values by hand, and what is refused before training with which words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from finetune_core.tasks.metric_functions import MetricFunction
from finetune_core.tasks.metrics import ProblemType, measurable
from finetune_core.tasks.registry import TaskDefinition
from finetune_trainer.errors import UserError
from finetune_trainer.measure.metrics import measure
from finetune_trainer.measure.own_metrics import OwnMetrics
from finetune_trainer.measure.predicted import Predicted

RANDOM = np.random.default_rng(7)
ROWS = 80
THREE = RANDOM.normal(size=(ROWS, 3)).astype(np.float32)
TWO = RANDOM.normal(size=(ROWS, 2)).astype(np.float32)
ONE = RANDOM.random((ROWS, 1)).astype(np.float32) + 1
IDS = RANDOM.integers(0, 3, ROWS).astype(np.float32)
SIDES = RANDOM.integers(0, 2, ROWS).astype(np.float32)
SETS = (RANDOM.random((ROWS, 3)) < 0.4).astype(np.float32)
SCORES = RANDOM.random(ROWS).astype(np.float32) + 1


def task(kind: ProblemType, labels: int, *metrics: str, own: tuple[dict[str, Any], ...] = ()) -> TaskDefinition:
    functions = tuple(MetricFunction.model_validate(one) for one in own)
    return TaskDefinition(
        name="mine",
        problem_type=kind,
        text_columns=("text",),
        labels=tuple(f"label {number}" for number in range(labels)),
        metrics=metrics,
        measured=(*metrics, *(one.name for one in functions), "loss"),
        metric_functions=functions,
    )


def softmax(logits: np.ndarray) -> np.ndarray:
    wide = np.exp(logits.astype(float))
    return wide / wide.sum(axis=1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.astype(float)))


def test_two_labels() -> None:
    found = measure(task(ProblemType.CLASSIFICATION, 2, *measurable(ProblemType.CLASSIFICATION, 2)), TWO, SIDES)
    second, guess = softmax(TWO)[:, 1], TWO.argmax(axis=1)
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(SIDES, second))
    assert found["average_precision"] == pytest.approx(sk.average_precision_score(SIDES, second))
    assert found["neg_brier_score"] == pytest.approx(-np.mean((second - SIDES) ** 2))
    assert found["neg_log_loss"] == pytest.approx(-found["loss"])
    right = guess == SIDES
    assert found["balanced_accuracy"] == pytest.approx((right[SIDES == 0].mean() + right[SIDES == 1].mean()) / 2)


def test_three_labels() -> None:
    found = measure(task(ProblemType.CLASSIFICATION, 3, *measurable(ProblemType.CLASSIFICATION, 3)), THREE, IDS)
    guess = THREE.argmax(axis=1)
    assert found["f1_weighted"] == pytest.approx(sk.f1_score(IDS, guess, average="weighted"))
    assert found["jaccard_macro"] == pytest.approx(sk.jaccard_score(IDS, guess, average="macro"))
    assert found["roc_auc_ovr"] == pytest.approx(sk.roc_auc_score(IDS, softmax(THREE), multi_class="ovr"))
    assert found["roc_auc_ovo"] == pytest.approx(sk.roc_auc_score(IDS, softmax(THREE), multi_class="ovo"))


def test_several_labels() -> None:
    found = measure(task(ProblemType.MULTI_LABEL, 3, *measurable(ProblemType.MULTI_LABEL, 3)), THREE, SETS)
    guess = sigmoid(THREE) >= 0.5
    hits, given, true = (guess * SETS).sum(), guess.sum(), SETS.sum()
    assert found["f1_micro"] == pytest.approx(2 * hits / (given + true))
    assert found["f1_macro"] == pytest.approx(
        np.mean([sk.f1_score(SETS[:, label], guess[:, label]) for label in range(3)])
    )
    assert found["average_precision"] == pytest.approx(
        np.mean([sk.average_precision_score(SETS[:, label], sigmoid(THREE)[:, label]) for label in range(3)])
    )
    assert found["subset_accuracy"] == pytest.approx(np.mean((guess == SETS).all(axis=1)))
    assert found["f1_samples"] == pytest.approx(sk.f1_score(SETS, guess, average="samples", zero_division=0))
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(SETS, sigmoid(THREE), average="macro"))
    chance = sigmoid(THREE)
    assert found["loss"] == pytest.approx(-np.mean(SETS * np.log(chance) + (1 - SETS) * np.log(1 - chance)), rel=1e-6)


def test_a_label_that_no_row_has_counts_0_in_the_mean_average_precision() -> None:
    truth = SETS * [1, 1, 0]
    found = measure(task(ProblemType.MULTI_LABEL, 3, "average_precision"), THREE, truth)
    two = [sk.average_precision_score(truth[:, label], THREE[:, label]) for label in range(2)]
    assert found["average_precision"] == pytest.approx(sum(two) / 3)
    assert measure(task(ProblemType.MULTI_LABEL, 3, "average_precision"), THREE, 0 * SETS)["average_precision"] == 0


def test_scores() -> None:
    found = measure(task(ProblemType.REGRESSION, 0, *measurable(ProblemType.REGRESSION, 0)), ONE, SCORES)
    error = SCORES - ONE[:, 0]
    assert found["r2"] == pytest.approx(1 - (error**2).sum() / ((SCORES - SCORES.mean()) ** 2).sum(), rel=1e-5)
    assert found["neg_max_error"] == pytest.approx(-np.abs(error).max())
    assert found["neg_median_absolute_error"] == pytest.approx(-np.median(np.abs(error)))


KAPPA = {
    "name": "kappa",
    "function": "sklearn.metrics.cohen_kappa_score",
    "greaterIsBetter": True,
    "arguments": {"weights": "quadratic"},
}
TOP2 = {
    "name": "top2",
    "function": "sklearn.metrics.top_k_accuracy_score",
    "greaterIsBetter": True,
    "input": "Probabilities",
    "arguments": {"k": 2},
}


def test_functions_of_scikit_learn_with_their_arguments() -> None:
    made = task(ProblemType.CLASSIFICATION, 3, "accuracy", own=(KAPPA, TOP2))
    OwnMetrics(made).require(IDS)
    found = measure(made, THREE, IDS)
    # Quadratic kappa by its definition: 1 - sum(w * observed) / sum(w * expected).
    observed = sk.confusion_matrix(IDS, THREE.argmax(axis=1), labels=[0, 1, 2]) / ROWS
    weights = np.subtract.outer(np.arange(3), np.arange(3)) ** 2
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0))
    assert found["kappa"] == pytest.approx(1 - (weights * observed).sum() / (weights * expected).sum())
    best_two = np.argsort(-THREE, axis=1)[:, :2]
    assert found["top2"] == pytest.approx(np.mean((best_two == IDS[:, None].astype(int)).any(axis=1)))


MODULE = """
import numpy as np

def cost(truth, guess):
    assert truth.shape == guess.shape, (truth.shape, guess.shape)
    return 3 * np.sum((truth == 1) & (guess != 1)) + np.sum((truth != 1) & (guess == 1))

def second(truth, probabilities):
    return probabilities.mean() if probabilities.ndim == 1 else float(probabilities.shape[1])

def stops(truth, guess): raise SystemExit(0)
def divides(truth, guess): return 1 / 0
def none(truth, guess): return None
def array(truth, guess): return np.zeros(2)
def yes(truth, guess): return True
def nan(truth, guess): return np.nan
NUMBER = 3
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metrics_of_ours.py").write_text(MODULE)
    (tmp_path / "broken_of_ours.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(tmp_path)


def own(function: str, **fields: Any) -> dict[str, Any]:
    return {"name": "mine", "function": f"metrics_of_ours:{function}", "greaterIsBetter": True, **fields}


def test_a_function_of_the_image_gets_ids_and_returns_a_number() -> None:
    made = task(ProblemType.CLASSIFICATION, 3, "accuracy", own=(own("cost"),))
    guess = THREE.argmax(axis=1)
    expected = 3 * sum((IDS == 1) & (guess != 1)) + sum((IDS != 1) & (guess == 1))
    assert measure(made, THREE, IDS)["mine"] == expected


@pytest.mark.parametrize(
    ("kind", "labels", "logits", "truth", "expected"),
    [
        (ProblemType.CLASSIFICATION, 2, TWO, SIDES, softmax(TWO)[:, 1].mean()),
        (ProblemType.CLASSIFICATION, 3, THREE, IDS, 3.0),
        (ProblemType.MULTI_LABEL, 3, THREE, SETS, 3.0),
    ],
)
def test_probabilities_are_those_of_the_second_label_or_of_all(
    kind: ProblemType, labels: int, logits: np.ndarray, truth: np.ndarray, expected: float
) -> None:
    made = task(kind, labels, own=(own("second", input="Probabilities"),))
    assert measure(made, logits, truth)["mine"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("metrics_of_ours:not_there", "metrics_of_ours:not_there cannot be imported (AttributeError"),
        ("no_such_package.metrics:f", "cannot be imported (ModuleNotFoundError: No module named 'no_such_package')"),
        ("broken_of_ours:f", "cannot be imported (ModuleNotFoundError: No module named 'not_there_at_all')"),
        ("sklearn.metrics.not_there", "cannot be imported (AttributeError"),
        ("metrics_of_ours:NUMBER", "is no function: name one"),
        ("metrics_of_ours:stops", "fails with SystemExit"),
        ("metrics_of_ours:divides", "fails with ZeroDivisionError: division by zero"),
        ("metrics_of_ours:none", "returns NoneType and no number"),
        ("metrics_of_ours:array", "returns ndarray and no number"),
        ("metrics_of_ours:yes", "returns bool and no number"),
        ("metrics_of_ours:nan", "is nan for made-up predictions on the dev set, and no finite number"),
    ],
)
def test_what_is_no_metric_is_refused_before_training_by_its_field(function: str, said: str) -> None:
    made = task(ProblemType.CLASSIFICATION, 3, "accuracy", own=({**own(""), "function": function},))
    with pytest.raises(UserError) as caught:
        OwnMetrics(made).require(IDS)
    assert str(caught.value).startswith("metricFunctions[mine]")
    assert said in str(caught.value)


def test_a_scorer_that_the_dev_set_has_no_value_for_is_refused_before_training() -> None:
    with pytest.raises(UserError, match="metric roc_auc is nan for made-up predictions on the dev set"):
        OwnMetrics(task(ProblemType.CLASSIFICATION, 2, "roc_auc")).require(np.zeros(8, np.float32))


def test_a_scorer_that_fails_is_refused_with_what_it_says() -> None:
    with pytest.raises(UserError, match="metric neg_mean_squared_log_error fails with ValueError: Mean Squared Log"):
        OwnMetrics(task(ProblemType.REGRESSION, 0, "neg_mean_squared_log_error")).require(-SCORES)


def test_without_a_value_at_one_evaluation_a_run_goes_on() -> None:
    """As with a correlation with a constant: NaN never wins."""
    made = Predicted.of(task(ProblemType.CLASSIFICATION, 3, own=(own("nan"),)), THREE, IDS)
    definition = task(ProblemType.CLASSIFICATION, 3, own=(own("nan"),))
    assert np.isnan(OwnMetrics(definition).measure("mine", made))
