import io
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from pyarrow.parquet import write_table

from finetune_core.planning.plan import Plan, TaskPlan
from finetune_core.tasks.data_files import DataLayout, SplitFiles
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_report.build import build
from finetune_report.labels import known_constants
from finetune_store import AccessDeniedError, DirectoryStore, Store, UnreachableError
from support.report_store import finish_run, layout_of, read_json
from support.results import plan_of, prediction_file

# One training file a task, in the official layout; the majority is not the documented constant.
OFFICIAL = {
    "cola": "gj04\t0\t*\tOne.\ngj04\t0\t*\tTwo.\ngj04\t1\t\tThree.\n",
    "sst2": "sentence\tlabel\nbad\t0\nworse\t0\ngood\t1\n",
    "mrpc": '\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t1\t2\ta "lone\tb\n0\t1\t2\ta\tb\n1\t1\t2\ta\tb',
    "stsb": "index\tgenre\tsentence1\tsentence2\tscore\n0\tx\ta\tb\t1.000\n1\tx\ta\tb\t2.500\n",
    "qqp": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\ta\tb\t1\n",
    "mnli": "index\tsentence1\tsentence2\tlabel1\tgold_label\n0\ta\tb\tneutral\tcontradiction\n",
    "qnli": "index\tquestion\tsentence\tlabel\n0\ta\tb\tnot_entailment\r\n",
    "rte": "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n",
    "wnli": "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n",
}
EXPECTED = {
    "CoLA.tsv": "0",
    "SST-2.tsv": "0",
    "MRPC.tsv": "0",
    "STS-B.tsv": "1.750",
    "QQP.tsv": "1",
    "MNLI-m.tsv": "contradiction",
    "MNLI-mm.tsv": "contradiction",
    "AX.tsv": "contradiction",
    "QNLI.tsv": "not_entailment",
    "RTE.tsv": "not_entailment",
    "WNLI.tsv": "1",
}
PLAN = plan_of(dict.fromkeys(GLUE_TASKS, 1), leaderboard={"missingTasks": "Placeholder"})


@pytest.fixture
def data(tmp_path: Path) -> DirectoryStore:
    store = DirectoryStore(tmp_path / "data")
    for task, text in OFFICIAL.items():
        store.put(f"{GLUE_TASKS[task].folder}/train.tsv", text.encode())
    return store


def parquet_plan(task: str, files: tuple[str, ...]) -> Plan:
    plan = plan_of({task: 1})
    splits = SplitFiles(layout=DataLayout.PARQUET, files={"train": files})
    changed: TaskPlan = plan.tasks[task].model_copy(
        update={"data": plan.tasks[task].data.model_copy(update={"splits": splits})}
    )
    return plan.model_copy(update={"tasks": {task: changed}})


def parquet(labels: list[int] | list[float]) -> bytes:
    buffer = io.BytesIO()
    write_table(pyarrow.table({"sentence1": ["a"] * len(labels), "label": labels}), buffer)
    return buffer.getvalue()


def test_majority_labels_come_from_the_official_training_files(data: DirectoryStore) -> None:
    assert known_constants(PLAN, EXPECTED, lambda uri: data) == EXPECTED


def test_only_missing_files_are_looked_at(data: DirectoryStore) -> None:
    assert known_constants(PLAN, ["RTE.tsv", "AX.tsv"], lambda uri: data) == {
        "RTE.tsv": "not_entailment",
        "AX.tsv": "contradiction",
    }


def test_parquet_ids_become_the_words_that_the_file_wants(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    shards = ("rte/train-00000-of-00002.parquet", "rte/train-00001-of-00002.parquet")
    store.put(shards[0], parquet([0, 1]))
    store.put(shards[1], parquet([1]))
    assert known_constants(parquet_plan("rte", shards), ["RTE.tsv"], lambda uri: store) == {"RTE.tsv": "not_entailment"}


def test_wnli_ids_of_parquet_are_written_as_the_leaderboard_has_them(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put("wnli/train.parquet", parquet([1, 1, 0]))
    plan = parquet_plan("wnli", ("wnli/train.parquet",))
    assert known_constants(plan, ["WNLI.tsv"], lambda uri: store) == {"WNLI.tsv": "1"}


def test_parquet_scores_stay_numbers(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put("stsb/train.parquet", parquet([1.0, 4.0]))
    plan = parquet_plan("stsb", ("stsb/train.parquet",))
    assert known_constants(plan, ["STS-B.tsv"], lambda uri: store) == {"STS-B.tsv": "2.500"}


def test_data_that_cannot_be_opened_leaves_the_documented_constant() -> None:
    assert known_constants(PLAN, EXPECTED, lambda uri: None) == {}


def raising(error: Exception) -> Callable[[str], Store | None]:
    def open_data(uri: str) -> Store | None:
        raise error

    return open_data


def test_data_that_may_not_be_read_leaves_the_documented_constant() -> None:
    assert known_constants(PLAN, EXPECTED, raising(AccessDeniedError("no"))) == {}


def test_data_that_is_gone_leaves_the_documented_constant(tmp_path: Path) -> None:
    assert known_constants(PLAN, EXPECTED, lambda uri: DirectoryStore(tmp_path)) == {}


def test_data_that_cannot_be_reached_now_is_tried_again() -> None:
    with pytest.raises(UnreachableError):
        known_constants(PLAN, EXPECTED, raising(UnreachableError("down")))


def test_training_file_without_its_label_column_leaves_the_documented_constant(data: DirectoryStore) -> None:
    data.put("RTE/train.tsv", b"sentence1\tsentence2\na\tb\n")
    assert known_constants(PLAN, ["RTE.tsv"], lambda uri: data) == {}


def test_placeholders_of_a_report_hold_the_majority_and_are_marked(tmp_path: Path, data: DirectoryStore) -> None:
    store = DirectoryStore(tmp_path / "store")
    cola = prediction_file(GLUE_TASKS["cola"].submission[0])
    finish_run(store, PLAN, "cola", 0, 0.5, predictions={"CoLA.tsv": cola})
    document = build(store, PLAN, [], open_data=lambda uri: data, plots=False)
    assert document.submission is not None
    assert document.submission.placeholders == tuple(name for name in document.submission.missing)
    manifest = read_json(store, layout_of(PLAN).submission_manifest)
    constants = {file["name"]: file["constant"] for file in manifest["files"] if file["placeholder"]}
    assert constants == {name: constant for name, constant in EXPECTED.items() if name != "CoLA.tsv"}
