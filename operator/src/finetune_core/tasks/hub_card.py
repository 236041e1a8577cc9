"""The configurations of a data set that the card of its repository (README.md) declares. Pure.

Their form: https://huggingface.co/docs/hub/datasets-manual-configuration; they are read as `datasets.load_dataset`
does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from posixpath import normpath
from typing import Any

from finetune_core.yaml_text import YamlTextError, read_yaml

CARD = "README.md"

_FENCE = "---"
_SECTION = "configs:"
_SAYS_NOTHING = frozenset({"config_name", "data_files", "data_dir", "default", "description", "version"})
"""What does not change how files are read."""
_MOST_PATTERNS = 200
_MOST_DEPTHS = 2
"""Of `**` in a pattern: with many of them, one path takes long to compare."""


class CardError(Exception):
    """The card cannot be used; the message says why."""


@dataclass(frozen=True)
class HubConfig:
    """A configuration: patterns of each split's files, or None where the names of the files below `folder` tell.

    `reading` are the parameters that it wants its files read with.
    """

    name: str
    splits: Mapping[str, tuple[str, ...]] | None = None
    folder: str = ""
    default: bool = False
    reading: tuple[str, ...] = ()


def card_configs(card: str) -> tuple[HubConfig, ...]:
    """What a card declares; nothing where it declares none. CardError."""
    try:
        declared = read_yaml(_section(card))
    except YamlTextError as error:
        raise CardError(f"the configs in its {CARD} cannot be read: {error}") from error
    if declared is None:
        return ()
    entries = declared["configs"] or ()
    if not isinstance(entries, list | tuple):
        raise CardError(f"the configs in its {CARD} are no list")
    return tuple(_config(entry) for entry in entries)


def _section(card: str) -> str:
    """The lines of `configs:` alone: what else a card holds may be long, and in no YAML that is read here."""
    lines = card.removeprefix("\ufeff").splitlines()
    if not lines or lines[0] != _FENCE or _FENCE not in lines[1:]:
        return ""
    return "\n".join(_of_section(lines[1 : lines.index(_FENCE, 1)]))


def _of_section(lines: list[str]) -> Iterator[str]:
    inside = False
    for line in lines:
        # A list may be as far to the left as its key.
        if line[:1] not in {"", " ", "-", "#"}:
            inside = line.startswith(_SECTION)
        if inside:
            yield line


def _config(entry: Any) -> HubConfig:
    if not isinstance(entry, dict) or "config_name" not in entry:
        raise CardError(f"a config in its {CARD} has no config_name")
    name = str(entry["config_name"])
    folder = entry.get("data_dir") or ""
    if not isinstance(folder, str):
        raise CardError(f"data_dir of config {name} in its {CARD} is no text")
    files = entry.get("data_files")
    splits = None if files is None else {split: _paths(name, folder, told) for split, told in _said(name, files)}
    if splits and sum(map(len, splits.values())) > _MOST_PATTERNS:
        raise CardError(f"config {name} in its {CARD} names more than {_MOST_PATTERNS} files")
    reading = tuple(sorted(entry.keys() - _SAYS_NOTHING))
    return HubConfig(name, splits, _joined(folder, ""), entry.get("default") is True, reading)


def _said(name: str, files: Any) -> Iterator[tuple[str, Any]]:
    """Each split with what is said of its files; files without a split are for training."""
    entries = files if isinstance(files, list) else [files]
    if not any(isinstance(entry, dict) for entry in entries):
        yield "train", entries
        return
    for entry in entries:
        if not isinstance(entry, dict) or entry.keys() != {"split", "path"}:
            raise CardError(f"data_files of config {name} in its {CARD} are not all of the form split, path")
        yield str(entry["split"]), entry["path"]


def _paths(name: str, folder: str, told: Any) -> tuple[str, ...]:
    paths = told if isinstance(told, list) else [told]
    for path in paths:
        if not isinstance(path, str) or "::" in path or "://" in path:
            raise CardError(f"config {name} in its {CARD} has files that are none of the repository's: {path}")
        if path.count("**") > _MOST_DEPTHS or any("**" in part and part != "**" for part in path.split("/")):
            raise CardError(f"config {name} in its {CARD} has a pattern that is not read: {path}")
    return tuple(_joined(folder, path) for path in paths)


def _joined(folder: str, path: str) -> str:
    joined = normpath(f"{folder}/{path}").lstrip("/")
    return "" if joined == "." else joined
