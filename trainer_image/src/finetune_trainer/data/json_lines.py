"""JSON Lines (https://jsonlines.org): one object a line."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

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
        yield Columns([line for line, _ in part], [[record.get(name) for _, record in part] for name in wanted])
    if names and unseen:
        require_columns(path.name, wanted, list(names))


def _records(path: Path, wanted: Sequence[str]) -> Iterator[tuple[int, dict[str, object]]]:
    quoted = [json.dumps(name, ensure_ascii=False) for name in wanted]
    for line, text in enumerate(text_lines(path, path.name), 1):
        if text.isspace():
            continue
        try:
            record = json.loads(text)
            # A name can also be written with escapes.
            if "\\" in text or any(text.count(name) > 1 for name in quoted):
                _require_once(f"{path.name}, line {line}", text, wanted)
        except (ValueError, RecursionError) as error:
            # Not JSON, or with a number of thousands of digits.
            raise UserError(_unreadable(path, line, text, str(error))) from error
        if not isinstance(record, dict):
            raise UserError(_unreadable(path, line, text, "it is no object"))
        yield line, record


def _require_once(where: str, text: str, wanted: Sequence[str]) -> None:
    """UserError for an object that has a wanted name twice: Python would take the last, others the first."""
    pairs = json.loads(text, object_pairs_hook=list)
    names = [pair[0] for pair in pairs if isinstance(pair, tuple)]
    require_columns(where, [name for name in wanted if name in names], names)


def _unreadable(path: Path, line: int, text: str, why: str) -> str:
    if text.lstrip().startswith("[") and line == 1:
        return (
            f"{path.name} cannot be read: it is one JSON array and not one object a line: write it as JSON Lines, "
            f"with jq -c '.[]' {path.name}, or pandas' to_json(orient=\"records\", lines=True)"
        )
    return f"{path.name} cannot be read: line {line} is not one whole JSON object ({why}): write one object a line"
