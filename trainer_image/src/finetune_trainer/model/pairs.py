"""Whether a model can tell the two texts of a pair apart: by a token between them, or by token types."""

from itertools import pairwise
from typing import Any

import torch

from finetune_trainer.data.padding import Padding

_PAIR = ("a", "b")

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
    if padding.types and "token_type_ids" not in encoded and _heeds_types(model, tokenizer):
        return (_NO_TYPES,)
    if tokenizer.is_fast and (0, 1) in pairwise(encoded.sequence_ids(0)) and not any(encoded.get("token_type_ids", ())):
        return (_NO_SEPARATOR,)
    return ()


def _heeds_types(model: Any, tokenizer: Any) -> bool:
    """Whether the types that the tokenizer could give change what the model says."""
    inputs = tokenizer(*_PAIR, return_token_type_ids=True, return_tensors="pt").to(model.device)
    types = inputs.pop("token_type_ids")
    known = next((part for name, part in model.named_modules() if name.endswith("token_type_embeddings")), None)
    if int(types.max()) == 0 or (known is not None and int(types.max()) >= known.num_embeddings):
        return False
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        without, given = (model(**inputs, token_type_ids=each).logits for each in (torch.zeros_like(types), types))
    model.train(was_training)
    return not torch.equal(without, given)
