"""Metric names, their direction, and which a kind of task measures.

Names are those of Hugging Face `evaluate` and scikit-learn; the `eval_` prefix that `TrainingArguments` allows is
accepted and dropped. MNLI's mismatched dev set reports under the prefix `mm_` (`mm_accuracy`).
"""

from collections.abc import Iterable

LOWER_IS_BETTER = frozenset({"loss", "mm_loss", "mse", "mae", "rmse"})
HIGHER_IS_BETTER = frozenset(
    {
        "accuracy",
        "mm_accuracy",
        "f1",
        "f1_macro",
        "matthews_correlation",
        "precision",
        "recall",
        "pearson",
        "spearmanr",
    }
)

CLASSIFICATION_METRICS = ("accuracy", "f1", "f1_macro", "matthews_correlation", "precision", "recall")
REGRESSION_METRICS = ("pearson", "spearmanr", "mse", "mae", "rmse")
BINARY_ONLY_METRICS = frozenset({"f1", "precision", "recall"})


def classification_metrics(labels: int) -> tuple[str, ...]:
    """What a task with so many labels can measure."""
    return tuple(name for name in CLASSIFICATION_METRICS if labels == 2 or name not in BINARY_ONLY_METRICS)


def canonical_metric(name: str) -> str:
    """`eval_accuracy` -> `accuracy`: Hugging Face accepts both spellings."""
    return name.removeprefix("eval_")


def metric_spellings(names: Iterable[str]) -> tuple[str, ...]:
    """Both spellings of each metric: what a user may write for it."""
    return tuple(spelling for name in names for spelling in (name, f"eval_{name}"))


def is_share(name: str) -> bool:
    """Whether a metric lies within -1 and 1, so that people read it x100; False for losses and names not known here."""
    return canonical_metric(name) in HIGHER_IS_BETTER


def greater_is_better(name: str) -> bool:
    """Direction of a metric, by either spelling; of every metric that a task can measure it is known."""
    # A name that is in neither set can only come from the results of another version.
    return canonical_metric(name) not in LOWER_IS_BETTER
