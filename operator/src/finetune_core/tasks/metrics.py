"""Metric names, their direction, and which a kind of task measures.

Names are those of Hugging Face `evaluate` and scikit-learn; the `eval_` prefix that `TrainingArguments` allows is
accepted and dropped. MNLI's mismatched dev set reports under the prefix `mm_` (`mm_accuracy`). What a task measures
unless told otherwise is named here one by one; beyond these it measures scorers of scikit-learn that it lists.
"""

from collections.abc import Iterable
from enum import StrEnum
from types import MappingProxyType


class ProblemType(StrEnum):
    """What a task's head predicts."""

    CLASSIFICATION = "Classification"
    MULTI_LABEL = "MultiLabelClassification"
    REGRESSION = "Regression"


LOWER_IS_BETTER = frozenset({"loss", "mm_loss", "mse", "mae", "rmse"})
HIGHER_IS_BETTER = frozenset(
    {
        "accuracy",
        "average_precision",
        "mm_accuracy",
        "f1",
        "f1_macro",
        "f1_micro",
        "matthews_correlation",
        "precision",
        "recall",
        "pearson",
        "spearmanr",
        "subset_accuracy",
    }
)

CLASSIFICATION_METRICS = ("accuracy", "f1", "f1_macro", "matthews_correlation", "precision", "recall")
MULTI_LABEL_METRICS = ("f1_micro", "f1_macro", "average_precision", "subset_accuracy")
"""`average_precision` is the mean over the labels: mAP. `subset_accuracy`: all labels of a text are right."""
SET_METRICS = ("f1_micro", "f1_macro", "subset_accuracy")
"""Those of them that labels give without their probabilities."""
REGRESSION_METRICS = ("pearson", "spearmanr", "mse", "mae", "rmse")
BINARY_ONLY_METRICS = frozenset({"f1", "precision", "recall"})

_AVERAGED = ("f1", "precision", "recall", "jaccard")
_BINARY_SCORERS = ("average_precision", "jaccard", "neg_brier_score", "roc_auc")
_CLASS_SCORERS = (
    "balanced_accuracy",
    *(f"{name}_{average}" for name in _AVERAGED for average in ("macro", "micro", "weighted")),
    "neg_log_loss",
    *(f"roc_auc_{form}" for form in ("ovo", "ovo_weighted", "ovr", "ovr_weighted")),
)
_LABEL_SCORERS = (
    *(f"{name}_{average}" for name in _AVERAGED for average in ("macro", "micro", "samples", "weighted")),
    "roc_auc",
)
_REGRESSION_SCORERS = (
    "d2_absolute_error_score",
    "explained_variance",
    "neg_max_error",
    "neg_mean_absolute_error",
    "neg_mean_absolute_percentage_error",
    "neg_mean_gamma_deviance",
    "neg_mean_poisson_deviance",
    "neg_mean_squared_error",
    "neg_mean_squared_log_error",
    "neg_median_absolute_error",
    "neg_root_mean_squared_error",
    "neg_root_mean_squared_log_error",
    "r2",
)
_SHARES = frozenset(
    {
        *HIGHER_IS_BETTER,
        *(name for name in (*_BINARY_SCORERS, *_CLASS_SCORERS, *_LABEL_SCORERS) if not name.startswith("neg_")),
    }
)

_CORRELATIONS = frozenset({"matthews_correlation", "pearson", "spearmanr"})
_UP_TO_ONE = frozenset({"d2_absolute_error_score", "explained_variance", "r2"})

METRICS = MappingProxyType(
    {
        ProblemType.CLASSIFICATION: CLASSIFICATION_METRICS,
        ProblemType.MULTI_LABEL: MULTI_LABEL_METRICS,
        ProblemType.REGRESSION: REGRESSION_METRICS,
    }
)
"""What a kind of task measures unless told otherwise."""

DEFAULT_METRICS = MappingProxyType(
    {
        ProblemType.CLASSIFICATION: ("accuracy",),
        ProblemType.MULTI_LABEL: ("f1_micro",),
        ProblemType.REGRESSION: ("pearson", "spearmanr"),
    }
)
"""What it reports unless told otherwise."""

LISTED = MappingProxyType(
    {
        ProblemType.CLASSIFICATION: (*_CLASS_SCORERS, *_BINARY_SCORERS),
        ProblemType.MULTI_LABEL: _LABEL_SCORERS,
        ProblemType.REGRESSION: _REGRESSION_SCORERS,
    }
)
"""What it measures where its `metrics` list it: scikit-learn's scorers by their names, of all of which more is better
(https://scikit-learn.org/stable/modules/model_evaluation.html#string-name-scorers)."""


def measurable(kind: ProblemType, labels: int) -> tuple[str, ...]:
    """What a task with so many labels may list."""
    only_binary = {*BINARY_ONLY_METRICS, *_BINARY_SCORERS} if kind == ProblemType.CLASSIFICATION and labels != 2 else ()
    return tuple(name for name in dict.fromkeys((*METRICS[kind], *LISTED[kind])) if name not in only_binary)


def always_measured(kind: ProblemType, labels: int) -> tuple[str, ...]:
    """What a task with so many labels measures, whatever it lists."""
    return tuple(name for name in METRICS[kind] if name in measurable(kind, labels))


def canonical_metric(name: str) -> str:
    """`eval_accuracy` -> `accuracy`: Hugging Face accepts both spellings."""
    return name.removeprefix("eval_")


def metric_spellings(names: Iterable[str]) -> tuple[str, ...]:
    """Both spellings of each metric: what a user may write for it."""
    return tuple(spelling for name in names for spelling in (name, f"eval_{name}"))


def is_share(name: str) -> bool:
    """Whether a metric lies within -1 and 1, so that people read it x100; False for losses and names not known here."""
    return canonical_metric(name) in _SHARES


def metric_range(name: str) -> tuple[float | None, float | None]:
    """The least and the greatest value of a metric, as measured; None where it has no end, or that is not known."""
    measured = canonical_metric(name)
    if measured in LOWER_IS_BETTER or measured == "train_loss":
        return 0.0, None
    if measured.startswith("neg_"):
        return None, 0.0
    if measured in _UP_TO_ONE:
        return None, 1.0
    return (-1.0 if measured in _CORRELATIONS else 0.0, 1.0) if is_share(measured) else (None, None)


def greater_is_better(name: str) -> bool:
    """Direction of a metric, by either spelling; of a function of a user's own see `TaskDefinition`."""
    return canonical_metric(name) not in LOWER_IS_BETTER
