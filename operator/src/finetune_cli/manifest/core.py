"""A spec against what neither schema nor CEL can see: finetune_core's own checks, said once."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from finetune_cli.manifest.crds import EXPERIMENT
from finetune_cli.manifest.findings import Path, Trouble
from finetune_core.planning.parse import check_spec, parse_spec, warnings
from finetune_core.planning.search.parse import check_search, parse_search, search_warnings
from finetune_core.problems import InvalidInputError, Problem

_PART = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")
_WORD = re.compile(r"[A-Za-z_]\w*")


def check_core(
    kind: str, spec: Mapping[str, Any], told: Iterable[Trouble], *, in_cluster: bool = True
) -> tuple[list[Trouble], list[Trouble]]:
    """Problems and warnings of a spec that fits its schema as far as `told` left it; what is told already is not.

    Where something was taken out of the spec and it can no longer be read, that alone is no news.
    """
    told = list(told)
    try:
        problems, hints = _experiment(spec, in_cluster) if kind == EXPERIMENT else _search(spec, in_cluster)
    except InvalidInputError as error:
        problems, hints = error.problems, ()
        if any(one.gone is not None for one in told):
            return [], []
    found = [Trouble(path_of(one.field, spec), one.message) for one in problems]
    fresh = [one for one in found if not any(_same(one, other) for other in told)]
    return list(dict.fromkeys(fresh)), [_hint(text, spec) for text in hints] if not told else []


def is_vaguer(one: Trouble, other: Trouble) -> bool:
    """Whether `one` says of a mapping what `other` says of its entry, with the same remedy."""
    remedy = one.message.partition(": ")[2]
    return bool(remedy) and other.path[:-1] == one.path and remedy in other.message


def _experiment(spec: Mapping[str, Any], in_cluster: bool) -> tuple[tuple[Problem, ...], tuple[str, ...]]:
    parsed = parse_spec(spec)
    problems = check_spec(parsed, in_cluster=in_cluster)
    return problems, () if problems else warnings(parsed)


def _search(spec: Mapping[str, Any], in_cluster: bool) -> tuple[tuple[Problem, ...], tuple[str, ...]]:
    parsed = parse_search(spec)
    return check_search(parsed, in_cluster=in_cluster), search_warnings(parsed)


def path_of(field: str, spec: Mapping[str, Any]) -> Path:
    """`spec.tasks[cola].runs` -> `("spec", "tasks", 0, "runs")`; what is not there keeps its name."""
    path: list[str | int] = []
    value: Any = {"spec": spec}
    for match in _PART.finditer(field):
        part: str | int = match[1] if match[1] is not None else _index(value, match[2])
        path.append(part)
        value = _child(value, part)
    # What a task takes over from the spec is written there.
    shared = ("spec", *path[3:])
    return shared if path[1:2] == ["tasks"] and value is None and _is_set(spec, shared[1:]) else tuple(path)


def _is_set(value: Any, path: Path) -> bool:
    for part in path:
        value = _child(value, part)
    return bool(path) and value is not None


def _index(entries: Any, name: str) -> str | int:
    if isinstance(entries, list):
        for index, entry in enumerate(entries):
            if isinstance(entry, Mapping) and entry.get("name") == name:
                return index
        if name.isdigit() and int(name) < len(entries):
            return int(name)
    return name


def _child(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(str(part))
    return value[part] if isinstance(value, list) and isinstance(part, int) else None


def _same(one: Trouble, other: Trouble) -> bool:
    """Whether the core says again what schema or CEL have said in other words, or only misses what was taken out."""
    if one.path == other.path or one.message.partition(":")[0] == other.message.partition(":")[0]:
        return True
    if other.gone is not None and other.gone[: len(one.path)] == one.path:
        return True
    leaf = next((part for part in reversed(one.path) if isinstance(part, str)), "")
    if leaf not in {*_WORD.findall(other.message), *other.path}:
        return False
    above = other.path[: len(one.path)] == one.path[: len(other.path)]
    # What is wrong in spec.training is wrong in each task that takes it over.
    return above or (other.path[:2] == ("spec", "training") and "training" in one.path)


def _hint(text: str, spec: Mapping[str, Any]) -> Trouble:
    """A warning: those that begin with a field or a task are told there."""
    subject, _, rest = text.partition(": ")
    tasks = spec.get("tasks")
    index = _index(tasks, subject) if rest and tasks else subject
    if isinstance(index, int):
        return Trouble(("spec", "tasks", index), rest)
    first = text.split(maxsplit=1)[0]
    return Trouble(path_of(first, spec) if first.startswith("spec.") else ("spec",), text)
