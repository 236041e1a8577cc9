"""What functions that give frames share: where results lie, errors in words of Python, tables as frames."""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO

import pandas as pd

from finetune.typed import typed
from finetune_client.errors import ClientError, UsageError
from finetune_client.reports import plan_of
from finetune_client.result_sets import Where
from finetune_client.stores import Results, is_place, results_at, results_of
from finetune_core.planning.plan import Plan
from finetune_core.tables.csv import csv_text
from finetune_kube.kinds import EXPERIMENT, Kind

_TEXT = (
    "task", "best_run_id", "runId", "trialId", "kind", "seeds", "runIds", "duplicateOf", "error", "cluster", "driver",
    "before", "after", "verdict", "reason", "test", "data", "before_run", "after_run",
)  # fmt: skip
"""Columns that are text even where every cell looks like a number: an id may be all digits."""


_OPTION = re.compile(r"--([a-z][a-z-]*)")
_COMMANDS = (
    (re.compile(r"finetune compare (\S+) (\S+?)\."), r'finetune.compare("\1", "\2").'),
    (re.compile(r"finetune results (\S+) shows its summary"), r'finetune.trials("\1") has its trials'),
    (re.compile(r"(`finetune [a-z-]+`) "), r"\1 in a shell "),
)
"""Remedies that name a command: the function that does it, or where the command is typed."""


def of_each(
    names: tuple[str, ...],
    kind: Kind,
    namespace: str | None,
    store: str | None,
    context: str | None,
    of: Callable[[Results], pd.DataFrame],
) -> pd.DataFrame:
    """The frames of several experiments or searches as one; UsageError without a name."""
    with in_python():
        if not names:
            raise UsageError("no name is given", 'Give one or more: finetune.runs("untuned", "tuned").')
        where = where_of(namespace, store, context)
        return joined(of(_place(name, kind, where)) for name in names)


def of_experiments(
    names: tuple[str, ...],
    task: str | None,
    namespace: str | None,
    store: str | None,
    context: str | None,
    columns: Iterable[str],
    rows: Callable[[Results, Plan], pd.DataFrame],
) -> pd.DataFrame:
    """The rows of experiments behind whose they are, `columns` first.

    UsageError without a name, or for a task that an experiment does not have.
    """

    def of(place: Results) -> pd.DataFrame:
        plan = plan_of(place)
        if task is not None and task not in plan.tasks:
            raise UsageError(f"{place.name} has no task {task}", f"It has {', '.join(plan.task_names)}.")
        frame = rows(place, plan).pipe(_ordered, columns)
        return whose(frame, place.namespace, "experiment", place.name, plan.model.uri)

    return of_each(names, EXPERIMENT, namespace, store, context, of)


def joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """One below the other; a column that only some have is missing in the others."""
    made = list(frames)
    # pandas is about to have frames without rows say something of the types.
    full = [frame for frame in made if not frame.empty] or made[:1]
    return typed(pd.concat(full, ignore_index=True))


@contextmanager
def in_python() -> Iterator[None]:
    """Errors name arguments of functions where they name options of commands."""
    try:
        yield
    except ClientError as error:
        error.message, error.remedy = _python_words(error.message), _python_words(error.remedy)
        error.args = (f"{error.message}\n{error.remedy}" if error.remedy else error.message,)
        raise


def _python_words(text: str) -> str:
    words = text.replace("(-n)", "(namespace=)").replace("-n NAMESPACE", "namespace=...")
    for command, call in _COMMANDS:
        words = command.sub(call, words)
    return _OPTION.sub(lambda match: f"{match[1].replace('-', '_')}=", words)


def where_of(namespace: str | None, store: str | None, context: str | None) -> Where:
    """Where to look; what is to be told is a warning."""
    return Where(store, context, namespace, tell=lambda text: warnings.warn(_python_words(text), stacklevel=4))


def _place(name: str, kind: Kind, where: Where) -> Results:
    if is_place(name):
        return results_at(name)
    return results_of(name, store=where.store, context=where.context, namespace=where.namespace, kinds=(kind,))


def whose(frame: pd.DataFrame, namespace: str, kind: str, name: str, model: str) -> pd.DataFrame:
    """The frame behind namespace, experiment or search, and model."""
    for column, (title, value) in enumerate((("namespace", namespace), (kind, name), ("model", model))):
        frame.insert(column, title, value)
    return frame


def table(csv: bytes) -> pd.DataFrame:
    """A table of ours as a frame."""
    # Only an empty cell is a missing one: a task may be called NA.
    frame = pd.read_csv(BytesIO(csv), dtype=dict.fromkeys(_TEXT, "str"), keep_default_na=False, na_values=[""])
    texts = frame.select_dtypes(exclude=["number", "bool"]).columns
    return frame.assign(**{name: frame[name].map(_text) for name in texts}).rename(columns=csv_text)


def _text(cell: object) -> object:
    return csv_text(cell) if isinstance(cell, str) else cell


def _ordered(frame: pd.DataFrame, first: Iterable[str]) -> pd.DataFrame:
    """These columns first, also where no row has them."""
    first = list(first)
    return frame.reindex(columns=[*first, *(name for name in frame.columns if name not in first)])
