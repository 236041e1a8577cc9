"""The rows of the demo data: what every later test and the demo itself lean on."""

from collections import Counter
from itertools import islice

import pytest

from glue_demo import TASKS, Row, Split, rows, splits_of

ALL_SPLITS = [split for task in TASKS for split in splits_of(task)]


def plain(split: Split, count: int = 1000) -> list[Row]:
    """Rows behind the awkward ones."""
    return list(islice(rows(split, 512 + count, seed=3), 512, None))


@pytest.fixture(params=ALL_SPLITS, ids=lambda split: f"{split.task}-{split.name}")
def split(request: pytest.FixtureRequest) -> Split:
    found: Split = request.param
    return found


def test_a_seed_decides_every_row(split: Split) -> None:
    assert list(rows(split, 50, seed=1)) == list(rows(split, 50, seed=1))
    assert list(rows(split, 50, seed=1)) != list(rows(split, 50, seed=2))


def test_a_smaller_set_is_the_beginning_of_a_larger_one(split: Split) -> None:
    assert list(rows(split, 20, seed=0)) == list(rows(split, 70, seed=0))[:20]


def test_rows_have_the_columns_of_the_task_and_fit_on_one_line(split: Split) -> None:
    for row in rows(split, 600, seed=0):
        assert len(row.texts) == len(split.definition.text_columns)
        assert not any(mark in text for text in row.texts for mark in "\t\n\r")


@pytest.mark.parametrize("task", [task for task in TASKS if task != "stsb"])
def test_labels_are_ids_of_the_task_and_balanced_even_in_a_small_set(task: str) -> None:
    for split in splits_of(task):
        names = split.definition.labels
        counts = Counter(row.label for row in rows(split, 48, seed=0))
        assert set(counts) == set(range(len(names)))
        assert min(counts.values()) >= 0.7 * 48 / len(names)


def test_similarity_scores_span_the_scale_with_at_most_three_decimals() -> None:
    scores = [row.label for row in rows(splits_of("stsb")[0], 512, seed=0)]
    assert min(scores) == 0
    assert max(scores) == 5
    assert all(score == round(score, 3) for score in scores)
    assert len(set(scores)) > 20


@pytest.mark.parametrize("task", [task for task in TASKS if task != "ax"])
def test_no_first_text_is_shared_between_train_dev_and_test(task: str) -> None:
    texts: dict[str, set[str]] = {"train": set(), "dev": set(), "test": set()}
    for split in splits_of(task):
        texts[split.part].update(row.texts[0] for row in plain(split))
    assert not texts["train"] & texts["dev"]
    assert not texts["train"] & texts["test"]
    assert not texts["dev"] & texts["test"]


@pytest.mark.parametrize("task", ["mrpc", "qqp", "mnli", "qnli", "rte"])
def test_the_same_pair_never_has_two_labels(task: str) -> None:
    labels: dict[tuple[str, ...], float] = {}
    for row in plain(splits_of(task)[0], 5000):
        assert labels.setdefault(row.texts, row.label) == row.label


def test_the_first_eight_rows_hold_each_kind_of_awkward_row(split: Split) -> None:
    texts = [row.texts for row in rows(split, 8, seed=0)]
    assert texts[1][0].count('"') == 1
    assert all("東京" in text and "\u2028" in text for text in texts[3])
    assert all(len(text.split()) > 128 for text in texts[5])
    assert len(texts[7][-1]) <= 4


def test_rows_past_the_first_512_are_never_awkward() -> None:
    assert all(
        text.isascii() and '"' not in text and len(text) < 300
        for row in plain(splits_of("qqp")[-1])
        for text in row.texts
    )


def test_pairs_meet_an_empty_text_and_words_that_look_like_a_missing_value() -> None:
    seconds = {row.texts[1] for row in rows(splits_of("qqp")[0], 512, seed=0)}
    assert {"", "null", "N/A"} <= seconds


def test_matched_and_mismatched_mnli_come_from_different_genres() -> None:
    genres = {split.name: {row.genre for row in rows(split, 60, seed=0)} for split in splits_of("mnli")}
    assert genres["train"] == genres["validation_matched"] == genres["test_matched"]
    assert genres["validation_mismatched"] == genres["test_mismatched"]
    assert not genres["train"] & genres["validation_mismatched"]


def test_rows_are_made_one_at_a_time() -> None:
    endless = rows(splits_of("qqp")[-1], 10**12, seed=0)
    assert len(next(endless).texts) == 2
