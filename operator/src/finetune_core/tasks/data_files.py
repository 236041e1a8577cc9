"""Which file of a data folder holds which split of a task, in the three layouts that are read.

Official TSV folders (`CoLA/train.tsv`), Hugging Face parquet folders (`cola/train-00000-of-00001.parquet`) and, for
custom tasks, the files that the spec names. Only names are looked at here; the trainer reads the files.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from posixpath import normpath

from finetune_core.frozen import Frozen
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.stored import RelativePath
from finetune_core.tasks.registry import AX_FOLDER, TaskDefinition

TRAIN = "train"
AX = "ax"

_SHARD = r"-\d+-of-(?P<count>\d+)\.parquet"


class DataLayout(StrEnum):
    """How a task's files are named and written."""

    TSV = "tsv"
    PARQUET = "parquet"
    CUSTOM = "custom"
    HUB = "hub"


class SplitFiles(Frozen):
    """The files of each split, as paths below the data folder; several where parquet is sharded."""

    layout: DataLayout
    files: dict[str, tuple[RelativePath, ...]]


def find_glue_files(definition: TaskDefinition, paths: Iterable[str], *, where: str) -> SplitFiles:
    """The files of a GLUE task below a data folder.

    `paths` are relative paths; a data folder may also be the task's own (`train.tsv` at its top). All of a task's
    files come from one folder. Raises InvalidInputError (field `where`) if a training or dev split is missing, or a
    shard of one; test sets may be missing.
    """
    available = sorted(paths)
    for layout, find, folder in (
        (DataLayout.TSV, _tsv_files, f"{definition.folder}/"),
        (DataLayout.TSV, _tsv_files, ""),
        (DataLayout.PARQUET, _parquet_files, f"{definition.name}/"),
        (DataLayout.PARQUET, _parquet_files, ""),
    ):
        files = find(definition, available, folder)
        if TRAIN in files:
            problems = tuple(Problem(where, message) for message in _incomplete(definition, files))
            if problems:
                raise InvalidInputError(problems)
            return SplitFiles(layout=layout, files=files)
    raise InvalidInputError((Problem(where, _nothing_found(definition, available)),))


def custom_files(files: Mapping[str, str | None], paths: Iterable[str], *, where: str) -> SplitFiles:
    """The files that a custom task names (split -> path or None; ./a is a); InvalidInputError if one is not there."""
    available = set(paths)
    named = {split: normpath(path) for split, path in files.items() if path}
    problems = tuple(
        Problem(
            f"{where}.{split}",
            f"{path} is not there: correct the name, or add the file; there are: {_some(sorted(available))}",
        )
        for split, path in named.items()
        if path not in available
    )
    if problems:
        raise InvalidInputError(problems)
    return SplitFiles(layout=DataLayout.CUSTOM, files={split: (path,) for split, path in named.items()})


def _tsv_files(definition: TaskDefinition, available: list[str], folder: str) -> dict[str, tuple[str, ...]]:
    names = {"train": "train", "validation": "dev", "test": "test"}
    names |= {f"validation_{kind}": f"dev_{kind}" for kind in ("matched", "mismatched")}
    names |= {f"test_{kind}": f"test_{kind}" for kind in ("matched", "mismatched")}
    splits = (TRAIN, *definition.evaluation_splits.values(), *definition.test_splits)
    # Hugging Face's name of a split will do where the official one is not there.
    wanted = {split: [f"{folder}{name}.tsv" for name in (names[split], split)] for split in splits}
    found: dict[str, tuple[str, ...]] = {
        split: (path,) for split, paths in wanted.items() if (path := _first(paths, available))
    }
    if definition.name == "mnli":
        diagnostic = _first((f"{AX_FOLDER}/{AX_FOLDER}.tsv", "AX/AX.tsv"), available)
        found |= {AX: (diagnostic,)} if diagnostic else {}
    return found


def _first(paths: Iterable[str], available: list[str]) -> str | None:
    return next((path for path in paths if path in available), None)


def _parquet_files(definition: TaskDefinition, available: list[str], folder: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for split in (TRAIN, *definition.evaluation_splits.values(), *definition.test_splits):
        shards = _shards(f"{folder}{split}", available)
        found |= {split: shards} if shards else {}
    if definition.name == "mnli":
        shards = _shards("ax/test", available)
        found |= {AX: shards} if shards else {}
    return found


def _shards(stem: str, available: list[str]) -> tuple[str, ...]:
    return tuple(path for path in available if re.fullmatch(rf"{re.escape(stem)}{_SHARD}", path))


def _incomplete(definition: TaskDefinition, files: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    missing = [split for split in definition.evaluation_splits.values() if split not in files]
    if missing:
        yield f"task {definition.name} has a training file but lacks {', '.join(missing)}: add it"
    for split, paths in files.items():
        shards = [match for path in paths if (match := re.search(_SHARD, path))]
        counts = {int(match["count"]) for match in shards}
        if shards and (len(counts) > 1 or len(shards) != max(counts)):
            there = ", ".join(paths)
            yield f"task {definition.name}: split {split} is not whole, there are only {there}: add the others"


def _nothing_found(definition: TaskDefinition, available: list[str]) -> str:
    return (
        f"no training file for task {definition.name}: expected {definition.folder}/train.tsv (official layout) or "
        f"{definition.name}/train-00000-of-00001.parquet (Hugging Face); there are: {_some(available)}. "
        "Correct the folder, or list in spec.tasks only the tasks that it holds"
    )


def _some(paths: list[str], limit: int = 8) -> str:
    if not paths:
        return "no files at all"
    return ", ".join(paths[:limit]) + (f" and {len(paths) - limit} more" if len(paths) > limit else "")
