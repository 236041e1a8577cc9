"""JSON Lines (https://jsonlines.org): one object a line."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from finetune_trainer.data.lines import text_lines
from finetune_trainer.data.rows import PART, Columns, require_columns
from finetune_trainer.errors import UserError


def read_json_lines(path: Path, wanted: Sequence[str]) -> Iterator[Columns]:
    """The wanted fields as JSON has them, in parts; one that an object lacks is null. UserError with the line."""
    records = _records(path, wanted)
    unseen = set(wanted)
    names: dict[str, None] = {}
    while part := list(islice(records, PART)):
        if unseen:
            names |= dict.fromkeys(name for _, record in part for name in record)
            unseen -= names.keys()
        yield Columns([line for line, _ in part], [[_plain(record.get(name)) for _, record in part] for name in wanted])
    if names and unseen:
        require_columns(path.name, wanted, list(names))


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, _Pairs) else value


class _Pairs(list[tuple[str, Any]]):
    """An object's names and values; unlike a dict it shows a name that is there twice."""


def _records(path: Path, wanted: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(text_lines(path, path.name), 1):
        if not text.strip():
            continue
        try:
            pairs = json.loads(text, object_pairs_hook=_Pairs)
        except (json.JSONDecodeError, RecursionError) as error:
            raise UserError(_unreadable(path, line, text, str(error))) from error
        if not isinstance(pairs, _Pairs):
            raise UserError(_unreadable(path, line, text, "it is no object"))
        record = dict(pairs)
        if len(record) != len(pairs):
            names = [name for name, _ in pairs]
            require_columns(f"{path.name}, line {line}", [name for name in wanted if name in record], names)
        yield line, record


def _unreadable(path: Path, line: int, text: str, why: str) -> str:
    if text.lstrip().startswith("[") and line == 1:
        return (
            f"{path.name} cannot be read: it is one JSON array and not one object a line: write it as JSON Lines, "
            f"with jq -c '.[]' {path.name}, or pandas' to_json(orient=\"records\", lines=True)"
        )
    return f"{path.name} cannot be read: line {line} is not one whole JSON object ({why}): write one object a line"
