import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.problems import InvalidInputError
from finetune_core.tasks.data_files import AX, TRAIN, DataLayout, custom_files, find_glue_files
from finetune_core.tasks.registry import GLUE_TASKS

WHERE = "spec.data.uri"

OFFICIAL = [
    *(f"{task.folder}/{split}.tsv" for task in GLUE_TASKS.values() for split in ("train", "dev", "test")),
    *(f"MNLI/{split}_{kind}.tsv" for split in ("dev", "test") for kind in ("matched", "mismatched")),
    "MNLI/original/multinli_1.0_train.txt",
    "STS-B/readme.txt",
    "diagnostic/diagnostic.tsv",
]
PARQUET = [
    *(
        f"{task}/{split}-00000-of-00001.parquet"
        for task in GLUE_TASKS
        if task != "mnli"
        for split in ("train", "validation", "test")
    ),
    *(
        f"mnli/{split}-00000-of-00001.parquet"
        for split in ("train", "validation_matched", "validation_mismatched", "test_matched", "test_mismatched")
    ),
    "ax/test-00000-of-00001.parquet",
    "README.md",
]


def problems(task: str, paths: list[str]) -> str:
    with pytest.raises(InvalidInputError) as caught:
        find_glue_files(GLUE_TASKS[task], paths, where=WHERE)
    assert {problem.field for problem in caught.value.problems} == {WHERE}
    return str(caught.value)


@pytest.mark.parametrize("task", [task for task in GLUE_TASKS if task != "mnli"])
def test_each_task_finds_its_own_files_in_the_official_layout(task: str) -> None:
    folder = GLUE_TASKS[task].folder
    found = find_glue_files(GLUE_TASKS[task], OFFICIAL, where=WHERE)
    assert found.layout == DataLayout.TSV
    assert found.files == {
        "train": (f"{folder}/train.tsv",),
        "validation": (f"{folder}/dev.tsv",),
        "test": (f"{folder}/test.tsv",),
    }


def test_mnli_finds_both_dev_and_test_sets_and_the_diagnostic_set() -> None:
    found = find_glue_files(GLUE_TASKS["mnli"], OFFICIAL, where=WHERE)
    assert found.files == {
        "train": ("MNLI/train.tsv",),
        "validation_matched": ("MNLI/dev_matched.tsv",),
        "validation_mismatched": ("MNLI/dev_mismatched.tsv",),
        "test_matched": ("MNLI/test_matched.tsv",),
        "test_mismatched": ("MNLI/test_mismatched.tsv",),
        AX: ("diagnostic/diagnostic.tsv",),
    }


@pytest.mark.parametrize("task", GLUE_TASKS)
def test_each_task_finds_its_own_files_in_the_parquet_layout(task: str) -> None:
    found = find_glue_files(GLUE_TASKS[task], PARQUET, where=WHERE)
    assert found.layout == DataLayout.PARQUET
    splits = {TRAIN, *GLUE_TASKS[task].evaluation_splits.values(), *GLUE_TASKS[task].test_splits}
    ax = {AX: ("ax/test-00000-of-00001.parquet",)} if task == "mnli" else {}
    assert found.files == {split: (f"{task}/{split}-00000-of-00001.parquet",) for split in splits} | ax


@given(st.permutations(OFFICIAL), st.sampled_from(sorted(GLUE_TASKS)))
def test_the_order_of_the_listing_does_not_matter(paths: list[str], task: str) -> None:
    assert find_glue_files(GLUE_TASKS[task], paths, where=WHERE) == find_glue_files(
        GLUE_TASKS[task], OFFICIAL, where=WHERE
    )


def test_a_folder_of_one_tasks_own_is_read_too() -> None:
    found = find_glue_files(GLUE_TASKS["rte"], ["train.tsv", "dev.tsv", "test.tsv"], where=WHERE)
    assert found.files["train"] == ("train.tsv",)
    shards = [f"{split}-00000-of-00001.parquet" for split in ("train", "validation")]
    assert find_glue_files(GLUE_TASKS["rte"], shards, where=WHERE).files["train"] == (shards[0],)


def test_the_tasks_folder_wins_over_files_at_the_top() -> None:
    paths = ["train.tsv", "dev.tsv", "test.tsv", "RTE/train.tsv", "RTE/dev.tsv"]
    found = find_glue_files(GLUE_TASKS["rte"], paths, where=WHERE)
    assert found.files == {"train": ("RTE/train.tsv",), "validation": ("RTE/dev.tsv",)}


def test_splits_are_never_taken_from_two_folders() -> None:
    assert "lacks validation" in problems("rte", ["RTE/train.tsv", "dev.tsv"])
    mixed = [
        "rte/train-00000-of-00001.parquet",
        "train-00000-of-00001.parquet",
        "rte/validation-00000-of-00001.parquet",
    ]
    found = find_glue_files(GLUE_TASKS["rte"], mixed, where=WHERE)
    assert found.files["train"] == ("rte/train-00000-of-00001.parquet",)


def test_shards_come_in_order() -> None:
    train = [f"qqp/train-{number:05}-of-00012.parquet" for number in range(12)]
    paths = [*reversed(train), "qqp/validation-00000-of-00001.parquet"]
    assert find_glue_files(GLUE_TASKS["qqp"], paths, where=WHERE).files["train"] == tuple(train)


@pytest.mark.parametrize(
    "shards",
    [
        ["qqp/train-00000-of-00002.parquet"],
        ["qqp/train-00000-of-00001.parquet", "qqp/train-00000-of-00002.parquet"],
    ],
)
def test_a_missing_shard_is_told_rather_than_left_out_of_the_training(shards: list[str]) -> None:
    assert "split train is not whole" in problems("qqp", [*shards, "qqp/validation-00000-of-00001.parquet"])


def test_test_sets_may_be_missing() -> None:
    found = find_glue_files(GLUE_TASKS["mnli"], [path for path in OFFICIAL if "test" not in path], where=WHERE)
    assert not {"test_matched", "test_mismatched"} & set(found.files)


@pytest.mark.parametrize("gone", ["dev_matched", "dev_mismatched"])
def test_both_dev_sets_of_mnli_are_wanted(gone: str) -> None:
    split = gone.replace("dev", "validation")
    assert problems("mnli", [path for path in OFFICIAL if gone not in path]).endswith(f"lacks {split}: add it")


def test_nothing_found_says_what_was_expected_and_what_is_there() -> None:
    message = problems("cola", [f"photos/{number}.jpg" for number in range(20)])
    assert "CoLA/train.tsv" in message
    assert "cola/train-00000-of-00001.parquet" in message
    assert "and 12 more" in message
    assert "no files at all" in problems("cola", [])


def test_letter_case_matters() -> None:
    assert "no training file" in problems("cola", ["cola/train.tsv", "COLA/train.tsv"])


def test_custom_task_finds_the_files_that_it_names() -> None:
    named = {"train": "a/train.csv", "validation": "dev.csv", "test": None}
    found = custom_files(named, ["dev.csv", "a/train.csv", "more.csv"], where="spec.tasks[spam].data")
    assert found.layout == DataLayout.CUSTOM
    assert found.files == {"train": ("a/train.csv",), "validation": ("dev.csv",)}


def test_a_path_is_found_however_it_is_written() -> None:
    found = custom_files(
        {"train": "./a//train.csv", "validation": "a/../dev.csv"}, ["dev.csv", "a/train.csv"], where=""
    )
    assert found.files == {"train": ("a/train.csv",), "validation": ("dev.csv",)}


def test_a_dev_file_may_have_the_name_of_its_split() -> None:
    found = find_glue_files(GLUE_TASKS["rte"], ["RTE/train.tsv", "RTE/validation.tsv"], where=WHERE)
    assert found.files == {"train": ("RTE/train.tsv",), "validation": ("RTE/validation.tsv",)}
    both = ["RTE/train.tsv", "RTE/validation.tsv", "RTE/dev.tsv"]
    assert find_glue_files(GLUE_TASKS["rte"], both, where=WHERE).files["validation"] == ("RTE/dev.tsv",)


def test_custom_task_is_told_of_all_files_that_are_not_there() -> None:
    named = {"train": "train.csv", "validation": "dev.csv", "test": "test.csv"}
    with pytest.raises(InvalidInputError) as caught:
        custom_files(named, ["test.csv"], where="spec.tasks[spam].data")
    assert [problem.field for problem in caught.value.problems] == [
        "spec.tasks[spam].data.train",
        "spec.tasks[spam].data.validation",
    ]
    assert "train.csv is not there: correct the name, or add the file; there are: test.csv" in str(caught.value)
