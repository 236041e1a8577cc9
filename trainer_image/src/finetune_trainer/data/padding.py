"""How rows of a batch are made equally long: with which token, on which side, how far."""

import inspect
from dataclasses import dataclass
from typing import Any

import torch

from finetune_trainer.errors import UserError

_MULTIPLE = 8


@dataclass(frozen=True)
class Padding:
    """`token` and its `type`; on the left for models that read the last position; to at most `limit` tokens.

    `types`: whether the model takes token types at all.
    """

    token: int
    type: int = 0
    left: bool = False
    limit: int | None = None
    types: bool = True

    def width(self, longest: int) -> int:
        """Of a batch: its longest row, rounded up to a multiple of 8 where the model has so many positions."""
        rounded = -(-longest // _MULTIPLE) * _MULTIPLE
        return rounded if self.limit is None else max(longest, min(rounded, self.limit))

    def place(self, length: int, width: int) -> slice:
        """Where a row's tokens are in a batch."""
        return slice(width - length, width) if self.left else slice(0, length)


def settle_padding(model: Any, tokenizer: Any) -> Padding:
    """One pad token and one side for tokenizer, batches and model; the tokenizer is set to the side.

    UserError if the model counts positions from another pad token than the tokenizer's.
    """
    table = position_table(model)
    counted_from = getattr(table, "padding_idx", None)
    if counted_from is not None and counted_from != tokenizer.pad_token_id:
        raise UserError(
            f"the tokenizer's pad token is {tokenizer.pad_token_id} ({tokenizer.pad_token}), but the model counts its "
            f"positions from pad_token_id {counted_from}: set pad_token in tokenizer_config.json to "
            f"{tokenizer.convert_ids_to_tokens(counted_from)!r}, or pad_token_id in config.json"
        )
    summary = getattr(model, "sequence_summary", None)
    left = getattr(summary, "summary_type", None) == "last"
    tokenizer.padding_side = "left" if left else "right"
    return Padding(
        token=tokenizer.pad_token_id,
        type=tokenizer.pad_token_type_id,
        left=left,
        # A table with a row for pads gives them all that row: any number of them fits.
        limit=None if table is None or counted_from is not None else positions(model),
        types="token_type_ids" in inspect.signature(model.forward).parameters,
    )


def position_table(model: Any) -> torch.nn.Embedding | None:
    """The embeddings of absolute positions, of the encoder where there are two; None if the model has no such."""
    names = ("position_embeddings", "wpe", "embed_positions")
    found = (part for name, part in model.named_modules() if name.rpartition(".")[2] in names)
    return next((part for part in found if isinstance(part, torch.nn.Embedding)), None)


def positions(model: Any) -> int | None:
    """How many tokens a text can have; None if nothing bounds it.

    RoBERTa and its kin count from after the pad token's row, BART from an offset.
    """
    table = position_table(model)
    if table is None:
        return None
    first = getattr(table, "offset", 0) if table.padding_idx is None else table.padding_idx + 1
    return table.num_embeddings - first
