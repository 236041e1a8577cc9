"""The tokenizer of a model folder, with the token that batches are padded with."""

import hashlib
from pathlib import Path
from typing import Any

import transformers

from finetune_trainer.errors import UserError
from finetune_trainer.model.files import read_config, reading
from finetune_trainer.model.pieces import ADD_JSON, piece_model, require_same_pieces

_TOKENIZER_JSON = "tokenizer.json"
_FILES = (_TOKENIZER_JSON, "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "spiece.model")


def load_tokenizer(folder: Path) -> tuple[Any, str]:
    """The fast tokenizer and a digest of the files that decide what it does; UserError if there is none.

    It has a pad token: its own, else the one that config.json names, else a decoder's end of text.
    """
    tokenizer = _load(folder)
    vocabulary = sorted({*tokenizer.vocab_files_names.values(), _TOKENIZER_JSON})
    if not any((folder / name).exists() for name in vocabulary):
        # transformers makes one of five tokens then, to which every word is unknown.
        raise UserError(f"the model folder holds no tokenizer: add {' or '.join(vocabulary)} to it")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = _pad_token(tokenizer, folder)
    digest = hashlib.sha256()
    for name in sorted({*_FILES, *vocabulary}):
        path = folder / name
        digest.update(name.encode() + b"\0" + (path.read_bytes() if path.exists() else b""))
    return tokenizer, digest.hexdigest()[:32]


def _load(folder: Path) -> Any:
    pieces = piece_model(folder)
    alone = f"{pieces.name} alone makes no tokenizer" if pieces else "the model folder holds no tokenizer"
    with reading(f"{alone} that transformers can load{ADD_JSON if pieces else ''}"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
    if pieces:
        require_same_pieces(tokenizer, pieces)
    return tokenizer


def _pad_token(tokenizer: Any, folder: Path) -> str:
    raw = read_config(folder) if (folder / "config.json").exists() else {}
    named = raw.get("pad_token_id")
    if isinstance(named, int) and 0 <= named < len(tokenizer):
        return str(tokenizer.convert_ids_to_tokens(named))
    if tokenizer.eos_token is not None and _is_decoder(raw.get("model_type")):
        # Nothing attends to what follows, and the head reads the last token that is no pad.
        return str(tokenizer.eos_token)
    raise UserError(
        'the tokenizer has no pad token, so texts of different lengths cannot be a batch: name one as "pad_token" in '
        "tokenizer_config.json, of the tokens that the model was trained with"
    )


def _is_decoder(model_type: object) -> bool:
    if not isinstance(model_type, str) or model_type not in transformers.CONFIG_MAPPING:
        return False
    config = transformers.CONFIG_MAPPING[model_type]
    masked, causal = transformers.MODEL_FOR_MASKED_LM_MAPPING, transformers.MODEL_FOR_CAUSAL_LM_MAPPING
    return config in causal and config not in masked
