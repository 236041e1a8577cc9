"""The files of a model folder, before and while a library reads them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from finetune_core.stored import read_json
from finetune_trainer.errors import UserError

_POINTER = b"version https://git-lfs"
_WHOLE = ("I", "U", "BOOL")
"""How safetensors' names of types of whole numbers and truth values begin."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """UserError, which begins with `what`, for whatever a library raises on files of the user's."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        # tokenizers raise Exception itself, transformers what comes of odd values.
        raise UserError(f"{what}: {error or type(error).__name__}") from error


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json holds; UserError if it is no object."""
    with reading("the model cannot be loaded: config.json"):
        raw = read_json((folder / "config.json").read_bytes())
    if not isinstance(raw, dict):
        raise UserError(f"the model's config.json is {type(raw).__name__}, no object: replace it")
    return raw


def require_weights(folder: Path, raw: dict[str, Any]) -> None:
    """UserError if the weights are quantized, or the pointer that git leaves where git-lfs is not installed.

    Whole numbers would be loaded as the weights that they were made from, without the scales to turn them back.
    """
    if isinstance(quantized := raw.get("quantization_config"), dict):
        raise UserError(_quantized(f"config.json has a quantization_config ({quantized.get('quant_method')})"))
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")]):
        with path.open("rb") as file:
            if file.read(len(_POINTER)) == _POINTER:
                raise UserError(f"{path.name} is a git-lfs pointer, not the weights: run `git lfs pull` in the folder")
        whole = _whole_numbers(path) if path.suffix == ".safetensors" else None
        if whole:
            raise UserError(_quantized(f"{path.name} holds {whole} as whole numbers"))


def _whole_numbers(path: Path) -> str | None:
    """The first weight of whole numbers; buffers (position_ids, GPT-2's attn.bias) are named otherwise."""
    try:
        with safe_open(path, "pt") as file:
            weights = (name for name in file.keys() if name.endswith(".weight"))  # noqa: SIM118 - it is no mapping
            return next((name for name in weights if file.get_slice(name).get_dtype().startswith(_WHOLE)), None)
    except SafetensorError as error:
        raise UserError(f"the model cannot be loaded: {path.name} is damaged ({error}): copy it again") from error


def _quantized(found: str) -> str:
    return f"{found}: a quantized model cannot be trained: take the one that it was made from"
