"""Tiny random models of every architecture that has a sequence classification head, with a tokenizer to go with each.

Made from transformers' own configurations; some 20,000 weights, so that a test of all of them takes seconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

from glue_demo.models import vocabulary
from support import sentence_pieces
from support.sentence_pieces import Pieces

POSITIONS = 64

_WIDE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
_ENCODER = {**_WIDE, "max_position_embeddings": POSITIONS}
# One row for pads and one that is never used come first.
_FROM_PADS = {**_ENCODER, "max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1}
_DECODER = {**_WIDE, "num_key_value_heads": 2, "head_dim": 8}
# Their classes have a pad token beyond a tiny vocabulary; hubs hold these without one too.
_WITHOUT_PAD = {**_DECODER, "pad_token_id": None}
_BART = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": POSITIONS,
}
_T5 = {"d_model": 16, "d_kv": 8, "num_layers": 2, "num_heads": 2, "d_ff": 32}
_DISENTANGLED = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8}

Config = Callable[..., Any]


@dataclass(frozen=True)
class Architecture:
    """A configuration by class and sizes; `pretrained` is what hubs hold of it, `tokens` its kind of tokenizer.

    `bounded`: whether it has a table of positions; `pieces`: the SentencePiece model that its family has on the hub.
    """

    config: Config
    sizes: dict[str, Any]
    pretrained: str
    tokens: str = "wordpiece"
    bounded: bool = True
    pieces: Pieces | None = None

    @property
    def tokenizers(self) -> tuple[str, ...]:
        """The kinds of tokenizers to try it with."""
        return (self.tokens, *(["sentencepiece"] if self.pieces else []))


ARCHITECTURES: dict[str, Architecture] = {
    "bert": Architecture(transformers.BertConfig, _ENCODER, "BertForPreTraining"),
    "roberta": Architecture(transformers.RobertaConfig, _FROM_PADS, "RobertaForMaskedLM", "bpe"),
    "distilbert": Architecture(
        transformers.DistilBertConfig,
        {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": POSITIONS},
        "DistilBertForMaskedLM",
    ),
    "albert": Architecture(
        transformers.AlbertConfig,
        {**_ENCODER, "embedding_size": 8},
        "AlbertForPreTraining",
        pieces=sentence_pieces.ALBERT,
    ),
    "electra": Architecture(transformers.ElectraConfig, {**_ENCODER, "embedding_size": 8}, "ElectraForPreTraining"),
    "deberta-v2": Architecture(
        transformers.DebertaV2Config,
        {**_ENCODER, **_DISENTANGLED, "position_biased_input": False, "type_vocab_size": 0},
        "DebertaV2ForMaskedLM",
        bounded=False,
        pieces=sentence_pieces.DEBERTA,
    ),
    "mpnet": Architecture(transformers.MPNetConfig, _FROM_PADS, "MPNetForMaskedLM", "bpe"),
    "xlnet": Architecture(
        transformers.XLNetConfig,
        {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32},
        "XLNetLMHeadModel",
        "xlnet",
        bounded=False,
        pieces=sentence_pieces.XLNET,
    ),
    "deberta": Architecture(transformers.DebertaConfig, {**_ENCODER, **_DISENTANGLED}, "DebertaForMaskedLM", "bpe"),
    "xlm-roberta": Architecture(
        transformers.XLMRobertaConfig, _FROM_PADS, "XLMRobertaForMaskedLM", "bpe", pieces=sentence_pieces.XLM_R
    ),
    "camembert": Architecture(
        transformers.CamembertConfig, _FROM_PADS, "CamembertForMaskedLM", "bpe", pieces=sentence_pieces.CAMEMBERT
    ),
    "rembert": Architecture(
        transformers.RemBertConfig,
        {**_ENCODER, "input_embedding_size": 8, "output_embedding_size": 8},
        "RemBertModel",
    ),
    "big_bird": Architecture(transformers.BigBirdConfig, _ENCODER, "BigBirdForMaskedLM"),
    "longformer": Architecture(
        transformers.LongformerConfig, {**_FROM_PADS, "attention_window": 8}, "LongformerForMaskedLM", "bpe"
    ),
    "funnel": Architecture(
        transformers.FunnelConfig,
        {"d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 32, "block_sizes": [1, 1], "num_decoder_layers": 1},
        "FunnelBaseModel",
        bounded=False,
    ),
    # Its checkpoints have other names than the model: transformers converts them, both ways.
    "nomic_bert": Architecture(
        transformers.NomicBertConfig, {**_ENCODER, "head_dim": 8}, "NomicBertModel", bounded=False
    ),
    "eurobert": Architecture(transformers.EuroBertConfig, _DECODER, "EuroBertForMaskedLM", "bpe", bounded=False),
    "modernbert": Architecture(transformers.ModernBertConfig, _ENCODER, "ModernBertForMaskedLM", bounded=False),
    "bart": Architecture(transformers.BartConfig, _BART, "BartForConditionalGeneration", "bpe"),
    "mbart": Architecture(
        transformers.MBartConfig, _BART, "MBartForConditionalGeneration", "bpe", pieces=sentence_pieces.MBART
    ),
    **{
        name: Architecture(
            config, _T5, f"{stem}ForConditionalGeneration", "bpe", bounded=False, pieces=sentence_pieces.T5
        )
        for name, stem, config in (("t5", "T5", transformers.T5Config), ("umt5", "UMT5", transformers.UMT5Config))
    },
    "gpt2": Architecture(
        transformers.GPT2Config,
        {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": POSITIONS},
        "GPT2LMHeadModel",
        "gpt2",
    ),
    "gpt_neox": Architecture(transformers.GPTNeoXConfig, _WIDE, "GPTNeoXForCausalLM", "gpt2", bounded=False),
    "bloom": Architecture(
        transformers.BloomConfig,
        {"hidden_size": 16, "n_layer": 2, "n_head": 2},
        "BloomForCausalLM",
        "gpt2",
        bounded=False,
    ),
    "opt": Architecture(
        transformers.OPTConfig,
        {**_WIDE, "ffn_dim": 32, "word_embed_proj_dim": 16, "max_position_embeddings": POSITIONS},
        "OPTForCausalLM",
        "bpe",
    ),
    **{
        name: Architecture(config, _WITHOUT_PAD, f"{stem}ForCausalLM", "gpt2", bounded=False, pieces=pieces)
        for name, stem, config, pieces in (
            ("llama", "Llama", transformers.LlamaConfig, sentence_pieces.LLAMA),
            ("mistral", "Mistral", transformers.MistralConfig, sentence_pieces.LLAMA),
            ("phi3", "Phi3", transformers.Phi3Config, sentence_pieces.LLAMA),
            ("qwen2", "Qwen2", transformers.Qwen2Config, None),
            ("qwen3", "Qwen3", transformers.Qwen3Config, None),
            ("smollm3", "SmolLM3", transformers.SmolLM3Config, None),
            ("gemma", "Gemma", transformers.GemmaConfig, sentence_pieces.GEMMA),
            ("gemma2", "Gemma2", transformers.Gemma2Config, sentence_pieces.GEMMA),
            ("gemma3_text", "Gemma3", transformers.Gemma3TextConfig, sentence_pieces.GEMMA),
        )
    },
}


def tiny_tokenizer(kind: str) -> Any:
    """A fast tokenizer of the demo's words: `wordpiece` as BERT's, `bpe` as RoBERTa's, `gpt2`, or `xlnet` (left)."""
    words = vocabulary()
    if kind == "wordpiece":
        return transformers.BertTokenizer(vocab={token: number for number, token in enumerate(words)})
    special = {
        "bpe": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        "gpt2": ["<|endoftext|>"],
        "xlnet": ["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>"],
    }[kind]
    backend = Tokenizer(models.BPE(unk_token=None))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator([" ".join(words)], trainer)
    return _with_special_tokens(kind, backend)


def _with_special_tokens(kind: str, backend: Any) -> Any:
    def templates(single: str, pair: str, names: tuple[str, ...]) -> Any:
        return TemplateProcessing(
            single=single, pair=pair, special_tokens=[(name, backend.token_to_id(name)) for name in names]
        )

    if kind == "bpe":
        backend.post_processor = templates("<s> $A </s>", "<s> $A </s> </s> $B </s>", ("<s>", "</s>"))
        return transformers.PreTrainedTokenizerFast(
            tokenizer_object=backend,
            bos_token="<s>",
            eos_token="</s>",
            unk_token="<unk>",
            pad_token="<pad>",
            cls_token="<s>",
            sep_token="</s>",
            mask_token="<mask>",
            model_input_names=["input_ids", "attention_mask"],
        )
    if kind == "gpt2":
        return transformers.PreTrainedTokenizerFast(
            tokenizer_object=backend,
            eos_token="<|endoftext|>",
            bos_token="<|endoftext|>",
            model_input_names=["input_ids", "attention_mask"],
        )
    backend.post_processor = templates("$A:0 <sep>:0 <cls>:2", "$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2", ("<sep>", "<cls>"))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        cls_token="<cls>",
        sep_token="<sep>",
        padding_side="left",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def tiny_model(
    folder: Path, name: str, *, labels: Sequence[str] = (), tokens: str = "", seed: int = 0, **changes: Any
) -> Path:
    """Write a folder as a hub holds it: pretrained without a head for classification, or with one for `labels`.

    `tokens` is the kind of tokenizer, by default the architecture's first; `changes` are fields of config.json.
    """
    kind = ARCHITECTURES[name]
    tokenizer = _write_tokenizer(folder, kind, tokens or kind.tokens)
    # As a hub's config.json has them; a decoder's has no pad token.
    ids = {field: getattr(tokenizer, field) for field in ("pad_token_id", "bos_token_id", "eos_token_id")}
    if tokenizer.pad_token_id is None:
        ids.pop("pad_token_id")
    known = {**kind.sizes, "vocab_size": len(tokenizer), **ids}
    if kind.sizes is _T5:
        known["decoder_start_token_id"] = tokenizer.pad_token_id
    if labels:
        known["id2label"] = dict(enumerate(labels))
        known["label2id"] = {label: place for place, label in enumerate(labels)}
    config = kind.config(**{**known, **changes})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if not labels:
            model = getattr(transformers, kind.pretrained)(config)
        else:
            model = transformers.AutoModelForSequenceClassification.from_config(config)
        _spread(model)
    model.save_pretrained(folder)
    return folder


def _write_tokenizer(folder: Path, kind: Architecture, tokens: str) -> Any:
    if tokens == "sentencepiece":
        assert kind.pieces
        kind.pieces.write(folder)
        return transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer = tiny_tokenizer(tokens)
    tokenizer.save_pretrained(folder)
    return tokenizer


def _spread(model: torch.nn.Module) -> None:
    """Larger weights than at the start of a training: what a model does wrong then shows in its logits."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(5)
