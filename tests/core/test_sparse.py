"""Which modules of a BERT the sparse model types cover."""

import pytest

from finetune_core.sparse import SparseType, covers

FEED_FORWARD = ["bert.encoder.layer.0.intermediate.dense", "encoder.layer.11.output.dense"]
ATTENTION = [
    "bert.encoder.layer.0.attention.self.query",
    "bert.encoder.layer.5.attention.self.key",
    "encoder.layer.11.attention.self.value",
    "bert.encoder.layer.3.attention.output.dense",
]
WORDS = ["bert.embeddings.word_embeddings", "embeddings.word_embeddings"]
NEVER = [
    "bert.pooler.dense",
    "classifier",
    "bert.embeddings.position_embeddings",
    "bert.embeddings.token_type_embeddings",
    "bert.encoder.layer.0.output.LayerNorm",
    "bert.encoder.layer.0.attention.output",
    "cls.predictions.transform.dense",
    "cls.predictions.decoder",
    "decoder.layer.0.output.dense",
    "",
]


@pytest.mark.parametrize(
    ("kind", "sparse"),
    [
        (SparseType.ENCODER, [*ATTENTION, *FEED_FORWARD]),
        (SparseType.NON_ATTENTION, FEED_FORWARD),
        (SparseType.FULL, [*ATTENTION, *FEED_FORWARD, *WORDS]),
    ],
)
def test_a_type_covers_what_its_documentation_says(kind: SparseType, sparse: list[str]) -> None:
    every = [*ATTENTION, *FEED_FORWARD, *WORDS, *NEVER]
    assert [name for name in every if covers(kind, name)] == [name for name in every if name in sparse]
