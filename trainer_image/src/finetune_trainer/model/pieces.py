"""A SentencePiece model that is a folder's only tokenizer: whether what transformers makes of it is the same tokenizer.

For some classes transformers 5 reads the vocabulary of such a file and splits texts in another way, without a word.
"""

from itertools import islice
from pathlib import Path
from typing import Any

import sentencepiece

from finetune_trainer.errors import UserError

ADD_JSON = ": add its tokenizer.json (open it with the version of transformers that config.json names, and save it)"
"""The remedy."""

_BEGINS = "\u2581"
_WORDS = 32


def piece_model(folder: Path) -> Path | None:
    """The SentencePiece model that the tokenizer has to be made from; None where there is a tokenizer.json."""
    if (folder / "tokenizer.json").exists():
        return None
    return next((path for path in sorted(folder.glob("*.model")) if _opened(path)), None)


def require_same_pieces(tokenizer: Any, path: Path) -> None:
    """UserError if the tokenizer cuts words of the model's own vocabulary into other pieces than the model does."""
    model = _opened(path)
    text = " ".join(_words(model))
    own = model.encode(text, out_type=str)
    made = tokenizer.convert_ids_to_tokens(tokenizer(text, add_special_tokens=False)["input_ids"])
    if made != own:
        place = next((at for at, (one, other) in enumerate(zip(own, made, strict=False)) if one != other), 0)
        raise UserError(
            f"the {type(tokenizer).__name__} that transformers makes of {path.name} cuts texts into other pieces than "
            f"those that the model was trained with ({made[place : place + 4]} for {own[place : place + 4]}){ADD_JSON}"
        )


def _opened(path: Path) -> Any:
    """None for other files of that name, such as Llama 3's."""
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError):
        return None


def _words(model: Any) -> list[str]:
    """Whole words of the vocabulary that no tokenizer changes by lower case or accents."""
    pieces = (model.id_to_piece(place) for place in range(model.get_piece_size()))
    words = (piece[1:] for piece in pieces if piece.startswith(_BEGINS))
    return list(islice((word for word in words if word.isascii() and word.isalpha() and word.islower()), _WORDS))
