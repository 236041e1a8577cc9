"""The sparse model types: which weights of a BERT they keep at zero."""

import re
from enum import StrEnum
from typing import Final


class SparseType(StrEnum):
    """Hugging Face's `model_type` of a BERT with static zeros; see `covers` for where they are."""

    ENCODER = "static_sparse_encoder_bert"
    NON_ATTENTION = "static_sparse_non_attention_bert"
    FULL = "fully_static_sparse_bert"


SPARSE_TYPES: Final = frozenset(kind.value for kind in SparseType)

_LAYER = r"(?:^|\.)encoder\.layer\.\d+\."
_FEED_FORWARD = r"(?:intermediate\.dense|output\.dense)"
_ALL_LINEARS = rf"(?:attention\.self\.(?:query|key|value)|attention\.output\.dense|{_FEED_FORWARD})"
_WORDS = r"(?:^|\.)embeddings\.word_embeddings"

_COVERED = {
    SparseType.ENCODER: re.compile(rf"{_LAYER}{_ALL_LINEARS}$"),
    SparseType.NON_ATTENTION: re.compile(rf"{_LAYER}{_FEED_FORWARD}$"),
    SparseType.FULL: re.compile(rf"(?:{_LAYER}{_ALL_LINEARS}|{_WORDS})$"),
}


def misspelt_type(wanted: str | None) -> str | None:
    """What is wrong with a spec's `model.type` that means to be sparse and is not; None for all others."""
    if wanted is None or "sparse" not in wanted.lower() or wanted in SPARSE_TYPES:
        return None
    known = ", ".join(sorted(SPARSE_TYPES))
    return f"{wanted} is no sparse type, so its zeros would not be kept: use one of {known}"


def type_problem(wanted: str | None, said: str | None) -> str | None:
    """What is wrong with a spec's `model.type` where a checkpoint's config.json says `said`; None if they agree."""
    if wanted is None or said is None or wanted == said:
        return None
    if said in SPARSE_TYPES:
        return (
            f"model.type is {wanted}, but the checkpoint's config.json says {said}, whose zeros would not be kept: "
            "remove model.type, or change model_type in config.json if that is what you want"
        )
    if wanted not in SPARSE_TYPES:
        return (
            f"model.type is {wanted}, but the checkpoint's config.json says {said}: remove model.type, or correct "
            f"it (sparse types are {', '.join(sorted(SPARSE_TYPES))})"
        )
    if said != "bert":
        return (
            f"model.type {wanted} needs a BERT, but the checkpoint's config.json says model_type {said}: "
            "use a BERT checkpoint, or remove model.type to train this one as it is"
        )
    return None


def covers(kind: SparseType, module: str) -> bool:
    """Whether the weight of the module with this dotted name is one that the type keeps sparse.

    ENCODER: in every encoder layer query, key, value, attention.output.dense, intermediate.dense and output.dense.
    NON_ATTENTION: in every encoder layer intermediate.dense and output.dense. FULL: those of ENCODER, and
    embeddings.word_embeddings. Never biases, layer norms, position and type embeddings, pooler, heads.
    """
    return _COVERED[kind].search(module) is not None
