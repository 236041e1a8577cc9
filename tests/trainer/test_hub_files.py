"""Splits of data sets on the hub: the same files as `datasets` finds, or a refusal that names what there is."""

import os

import pytest
from datasets import load_dataset_builder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune_core.problems import InvalidInputError
from finetune_core.tasks.hub_files import MOST_BYTES, HubFile, HubListing, find_hub_files

URI = "hf://org/data@main"


def listing(paths, card=""):
    return HubListing("c" * 40, tuple(HubFile(path, 7, "a" * 40) for path in paths), card)


def found(paths, card="", config=None, split="train"):
    names = {"train": split}
    splits, _ = find_hub_files(listing(paths, card), names, config, uri=URI, where="data")
    return splits.files["train"]


def refused(paths, card="", config=None, split="train"):
    with pytest.raises(InvalidInputError) as caught:
        found(paths, card, config, split)
    return str(caught.value)


def theirs(folder, paths, card, config):
    """What the library finds in a folder with the same files: split -> paths."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("text,label\na,b\n")
    if card:
        (folder / "README.md").write_text(card)
    builder = load_dataset_builder(str(folder), config, cache_dir=str(folder.parent / "cache"))
    return {
        str(split): sorted({os.path.relpath(path, folder) for path in files})
        for split, files in builder.config.data_files.items()
    }


def card_of(text):
    return f"---\nlicense: mit\nconfigs:\n{text}dataset_info:\n  features: []\n---\n# A data set\nconfigs: none\n"


TWO = """\
- config_name: first
  data_files:
  - split: train
    path: first/train-*
  - split: dev
    path:
    - first/dev-*
    - more/**/dev.csv
- config_name: second
  data_files: second/*.csv
- config_name: third
  data_dir: third
  default: true
"""
OF_TWO = ("first/train-0.csv", "first/train-1.csv", "first/dev-0.csv", "more/dev.csv", "more/a/b/dev.csv")
OF_TWO = (*OF_TWO, "second/x.csv", "second/deeper/y.csv", "third/train.csv", "third/test_a.csv", "other.csv")


@pytest.mark.parametrize(
    ("paths", "card", "config"),
    [
        (("train.csv", "test.csv"), "", None),
        (("data/train.csv", "data/dev.csv", "data/eval.csv"), "", None),
        (("train_0.csv", "train_1.csv", "my-validation.csv"), "", None),
        (("data/train/0.csv", "data/train/1.csv", "data/val/0.csv", "train.csv"), "", None),
        (("data/train-00000-of-00002.csv", "data/train-00001-of-00002.csv", "data/odd-00000-of-00001.csv"), "", None),
        (("all.csv", "folder/more.csv"), "", None),
        (("training.csv", "testing.csv", ".hidden/train.csv", "__x__/train.csv"), "", None),
        (("trainer.csv", "contest.csv"), "", None),
        (OF_TWO, card_of(TWO), "first"),
        (OF_TWO, card_of(TWO), "second"),
        (OF_TWO, card_of(TWO), "third"),
        (OF_TWO, card_of(TWO), None),
    ],
)
def test_splits_are_those_of_the_datasets_library(tmp_path, paths, card, config):
    expected = theirs(tmp_path / "data", paths, card, config)
    ours = {split: sorted(found(paths, card, config, split)) for split in expected}
    assert ours == expected
    assert "use one of" in refused(paths, card, config, "nothing")


WORDS = st.sampled_from(["train", "dev", "val", "test", "data", "x", "trainset", "eval_2", "my-train", "a.valid"])
PATHS = st.lists(
    st.tuples(st.lists(WORDS, max_size=2), WORDS).map(lambda parts: "/".join([*parts[0], f"{parts[1]}.csv"])),
    min_size=1,
    max_size=5,
    unique=True,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paths=PATHS)
def test_splits_by_names_are_those_of_the_datasets_library(tmp_path_factory, paths):
    folder = tmp_path_factory.mktemp("named") / "data"
    expected = theirs(folder, paths, "", None)
    assert {split: sorted(found(paths, split=split)) for split in expected} == expected


def test_the_hubs_own_conversion_has_a_folder_for_each_configuration():
    paths = ["en/train/0000.parquet", "en/train/0001.parquet", "en/test/0000.parquet", "de/train/0000.parquet"]
    assert found(paths, config="en") == ("en/train/0000.parquet", "en/train/0001.parquet")
    assert refused(paths) == (
        "data.config: hf://org/data@main has several configurations and no default one: use one of de, en"
    )
    assert found(paths[-1:]) == ("de/train/0000.parquet",)


def test_unknown_names_are_told_with_those_that_exist():
    assert refused(OF_TWO, card_of(TWO), "fourth") == (
        "data.config: hf://org/data@main has no configuration fourth: use one of first, second, third"
    )
    assert refused(OF_TWO, card_of(TWO), "first", "test") == (
        "data.train: hf://org/data@main has no split test: use one of train, dev"
    )
    assert "data.train: gone.csv is not there" in refused(OF_TWO, split="gone.csv")
    assert "has no configuration other: use one of default" in refused(["train.csv"], config="other")


def test_files_can_be_named_whatever_the_card_says():
    assert found(["x/a.jsonl", "data.py"], "---\nconfigs: 7\n---\n", split="x/a.jsonl") == ("x/a.jsonl",)


@pytest.mark.parametrize(
    ("paths", "card", "words"),
    [
        (["data.py", "train.csv"], "", "made by its loading script data.py, and code of a data set is never run"),
        (["train.zip"], "", "kinds that are not read, or of several: train.zip"),
        (["train.csv", "train.parquet"], "", "kinds that are not read, or of several"),
        (["picture.png"], "", "holds no data files"),
        (["x.csv"], card_of("- config_name: a\n  data_files: x.csv\n  sep: ;\n"), "is to be read with sep"),
        (["x.csv"], card_of("- config_name: a\n  data_files: s3://b/x.csv\n"), "none of the repository's"),
        (["x.csv"], card_of("- config_name: a\n  data_files: x.zip::x.csv\n"), "none of the repository's"),
        (["x.csv"], card_of("- config_name: a\n  data_files: '**/**/**/*.csv'\n"), "a pattern that is not read"),
        (["x.csv"], card_of("- config_name: a\n  data_files: '**.csv'\n"), "a pattern that is not read"),
        (["x.csv"], card_of("- &a\n  config_name: a\n"), "cannot be read: line 2: anchors"),
        (["x.csv"], card_of("- data_files: x.csv\n"), "has no config_name"),
        (["x.csv"], "---\nconfigs: 7\n---\n", "are no list"),
        (["x.csv"], card_of("- config_name: a\n  data_files: gone.csv\n"), "has no files"),
    ],
)
def test_what_cannot_be_read_right_is_refused_with_a_remedy(paths, card, words):
    message = refused(paths, card)
    assert words in message
    assert any(remedy in message for remedy in ("in place of", "correct the name", "use one of"))


def test_sizes_are_bounded():
    large = HubListing("c" * 40, (HubFile("train.csv", MOST_BYTES + 1, "a" * 40),))
    with pytest.raises(InvalidInputError, match=r"have 16\.0 GiB in 1 files, and may have 16 GiB"):
        find_hub_files(large, {"train": "train"}, None, uri=URI, where="data")
