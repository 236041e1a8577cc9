"""Whether a model can tell the two texts of a pair apart: by a token between them, or by token types."""

from itertools import pairwise
from typing import Any

from finetune_trainer.data.padding import Padding

_PAIR = ("a", "b")
_TYPE_TABLES = ("token_type_embeddings.weight", "seg_embed")

_NO_TYPES = (
    "the model was trained to tell the texts of a pair by token types, but its tokenizer gives none: add "
    "token_type_ids to model_input_names in tokenizer_config.json"
)
_NO_SEPARATOR = (
    "the tokenizer puts nothing between the texts of a pair, so the model reads them as one: add a post-processor with "
    "a separator to tokenizer.json, or join the texts in one column with words that tell them apart"
)


def pair_warnings(model: Any, tokenizer: Any, padding: Padding) -> tuple[str, ...]:
    """What readers of a result on pairs have to know; nothing where types or a separator tell the texts apart."""
    encoded = tokenizer(*_PAIR)
    if padding.types and "token_type_ids" not in encoded and _has_types(model) and _could_give_types(tokenizer):
        return (_NO_TYPES,)
    if tokenizer.is_fast and (0, 1) in pairwise(encoded.sequence_ids(0)) and not any(encoded.get("token_type_ids", ())):
        return (_NO_SEPARATOR,)
    return ()


def _has_types(model: Any) -> bool:
    """Whether it has learnt more than one type; GPT-2 takes types too, as tokens that it was not trained with."""
    tables = (weight for name, weight in model.named_parameters() if name.endswith(_TYPE_TABLES))
    return any(table.shape[0] > 1 for table in tables)


def _could_give_types(tokenizer: Any) -> bool:
    return len(set(tokenizer(*_PAIR, return_token_type_ids=True)["token_type_ids"])) > 1
