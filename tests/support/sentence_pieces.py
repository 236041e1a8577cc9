"""A SentencePiece model of the demo's words, as DeBERTa-v3, ALBERT and XLM-R carry one on the hub."""

import io
from pathlib import Path

import sentencepiece

from glue_demo.models import vocabulary

SIZE = 200


def sentence_pieces(path: Path) -> sentencepiece.SentencePieceProcessor:
    """Train one and write it."""
    words = [word for word in vocabulary() if word.isalpha()]
    sentences = [" ".join(words[first : first + 8]) for first in range(0, len(words), 4)]
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=trained,
        vocab_size=SIZE,
        model_type="unigram",
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        pad_piece="[PAD]",
        bos_piece="[CLS]",
        eos_piece="[SEP]",
        unk_piece="[UNK]",
        user_defined_symbols=["[MASK]"],
        minloglevel=2,
    )
    path.write_bytes(trained.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
