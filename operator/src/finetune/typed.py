"""Columns of frames as Python has them: snake_case, whole numbers without a point, times as times."""

import re

import pandas as pd

_WHOLE = frozenset({
    "run", "fold", "seed", "step", "steps", "n", "best_run", "planned", "succeeded", "failed", "index", "duplicate_of",
    "cluster", "pairs", "max_steps", "eval_steps", "warmup_steps", "max_seq_length", "train_batch_size",
    "eval_batch_size", "per_device_train_batch_size", "non_zero_parameters",
    "items", "before_seed", "after_seed", "both", "only_before", "only_after", "neither",
})  # fmt: skip
_WHOLE_ENDS = ("_best_step", "_n", "_failed", "_missing", "_not_finite", "_quarantined")
_TIMES = frozenset({"time", "started_at", "finished_at"})
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def snake(name: str) -> str:
    """`learningRate` -> `learning_rate`; what has no capitals stays."""
    return _CAMEL.sub("_", name).lower()


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with names and types of Python: whole numbers are pandas' Int64, which can be missing; times in UTC."""
    made = frame.rename(columns=snake)
    for name in made.columns:
        if name in _TIMES:
            made[name] = pd.to_datetime(made[name], utc=True, format="ISO8601", errors="coerce")
        elif name in _WHOLE or name.endswith(_WHOLE_ENDS):
            made[name] = made[name].astype("Float64").astype("Int64")
    return made
