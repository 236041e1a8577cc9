"""The files of a model folder, before and while a library reads them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetune_core.stored import read_json
from finetune_trainer.errors import UserError


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
