"""Which modules of a BERT the sparse model types cover."""

import pytest

from finetune_core.tasks.sparse import SPARSE_TYPES, SparseType, covers, misspelt_type, type_problem

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


@pytest.mark.parametrize("wanted", [None, "bert", "distilbert", *sorted(SPARSE_TYPES)])
def test_a_type_that_is_dense_or_one_of_the_sparse_ones_is_spelt_right(wanted: str | None) -> None:
    assert misspelt_type(wanted) is None


@pytest.mark.parametrize("wanted", ["static_sparse_bert", "Static-Sparse", "sparse", "fully_static_sparse_bert2"])
def test_a_type_that_means_to_be_sparse_and_is_not_is_told_with_those_that_are(wanted: str) -> None:
    told = misspelt_type(wanted)
    assert told is not None
    assert all(kind in told for kind in SPARSE_TYPES)


@pytest.mark.parametrize(
    ("wanted", "said", "told"),
    [
        (None, "bert", None),
        (None, SparseType.FULL, None),
        ("bert", "bert", None),
        ("bert", None, None),
        (SparseType.FULL, None, None),
        (SparseType.FULL, "bert", None),
        (SparseType.FULL, "roberta", "needs a BERT"),
        (SparseType.FULL, SparseType.ENCODER, "zeros would not be kept"),
        ("bert", SparseType.ENCODER, "zeros would not be kept"),
        ("roberta", "bert", "remove model.type, or correct it"),
    ],
)
def test_the_specs_type_and_the_checkpoints_must_agree(wanted: str | None, said: str | None, told: str | None) -> None:
    problem = type_problem(wanted, said)
    assert (problem is None) if told is None else (told in (problem or ""))
