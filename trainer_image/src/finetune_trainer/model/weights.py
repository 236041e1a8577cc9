"""Whether a checkpoint gave a model every weight but its head's: what transformers' loading report says.

The head is what lies outside of the base model, and the base model's pooler, which checkpoints of masked language
models lack. See docs/decisions/0017-only-the-head-is-new.md.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from finetune_trainer.errors import UserError
from finetune_trainer.sparse.masks import MASK

Shape = tuple[int, ...]

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")
_POOLER = re.compile(r"(^|\.)\w*pool\w*\.")
_DROPPED = re.compile(rf"{_POOLER.pattern}|\.(masked_bias|attn\.bias|inv_freq|position_ids|{MASK})$")
"""What a base model can leave in a file: poolers, and buffers that older versions of transformers saved."""

_SAVED_FROM = {"module.": "torch's DataParallel: save model.module", "_orig_mod.": "torch.compile: save its _orig_mod"}
_EXAMPLES = 3


@dataclass(frozen=True)
class Loading:
    """Names of weights: `missing` in the file, `unexpected` by the model, of another shape as (file's, model's)."""

    missing: frozenset[str]
    unexpected: frozenset[str]
    mismatched: Mapping[str, tuple[Shape, Shape]]

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> "Loading":
        """From `output_loading_info` of transformers 5."""
        shapes = {name: (tuple(file), tuple(model)) for name, file, model in info["mismatched_keys"]}
        return cls(frozenset(info["missing_keys"]), frozenset(info["unexpected_keys"]), shapes)

    @property
    def new(self) -> frozenset[str]:
        """Weights that start at random."""
        return self.missing | frozenset(self.mismatched)


def require_loaded(model: Any, loading: Loading) -> tuple[str, ...]:
    """Warnings where more than the usual is new. UserError if more than the head is, or if the file holds more."""
    base = _Base(model)
    new = sorted(name for name in loading.new if base.holds(name))
    dropped = sorted(name for name in loading.unexpected if base.would_hold(name))
    if new or dropped:
        raise UserError(_problem(base, loading, new, dropped))
    _require_finite(model)
    return tuple(_warnings(base, loading))


class _Base:
    """The base model within a model with a head, by the names of its weights."""

    def __init__(self, model: Any) -> None:
        self.prefix = f"{model.base_model_prefix}."
        self.config = model.config
        self.names = [name for name in model.state_dict() if self.holds(name)]
        self._children = {name for name, _ in model.base_model.named_children()}

    def holds(self, name: str) -> bool:
        """Whether it is a weight of the base model, its pooler aside."""
        return name.startswith(self.prefix) and not _POOLER.search(name)

    def would_hold(self, name: str) -> bool:
        """Whether a weight that the model has no place for belongs into the base model."""
        inside = name.startswith(self.prefix) or name.partition(".")[0] in self._children
        return inside and not _DROPPED.search(name)


def _problem(base: _Base, loading: Loading, new: list[str], dropped: list[str]) -> str:
    missing = [name for name in new if name in loading.missing]
    shapes = {name: loading.mismatched[name] for name in new if name in loading.mismatched}
    parts = []
    if missing:
        parts.append(f"{len(missing)} of the {len(base.names)} weights below its head are missing ({_some(missing)})")
    if shapes:
        shown = [
            f"{name}: {list(file)} in the file, {list(ours)} by config.json" for name, (file, ours) in shapes.items()
        ]
        parts.append(f"{len(shapes)} have another shape ({_some(shown)})")
    if dropped:
        parts.append(f"the file has {len(dropped)} weights that the model has no place for ({_some(dropped)})")
    return (
        f"the checkpoint does not fit its config.json, and only the head may be new: {'; '.join(parts)}. "
        f"{_cause(base, loading, missing, shapes)}"
    )


def _cause(base: _Base, loading: Loading, missing: list[str], shapes: Mapping[str, tuple[Shape, Shape]]) -> str:
    """What is to be done, by what the names and shapes have in common."""
    said = f"config.json says model_type {base.config.model_type}"
    if (found := _other_prefix(base, loading.unexpected, missing)) is not None:
        for start, source in _SAVED_FROM.items():
            if found.startswith(start):
                return f"The file's names begin with {found}: it was saved from {source}, with save_pretrained"
        return f"The file's names begin with {found}, the model's with {base.prefix}; {said}: correct it, or the names"
    if layers := _layers(base, loading.unexpected, missing):
        return f"The file has {layers} layers: correct their number (num_hidden_layers) in config.json"
    if shapes and all(file[1:] == ours[1:] and "embed" in name for name, (file, ours) in shapes.items()):
        rows = next(iter(shapes.values()))[0][0]
        return (
            f"Correct vocab_size (or max_position_embeddings, type_vocab_size) in config.json: the file has {rows} rows"
        )
    if shapes:
        return "Correct hidden_size, intermediate_size and what else is a size in config.json"
    return f"{said}: correct it, or save the model again with save_pretrained"


def _other_prefix(base: _Base, unexpected: Iterable[str], missing: Iterable[str]) -> str | None:
    """What the file has before the names that the model misses; None if they are not there under another prefix."""
    tails = {name.removeprefix(base.prefix) for name in missing}
    starts: Counter[str] = Counter()
    for name in unexpected:
        parts = name.split(".")
        tail = next((".".join(parts[at:]) for at in range(1, len(parts)) if ".".join(parts[at:]) in tails), None)
        if tail is not None:
            starts[name.removesuffix(tail)] += 1
    return starts.most_common(1)[0][0] if starts else None


def _layers(base: _Base, unexpected: Iterable[str], missing: Iterable[str]) -> int | None:
    """How many layers the file has, where it differs from the model by whole layers only."""
    own = {_NUMBER.sub("*", name.removeprefix(base.prefix)) for name in base.names}
    more = [name.removeprefix(base.prefix) for name in unexpected]
    more = [name for name in more if _NUMBER.sub("*", name) in own]
    if more:
        return max(_first_number(name) for name in more) + 1
    first = min((_first_number(name) for name in missing), default=-1)
    whole = {name for name in base.names if _first_number(name) >= first}
    return first if first > 0 and whole == set(missing) else None


def _first_number(name: str) -> int:
    found = _NUMBER.search(name)
    return int(found.group()) if found else -1


def _require_finite(model: torch.nn.Module) -> None:
    broken = [name for name, weight in model.named_parameters() if not bool(torch.isfinite(weight).all())]
    if broken:
        raise UserError(
            f"the checkpoint holds NaN or infinity in {len(broken)} weights ({_some(broken)}): take another"
        )


def _warnings(base: _Base, loading: Loading) -> Iterable[str]:
    if pooler := sorted(name for name in loading.new if name.startswith(base.prefix)):
        yield f"the checkpoint has no pooler, so it is new, as the head is: {', '.join(pooler)}"
    if loading.mismatched:
        shown = [f"{name} {list(file)} for {list(ours)}" for name, (file, ours) in sorted(loading.mismatched.items())]
        yield f"the checkpoint's head has other sizes than the task's, so these are new: {', '.join(shown)}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_EXAMPLES]) + (" ..." if len(names) > _EXAMPLES else "")
