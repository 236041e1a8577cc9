"""Which files of a data set on the hub hold which split, as `datasets.load_dataset` finds them. Pure.

The data set's card declares it, or the names of files and folders tell: `data/train-00000-of-00002.parquet`,
`train/*.csv`, `en_train.csv`; https://huggingface.co/docs/hub/datasets-file-names-and-splits. What would run code, or
read files otherwise than this project does, is refused: a manifest can name files in place of splits.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from posixpath import basename, splitext

from finetune_core.problems import InvalidInputError, Problem
from finetune_core.tasks.data_files import DataLayout, SplitFiles, custom_files
from finetune_core.tasks.hub_card import CardError, HubConfig, card_configs

MOST_BYTES = 16 << 30
"""Of the files of one task: a data set's name says nothing of its size, and some have terabytes."""
_MOST_FILES = 256

_TABLES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".parquet"})
_ARCHIVES = ("bz2", "lz4", "tar", "tgz", "xz", "zip", "zst")
_OTHER_TABLES = ("arrow", "conll", "conllu", "feather", "geoparquet", "gpq", "h5", "hdf5", "lance", "ndjson", "pkl")
_OTHER_DATA = frozenset(f".{kind}" for kind in (*_ARCHIVES, *_OTHER_TABLES, "txt", "vortex", "xlsx", "xml"))
_NO_DATA = frozenset({"config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"})

_DEFAULT = "default"
_BETWEEN = r"[-._ 0-9]"
_KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SHARD = re.compile(r"data/(?P<split>[^/]+)-\d{5}-of-\d{5}[^/]*\.[^/]*")
_CONVERTED = re.compile(r"(?P<config>[^/]+)/(?P<split>[^/]+)/\d{4}\.parquet")
"""On the hub's own branch refs/convert/parquet, which has no card."""

Splits = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class HubFile:
    """A file of a repository; `oid` is the SHA-256 of its content (64 hex digits), or its git blob id (40)."""

    path: str
    size: int
    oid: str


@dataclass(frozen=True)
class HubListing:
    """A data set's repository at a commit; `card` is the text of its README.md."""

    commit: str
    files: tuple[HubFile, ...]
    card: str = ""


def is_file_name(name: str) -> bool:
    """Whether data.train and its kin name a file; a split's name has no dot in it."""
    return "." in name


def find_hub_files(
    listing: HubListing, named: Mapping[str, str | None], config: str | None, *, uri: str, where: str
) -> tuple[SplitFiles, tuple[HubFile, ...]]:
    """The files of each split, and what is known of each of them.

    `named` maps a split to the file or to the data set's split that a manifest names for it. InvalidInputError (fields
    below `where`) names what there is where something is not, and what is too large.
    """
    names = {split: name for split, name in named.items() if name}
    files = {split: name for split, name in names.items() if is_file_name(name)}
    found = dict(custom_files(files, [file.path for file in listing.files], where=where).files)
    if len(files) < len(names):
        table = _table(listing, config, uri, where)
        asked = {split: name for split, name in names.items() if split not in files}
        problems = tuple(
            Problem(f"{where}.{split}", problem)
            for split, name in asked.items()
            if (problem := _split_problem(table.get(name), name, uri, table)) is not None
        )
        if problems:
            raise InvalidInputError(problems)
        found |= {split: table[name] for split, name in asked.items()}
    paths = {path for split in found.values() for path in split}
    held = tuple(file for file in listing.files if file.path in paths)
    _require_bounds(held, uri, where)
    return SplitFiles(layout=DataLayout.CUSTOM, files={split: found[split] for split in names}), held


def _split_problem(paths: Sequence[str] | None, name: str, uri: str, table: Splits) -> str | None:
    if paths is None:
        return f"{uri} has no split {name}: use one of {_some(table)}"
    if not paths:
        return f"split {name} of {uri} has no files, its card names some that are not there: name files in place of it"
    kinds = {_kind(path) for path in paths}
    if len(kinds) == 1 and kinds <= _TABLES:
        return None
    return (
        f"split {name} of {uri} lies in files of kinds that are not read, or of several: {_some(paths)}. Name a "
        ".csv, .tsv, .jsonl or .parquet file in place of the split, or put one into a bucket"
    )


def _table(listing: HubListing, config: str | None, uri: str, where: str) -> Splits:
    """The splits of the asked configuration, or of the default one."""
    _refuse_code(listing, uri, where)
    try:
        declared = card_configs(listing.card)
    except CardError as error:
        message = f"{uri} has no splits that can be told, {error}: name its files in place of splits"
        raise InvalidInputError((Problem(where, message),)) from error
    paths = sorted(file.path for file in listing.files if _is_data(file.path))
    if declared:
        return _declared(_chosen(declared, config, uri, where), paths, uri, where)
    converted = _converted(paths)
    tables = converted or {_DEFAULT: _by_names(paths, "")}
    if not tables[next(iter(tables))]:
        message = f"{uri} holds no data files: correct the name; there are {_some([one.path for one in listing.files])}"
        raise InvalidInputError((Problem(where, message),))
    return tables[_chosen([HubConfig(name) for name in tables], config, uri, where).name]


def _refuse_code(listing: HubListing, uri: str, where: str) -> None:
    script = basename(uri.partition("@")[0]) + ".py"
    if any(file.path == script for file in listing.files):
        message = (
            f"the splits of {uri} are made by its loading script {script}, and code of a data set is never run: name "
            f"its files in place of splits, or try the hub's own conversion, {uri.partition('@')[0]}"
            "@refs/convert/parquet"
        )
        raise InvalidInputError((Problem(where, message),))


def _chosen(declared: Sequence[HubConfig], asked: str | None, uri: str, where: str) -> HubConfig:
    """The configuration of a name; without a name the only one, or the one that is the default."""
    names = [config.name for config in declared]
    wanted = [
        config
        for config in declared
        if (config.name == asked if asked else len(names) == 1 or config.name == _DEFAULT or config.default)
    ]
    if len(wanted) == 1:
        return wanted[0]
    what = f"has no configuration {asked}" if asked else "has several configurations and no default one"
    raise InvalidInputError((Problem(f"{where}.config", f"{uri} {what}: use one of {_some(names)}"),))


def _declared(config: HubConfig, paths: Sequence[str], uri: str, where: str) -> Splits:
    if config.reading:
        message = (
            f"configuration {config.name} of {uri} is to be read with {', '.join(config.reading)}, which is not done "
            "here: name files in place of splits, if they can be read without; or write them as .parquet into a bucket"
        )
        raise InvalidInputError((Problem(where, message),))
    if config.splits is None:
        return _by_names(paths, f"{config.folder}/" if config.folder else "")
    return {split: _matching(patterns, paths) for split, patterns in config.splits.items()}


def _matching(patterns: Sequence[str], paths: Sequence[str]) -> tuple[str, ...]:
    found = (path for pattern in patterns for path in paths if _matches(path.split("/"), pattern.split("/")))
    return tuple(dict.fromkeys(found))


def _matches(path: list[str], pattern: list[str]) -> bool:
    """Whether a path fits a pattern, which has to name hidden files and folders as such."""
    return sum(map(_is_hidden, path)) == sum(map(_is_hidden, pattern)) and _fits(path, pattern)


def _fits(path: list[str], pattern: list[str]) -> bool:
    """`*`, `?` and `[...]` are of one part of a path, `**` is any number of parts."""
    if not path or not pattern:
        return not path and not pattern
    if pattern[0] != "**":
        return fnmatchcase(path[0], pattern[0]) and _fits(path[1:], pattern[1:])
    rest = pattern[1:]
    return not rest or any(_fits(path[start:], rest) for start in range(len(path)))


def _is_hidden(part: str) -> bool:
    return part.startswith((".", "__"))


def _converted(paths: Sequence[str]) -> dict[str, Splits]:
    """Configurations -> splits of the hub's own conversion to parquet; none for other repositories."""
    tables: dict[str, Splits] = {}
    for path in paths:
        match = _CONVERTED.fullmatch(path)
        if match is None:
            return {}
        table = tables.setdefault(match["config"], {})
        table[match["split"]] = (*table.get(match["split"], ()), path)
    return tables


def _by_names(paths: Sequence[str], folder: str) -> Splits:
    """By shards below data/, else by the names of folders, else by those of files; else all is for training."""
    visible = [
        path.removeprefix(folder)
        for path in paths
        if path.startswith(folder) and not any(map(_is_hidden, path.removeprefix(folder).split("/")))
    ]
    shards = [(match["split"], path) for path in visible if (match := _SHARD.fullmatch(path))]
    found: list[tuple[str, str]] = (
        shards
        or [(split, path) for split in _KEYWORDS for path in visible if any(_says(split, path.split("/")[:-1]))]
        or [(split, path) for split in _KEYWORDS for path in visible if any(_says(split, path.split("/")[-1:]))]
        or [("train", path) for path in visible]
    )
    return {
        split: tuple(f"{folder}{path}" for one, path in found if one == split)
        for split in dict.fromkeys(split for split, _ in found)
    }


def _says(split: str, parts: Sequence[str]) -> Iterator[bool]:
    words = "|".join(_KEYWORDS[split])
    named = re.compile(rf"(.*{_BETWEEN})?({words})({_BETWEEN}.*)?", re.DOTALL)
    return (named.fullmatch(part) is not None for part in parts)


def _kind(path: str) -> str:
    return splitext(path.lower().removesuffix(".gz"))[1]


def _is_data(path: str) -> bool:
    return _kind(path) in _TABLES | _OTHER_DATA and basename(path) not in _NO_DATA


def _require_bounds(files: Sequence[HubFile], uri: str, where: str) -> None:
    total = sum(file.size for file in files)
    if total > MOST_BYTES or len(files) > _MOST_FILES:
        message = (
            f"the task's splits of {uri} have {total / (1 << 30):.1f} GiB in {len(files)} files, and may have "
            f"{MOST_BYTES >> 30} GiB in {_MOST_FILES}: name fewer files in place of splits, or put a part into a bucket"
        )
        raise InvalidInputError((Problem(where, message),))


def _some(names: Sequence[str] | Mapping[str, object], limit: int = 20) -> str:
    shown = list(names)
    return ", ".join(shown[:limit]) + (f" and {len(shown) - limit} more" if len(shown) > limit else "")
