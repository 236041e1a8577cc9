"""Which models and rows are compared, which are refused and why; the tests themselves are tests/report's."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from finetune_core.results.comparison.items import Interval, Items, Sheet, compare_items, file_of, measured_by_rows
from finetune_core.results.comparison.schema import ItemComparison
from finetune_core.results.dev_predictions import read_tsv, to_tsv
from finetune_core.results.run import DevPredictionFile
from finetune_core.tables.comparison_text import item_words

RECORD = DevPredictionFile(rows=4, sha256="0" * 64, data="d1", positive="yes")


class Counting:
    """Tests that say what they were asked."""

    asked: tuple[str, Items]

    def mcnemar(self, only_before: int, only_after: int) -> float:
        return 0.5 if (only_before, only_after) == (1, 0) else 0.01

    def bootstrap(self, metric: str, items: Items) -> Interval:
        self.asked = (metric, items)
        return Interval(0.5, 0.75, 0.1, 0.4)


def sheet(predictions: str, seed: int = 1, labels: str = "yyyn", rows: Sequence[int] = (), **record: Any) -> Sheet:
    names = {"y": "yes", "n": "no"}
    pairs = [(names[label], names[guess]) for label, guess in zip(labels, predictions, strict=True)]
    answers = dict(zip(rows or range(len(pairs)), pairs, strict=True))
    return Sheet(f"run-{seed}-{predictions}", seed, RECORD.model_copy(update=record), answers)


def several(*predictions: str, names: Sequence[str] = ("a", "b")) -> Sheet:
    """Sets of labels of one letter each: the first row has both, the others have none."""
    truth = ["ab", *[""] * (len(predictions) - 1)]
    lists = [(json.dumps([*label]), json.dumps([*guess])) for label, guess in zip(truth, predictions, strict=True)]
    record = RECORD.model_copy(update={"positive": None, "labels": tuple(names)})
    return Sheet("run", 1, record, dict(enumerate(lists)))


def compared(before: list[Sheet], after: list[Sheet], metric: str = "accuracy") -> tuple[ItemComparison, Counting]:
    tests = Counting()
    return compare_items("rte", metric, before, after, tests), tests


def test_models_of_the_same_seed_are_partners_and_others_are_left_out() -> None:
    made, tests = compared([sheet("yynn", 1), sheet("nnnn", 2), sheet("yyyy", 9)], [sheet("yyyn", 2), sheet("nynn", 1)])
    assert made.before_seeds == made.after_seeds == (1, 2)
    assert [list(map(len, side)) for side in (tests.asked[1].before, tests.asked[1].after)] == [[4, 4], [4, 4]]
    first, second = made.pairs
    assert (first.both, first.only_before, first.only_after, first.neither) == (2, 1, 0, 1)
    assert (second.both, second.only_before, second.only_after, second.neither) == (1, 0, 3, 0)
    assert [pair.p_holm for pair in made.pairs] == [0.5, 0.02]
    assert (made.items, made.data, made.difference) == (4, "d1", 0.25)


def test_of_several_labels_a_row_is_right_where_it_has_all_of_them_and_no_other() -> None:
    made, tests = compared([several("ab", "a", "", "b")], [several("a", "", "", "a")], metric="f1_micro")
    assert (tests.asked[0], tests.asked[1].names) == ("f1_micro", ("a", "b"))
    [pair] = made.pairs
    assert (pair.both, pair.only_before, pair.only_after, pair.neither) == (1, 1, 1, 1)


def test_without_a_common_seed_all_models_are_compared_one_after_another() -> None:
    made, _ = compared([sheet("yyyn", 1), sheet("yynn", 2)], [sheet("yyyn", 7)])
    assert (made.before_seeds, made.after_seeds) == ((1, 2), (7,))
    assert [(pair.before_seed, pair.after_seed) for pair in made.pairs] == [(1, 7)]
    assert "models of the seeds 1, 2 before, 7 after" in item_words(made)


def test_only_rows_that_all_models_have_are_compared() -> None:
    made, tests = compared([sheet("yyyn", rows=(0, 2, 4, 6))], [sheet("yyyn", rows=(4, 6, 8, 9), labels="ynyn")])
    assert made.items == 2
    assert tests.asked[1].labels == ["yes", "no"]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ([], [sheet("yyyn")], "no run before has dev predictions: it was trained before they were kept"),
        ([sheet("yyyn")], [], "no run after has dev predictions"),
        (
            [sheet("yyyn")],
            [sheet("yyyn", data="d2")],
            "the dev sets differ (digest d1 before, d2 after): give both the same file",
        ),
        ([sheet("yyyn"), sheet("yyyn", 2, data="d0")], [sheet("yyyn")], "digest d0, d1 before, d1 after"),
        ([sheet("yyyn")], [sheet("yyyn", labels="yynn")], "row 2 of the dev set has the labels no and yes"),
        ([sheet("yyyn")], [sheet("yyyn", positive="no")], "the order of the labels differs"),
        (
            [several("ab", "a")],
            [several("ab", "a", names=("b", "a"))],
            "the labels that a text can have differ, or their order: give both the same labels",
        ),
        ([sheet("yyyn")], [sheet("yyyn", regression=True)], "one predicts labels and the other scores"),
        ([sheet("yyyn")], [sheet("yyyn", rows=(4, 5, 6, 7))], "no row of the dev set in common"),
    ],
)
def test_what_is_not_of_the_same_rows_is_not_compared(before: list[Sheet], after: list[Sheet], reason: str) -> None:
    made, _ = compared(before, after)
    assert made.reason is not None
    assert reason in made.reason
    assert (made.difference, made.pairs) == (None, ())
    assert item_words(made) == f"rte, row by row: not compared: {made.reason}."


@pytest.mark.parametrize(
    ("metric", "record", "compared_by"),
    [
        ("f1", {}, "f1"),
        ("loss", {}, "accuracy"),
        ("f1", {"positive": None}, "accuracy"),
        ("mm_accuracy", {"prefix": "mm_"}, "accuracy"),
        ("a_users_own", {}, "accuracy"),
        ("pearson", {"regression": True}, "pearson"),
        ("loss", {"regression": True}, "mse"),
        ("f1_macro", {"labels": ("a", "b")}, "f1_macro"),
        ("average_precision", {"labels": ("a", "b")}, "subset_accuracy"),
    ],
)
def test_the_metric_is_the_one_that_decides_where_predictions_give_it(
    metric: str, record: dict[str, Any], compared_by: str
) -> None:
    assert measured_by_rows(metric, RECORD.model_copy(update=record)) == compared_by


def test_a_metric_is_of_the_dev_set_whose_prefix_it_has() -> None:
    files = {"validation_matched.tsv": RECORD, "validation_mismatched.tsv": RECORD.model_copy(update={"prefix": "mm_"})}
    assert file_of("accuracy", files) == "validation_matched.tsv"
    assert file_of("mm_accuracy", files) == "validation_mismatched.tsv"
    assert file_of("accuracy", {}) is None


def test_words_say_rows_digest_seeds_and_both_tests() -> None:
    made, _ = compared([sheet("yynn", 1)], [sheet("nynn", 1)])
    assert item_words(made) == (
        "rte, row by row over 4 rows of the dev set (digest d1), models of the seed 1: accuracy 50.00 → 75.00, "
        "+25.00 [+10.00, +40.00] by a paired bootstrap of the rows. McNemar's exact test: seed 1: 1 right before "
        "alone, 0 after alone, p 0.500 (0.500)."
    )


def test_labels_of_any_characters_come_back_from_a_file() -> None:
    lines = [(0, 'a\tb"c', "x\ny\r", "0.5"), (1, "", "'", "")]
    read = read_tsv(b"".join(to_tsv(lines)))
    assert (read.index, read.label, read.prediction) == ((0, 1), ('a\tb"c', ""), ("x\ny\r", "'"))
    assert read.probability == (0.5, None)
    assert read_tsv(b"".join(to_tsv([]))).index == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"index\tprediction\n",
        b"\xff",
        pytest.param(b"\n" * 800_001, id="lines"),
        b'index\tlabel\tprediction\tprobability\n0\t"a',
        b"a",
    ],
)
def test_another_file_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the words are of csv, of UTF-8, or of Python
        read_tsv(content)


def test_the_folds_of_a_seed_are_one_model_over_all_rows_of_the_training_file() -> None:
    before = [sheet("yn", 1, labels="yn", rows=(0, 3)), sheet("nn", 1, labels="yn", rows=(1, 2))]
    after = [sheet("yyyn", 1, labels="yynn", rows=(0, 1, 2, 3))]
    made, tests = compared(before, after)
    assert (made.items, made.before_seeds, len(made.pairs)) == (4, (1,), 1)
    assert [list(map(str, side)) for side in tests.asked[1].before] == [["yes", "no", "no", "no"]]
    assert made.pairs[0].before_run == "run-1-yn run-1-nn"
