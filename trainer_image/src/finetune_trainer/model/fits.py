"""Whether model, tokenizer, data and settings fit each other: found out before anything is trained."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from finetune_core.planning.settings import Settings
from finetune_trainer.data.padding import Padding, positions
from finetune_trainer.data.tokens import Collator, Tokens
from finetune_trainer.errors import UserError

_LOOKED_AT = 64
_PROBED = 4
_SHARE = 0.05
_ROUNDING = 1e-4


def require_length(model: Any, settings: Settings) -> None:
    """UserError if training.maxSeqLength is beyond the model's positions."""
    most = positions(model)
    if most is not None and settings.max_seq_length > most:
        raise UserError(
            f"training.maxSeqLength is {settings.max_seq_length}, but the model has positions for {most} tokens: set "
            f"it to {most} or less"
        )


def needs_all_splits(model: Any, tokenizer: Any) -> bool:
    """Whether test data could fail where training and dev data do not."""
    return _is_encoder_decoder(model) or len(tokenizer) > _rows(model)


def require_fit(model: Any, tokenizer: Any, padding: Padding, splits: Mapping[str, Tokens]) -> None:
    """UserError if the model cannot take the tokens of a split, or batches of them."""
    for split, tokens in splits.items():
        _require_tokens(model, tokenizer, split, tokens)
        if padding.types and len(tokens.types):
            _require_types(model, split, tokens)
        if _is_encoder_decoder(model):
            _require_ends(model, tokenizer, split, tokens)
        tokens.release()


def vocabulary_warning(model: Any, tokenizer: Any) -> tuple[str, ...]:
    """Where the tokenizer knows less than half of the model's tokens: it may be that of another family."""
    if 2 * len(tokenizer) >= _rows(model):
        return ()
    return (
        f"the tokenizer has {len(tokenizer)} tokens, the model embeddings for {_rows(model)}: see whether the model "
        "was trained with another tokenizer, and put that one into its folder",
    )


def require_blind_to_padding(model: Any, padding: Padding, tokens: Tokens) -> None:
    """UserError if the logits of a text change with how far it is padded: they would depend on the batch size.

    A few short texts are put through the model, each bare and padded. Rounding moves their logits by some 1e-4 of what
    the texts themselves do; a new head tells texts apart hardly at all, so the measure is relative.
    """
    lengths = tokens.lengths[:_LOOKED_AT]
    most = positions(model) or int(lengths.max())
    texts = [(int(i), int(lengths[i])) for i in np.argsort(lengths, kind="stable")[:_PROBED] if lengths[i] <= most]
    if not texts:
        return
    collator = Collator(tokens, padding=padding, label_order=None)
    was_training = model.training
    model.eval()
    # The run's own random numbers are drawn after this.
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        bare = torch.cat([model(**collator.padded(index, length)).logits for index, length in texts])
        wide = [model(**collator.padded(index, padding.width(length + 8))).logits for index, length in texts]
    model.train(was_training)
    apart = float((bare - torch.cat(wide)).abs().max())
    spread = float((bare - bare.mean(0)).abs().max())
    if apart > max(_SHARE * spread, _ROUNDING * float(bare.abs().max())):
        raise UserError(
            f"the predictions of this {model.config.model_type} depend on how far a text is padded (logits move by "
            f"{apart:.2g}, where texts differ by {spread:.2g}), so they would change with the batch size: use another "
            "model"
        )


def _is_encoder_decoder(model: Any) -> bool:
    return bool(getattr(model.config, "is_encoder_decoder", False))


def _rows(model: Any) -> int:
    return int(model.get_input_embeddings().weight.shape[0])


def _require_tokens(model: Any, tokenizer: Any, split: str, tokens: Tokens) -> None:
    empty = np.flatnonzero(tokens.lengths == 0)
    if len(empty):
        raise UserError(f"example {int(empty[0]) + 1} of {split} has no tokens: its text is empty; remove it")
    highest = int(tokens.ids.max())
    if highest >= _rows(model):
        token = tokenizer.convert_ids_to_tokens(highest)
        raise UserError(
            f"token {token!r} of {split} has id {highest}, but the model has embeddings for {_rows(model)} tokens: "
            "take the tokenizer that belongs to it, or call "
            f"model.resize_token_embeddings({len(tokenizer)}) and save it again"
        )


def _require_types(model: Any, split: str, tokens: Tokens) -> None:
    tables = (part for name, part in model.named_modules() if name.endswith("token_type_embeddings"))
    table, highest = next(tables, None), int(tokens.types.max())
    if isinstance(table, torch.nn.Embedding) and highest >= table.num_embeddings:
        raise UserError(
            f"the tokenizer gives {split} token type {highest}, but type_vocab_size of the model is "
            f"{table.num_embeddings}: take the tokenizer that belongs to it, or remove token_type_ids from "
            "model_input_names in tokenizer_config.json"
        )


def _require_ends(model: Any, tokenizer: Any, split: str, tokens: Tokens) -> None:
    """BART and T5 classify by the last end of text, and want the same number of them in all texts of a batch."""
    starts = np.concatenate(([0], tokens.ends[:-1]))
    counts = np.add.reduceat(tokens.ids == model.config.eos_token_id, starts, dtype=np.int64)
    other = np.flatnonzero(counts != counts[0])
    if counts[0] == 0 or len(other):
        place = int(other[0]) if len(other) else 0
        raise UserError(
            f"example {place + 1} of {split} has {int(counts[place])} times {tokenizer.eos_token!r}, the first one "
            f"{int(counts[0])} times: a {model.config.model_type} needs it at the end of every text, and nowhere else; "
            "remove it from the texts, or have the tokenizer add it"
        )
