"""The sparse BERTs as Hugging Face architectures: BERT's own modules, with masks beside the covered weights.

Importing this module registers them, so that `AutoConfig`, `AutoTokenizer` and `AutoModel...` know their model types.
"""

from typing import Any, Final

import transformers

from finetune_core.tasks.sparse import SparseType
from finetune_trainer.sparse import masks

_UNWRAPPED = {r"\.module\.(weight|bias)$": r".\1"}
"""nupic.torch wraps a sparse layer in a module of its own: `query.module.weight` beside `query.zero_mask`."""


class SparseBertConfig(transformers.BertConfig):
    """BERT's configuration and the share of zeros that the checkpoint was made with (for people; never read)."""

    sparsity: float | int | dict[str, float] | None = None


class StaticSparseEncoderBertConfig(SparseBertConfig):
    """All linear layers of the encoder are sparse."""

    model_type = SparseType.ENCODER.value


class StaticSparseNonAttentionBertConfig(SparseBertConfig):
    """The linear layers of the encoder's feed-forward blocks are sparse."""

    model_type = SparseType.NON_ATTENTION.value


class FullyStaticSparseBertConfig(SparseBertConfig):
    """All linear layers of the encoder and the word embeddings are sparse."""

    model_type = SparseType.FULL.value


CONFIGS: Final[dict[SparseType, type[SparseBertConfig]]] = {
    SparseType.ENCODER: StaticSparseEncoderBertConfig,
    SparseType.NON_ATTENTION: StaticSparseNonAttentionBertConfig,
    SparseType.FULL: FullyStaticSparseBertConfig,
}


class _Sparse:
    """Before a class of BERT's: its covered weights get masks, which are settled when a checkpoint is loaded."""

    def __init__(self, config: SparseBertConfig, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)  # type: ignore[call-arg]
        masks.attach(self, SparseType(config.model_type))  # type: ignore[arg-type]

    @classmethod
    def from_pretrained(cls, *args: Any, output_loading_info: bool = False, **kwargs: Any) -> Any:
        """As in transformers; masks are the checkpoint's `zero_mask` buffers or, where it has none, its zeros.

        ValueError if the checkpoint lacks a covered weight, or masks weights that are not zero.
        """
        kwargs["key_mapping"] = {**_UNWRAPPED, **(kwargs.get("key_mapping") or {})}
        model, info = super().from_pretrained(*args, output_loading_info=True, **kwargs)  # type: ignore[misc]
        masks.settle(model, info["missing_keys"])
        info["missing_keys"] = {name for name in info["missing_keys"] if not name.endswith(f".{masks.MASK}")}
        return (model, info) if output_loading_info else model

    def save_pretrained(self, *args: Any, **kwargs: Any) -> Any:
        """As in transformers, always under our names: those of a wrapped checkpoint are not brought back."""
        return super().save_pretrained(*args, **{"save_original_format": False, **kwargs})  # type: ignore[misc]


class StaticSparseEncoderBertModel(_Sparse, transformers.BertModel):
    """BERT without a head."""

    config_class = StaticSparseEncoderBertConfig


class StaticSparseEncoderBertForMaskedLM(_Sparse, transformers.BertForMaskedLM):
    """With BERT's head for masked words."""

    config_class = StaticSparseEncoderBertConfig


class StaticSparseEncoderBertForSequenceClassification(_Sparse, transformers.BertForSequenceClassification):
    """With BERT's head for classification and regression."""

    config_class = StaticSparseEncoderBertConfig


class StaticSparseNonAttentionBertModel(_Sparse, transformers.BertModel):
    """BERT without a head."""

    config_class = StaticSparseNonAttentionBertConfig


class StaticSparseNonAttentionBertForMaskedLM(_Sparse, transformers.BertForMaskedLM):
    """With BERT's head for masked words."""

    config_class = StaticSparseNonAttentionBertConfig


class StaticSparseNonAttentionBertForSequenceClassification(_Sparse, transformers.BertForSequenceClassification):
    """With BERT's head for classification and regression."""

    config_class = StaticSparseNonAttentionBertConfig


class FullyStaticSparseBertModel(_Sparse, transformers.BertModel):
    """BERT without a head."""

    config_class = FullyStaticSparseBertConfig


class FullyStaticSparseBertForMaskedLM(_Sparse, transformers.BertForMaskedLM):
    """With BERT's head for masked words, whose decoder shares the sparse word embeddings."""

    config_class = FullyStaticSparseBertConfig


class FullyStaticSparseBertForSequenceClassification(_Sparse, transformers.BertForSequenceClassification):
    """With BERT's head for classification and regression."""

    config_class = FullyStaticSparseBertConfig


_HEADS = {
    transformers.AutoModel: (
        StaticSparseEncoderBertModel,
        StaticSparseNonAttentionBertModel,
        FullyStaticSparseBertModel,
    ),
    transformers.AutoModelForMaskedLM: (
        StaticSparseEncoderBertForMaskedLM,
        StaticSparseNonAttentionBertForMaskedLM,
        FullyStaticSparseBertForMaskedLM,
    ),
    transformers.AutoModelForSequenceClassification: (
        StaticSparseEncoderBertForSequenceClassification,
        StaticSparseNonAttentionBertForSequenceClassification,
        FullyStaticSparseBertForSequenceClassification,
    ),
}


def _register() -> None:
    for config in CONFIGS.values():
        transformers.AutoConfig.register(config.model_type, config)
        transformers.AutoTokenizer.register(config, tokenizer_class=transformers.BertTokenizer)
    for auto, classes in _HEADS.items():
        for one in classes:
            auto.register(one.config_class, one)


_register()
