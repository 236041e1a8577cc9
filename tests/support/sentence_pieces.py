"""SentencePiece models of the demo's words, as DeBERTa-v3, ALBERT, XLM-R, T5 and Llama carry one on the hub."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sentencepiece

from glue_demo.models import vocabulary

SIZE = 200
_BERTS = {"pad": "[PAD]", "bos": "[CLS]", "eos": "[SEP]", "unk": "[UNK]"}
_FAIRSEQ = {"unk": "<unk>", "bos": "<s>", "eos": "</s>"}


@dataclass(frozen=True)
class Pieces:
    """What a family's model is called, the class that reads it, its special pieces in the order of their ids."""

    file: str
    tokenizer: str
    special: Mapping[str, str]
    user: tuple[str, ...] = ()
    algorithm: str = "unigram"

    def write(self, folder: Path) -> None:
        """The files that a hub has of a tokenizer: the model, and the name of the class."""
        folder.mkdir(parents=True, exist_ok=True)
        sentence_pieces(folder / self.file, self)
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": self.tokenizer}))


DEBERTA = Pieces("spm.model", "DebertaV2Tokenizer", _BERTS, ("[MASK]",))
ALBERT = Pieces(
    "spiece.model",
    "AlbertTokenizer",
    {"pad": "<pad>", "unk": "<unk>", "bos": "[CLS]", "eos": "[SEP]"},
    ("[MASK]",),
)
XLNET = Pieces("spiece.model", "XLNetTokenizer", _FAIRSEQ, ("<cls>", "<sep>", "<pad>", "<mask>"))
T5 = Pieces("spiece.model", "T5Tokenizer", {"pad": "<pad>", "eos": "</s>", "unk": "<unk>"})
XLM_R = Pieces("sentencepiece.bpe.model", "XLMRobertaTokenizer", _FAIRSEQ)
CAMEMBERT = Pieces("sentencepiece.bpe.model", "CamembertTokenizer", _FAIRSEQ)
MBART = Pieces("sentencepiece.bpe.model", "MBartTokenizer", _FAIRSEQ)
LLAMA = Pieces("tokenizer.model", "LlamaTokenizer", _FAIRSEQ, algorithm="bpe")
GEMMA = Pieces(
    "tokenizer.model",
    "GemmaTokenizer",
    {"pad": "<pad>", "eos": "<eos>", "bos": "<bos>", "unk": "<unk>"},
    algorithm="bpe",
)


def sentence_pieces(path: Path, pieces: Pieces = DEBERTA) -> sentencepiece.SentencePieceProcessor:
    """Train one and write it."""
    words = [word for word in vocabulary() if word.isalpha()]
    sentences = [" ".join(words[first : first + 8]) for first in range(0, len(words), 4)]
    roles = {f"{role}_piece": piece for role, piece in pieces.special.items()}
    ids = {f"{role}_id": -1 for role in ("pad", "bos", "eos", "unk")}
    ids |= {f"{role}_id": place for place, role in enumerate(pieces.special)}
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=trained,
        vocab_size=SIZE,
        model_type=pieces.algorithm,
        user_defined_symbols=list(pieces.user),
        minloglevel=2,
        **roles,
        **ids,
    )
    path.write_bytes(trained.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
