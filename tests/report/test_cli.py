import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from finetune_core.leaderboard.submission import pack
from finetune_core.planning.plan import ExecutionLimits
from finetune_core.planning.pods import job_plan
from finetune_core.results.run import ExitCode
from finetune_report import cli
from finetune_store import (
    POD_RETRY_SECONDS,
    AccessDeniedError,
    DirectoryStore,
    InvalidCredentialsError,
    InvalidKeyError,
    NoSuchBucketError,
    StoreError,
    StoreFullError,
    TlsError,
    TooLargeError,
    UnreachableError,
)
from finetune_store.signs import signs_of_life
from support.report_store import fail_run, finish_run, layout_of, read_json
from support.results import all_prediction_files, plan_of

PLAN = plan_of({"cola": 2, "rte": 1})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store that FINETUNE_STORE names; termination messages go to a file beside it."""
    folder = tmp_path / "store"
    monkeypatch.setenv("FINETUNE_STORE", folder.as_uri())
    termination = tmp_path / "termination-log"
    termination.touch()
    monkeypatch.setattr(cli, "TERMINATION_LOG", termination)
    return folder


@pytest.fixture
def store(folder: Path) -> DirectoryStore:
    store = DirectoryStore(folder)
    store.put(layout_of(PLAN).plan, PLAN.to_bytes())
    finish_run(store, PLAN, "cola", 0, 0.5)
    return store


def termination(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder.parent / "termination-log").read_text())
    return found


def build_from_store(*more: str) -> int:
    return cli.main(["build", "--plan-key", layout_of(PLAN).plan, *more])


def test_build_reads_the_plan_from_the_store_and_ends_with_0(store: DirectoryStore) -> None:
    assert build_from_store() == 0
    assert read_json(store, layout_of(PLAN).results("json"))["experiment"] == "demo"


def test_build_reads_a_plan_file_of_an_experiment_or_of_a_job(store: DirectoryStore, tmp_path: Path) -> None:
    ids = frozenset(run.run_id for run in PLAN.runs)
    job = job_plan(PLAN, ids, runs_per_pod=1, limits=ExecutionLimits())
    written = []
    for name, content in (("plan.json", PLAN.to_bytes()), ("job.json", job.to_bytes())):
        (tmp_path / name).write_bytes(content)
        assert cli.main(["build", "--plan", str(tmp_path / name)]) == 0
        written.append(store.get(layout_of(PLAN).results("json")))
    assert written[0] == written[1]


def test_store_option_wins_over_the_environment(store: DirectoryStore, tmp_path: Path) -> None:
    other = tmp_path / "other"
    DirectoryStore(other).put(layout_of(PLAN).plan, PLAN.to_bytes())
    assert build_from_store("--store", other.as_uri()) == 0
    assert (other / "team/demo/results.json").exists()
    assert store.stat(layout_of(PLAN).results("json")) is None


def test_failed_runs_are_given_as_the_operator_does_as_words_or_in_a_file(
    store: DirectoryStore, tmp_path: Path
) -> None:
    lost = [fail_run(store, PLAN, "cola", 1, "why"), fail_run(store, PLAN, "rte", 0, "why")]
    (tmp_path / "failed").write_text("\n".join(lost) + "\n")
    for given in (
        [f"--failed={run_id}" for run_id in lost],
        ["--failed", *lost],
        ["--failed-file", str(tmp_path / "failed")],
    ):
        store.delete(layout_of(PLAN).results("json"))
        assert build_from_store(*given) == 0
        runs = read_json(store, layout_of(PLAN).results("json"))["runs"]
        assert {run["runId"] for run in runs if run["state"] == "Failed"} == set(lost)


def test_a_refused_zip_is_no_failure(folder: Path) -> None:
    store = DirectoryStore(folder)
    plan = plan_of({"cola": 1}, leaderboard={})
    store.put(layout_of(plan).plan, plan.to_bytes())
    assert cli.main(["build", "--plan-key", layout_of(plan).plan]) == 0
    assert read_json(store, layout_of(plan).submission_manifest)["state"] == "Refused"


def test_what_a_person_must_put_right_ends_with_64_and_says_so_to_kubernetes(
    store: DirectoryStore, folder: Path
) -> None:
    store.put(layout_of(PLAN).plan, b"{")
    assert build_from_store() == 64
    assert termination(folder)["reason"] == "UserError"
    assert "is no plan of this version" in termination(folder)["message"]


def test_results_that_are_not_those_expected_have_whoever_ordered_look_again(
    store: DirectoryStore, folder: Path
) -> None:
    assert build_from_store("--expect-digest", "0" * 16) == ExitCode.RESULTS_CHANGED
    assert termination(folder)["reason"] == "ResultsChanged"
    assert "ordered for" in termination(folder)["message"]


def test_a_store_that_is_away_is_waited_for_as_long_as_by_trainers(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def opened(_uri: str, *, retry_seconds: float, **_: object) -> DirectoryStore:
        asked.append(retry_seconds)
        return store

    monkeypatch.setattr(cli, "open_store", opened)
    assert build_from_store() == 0
    assert max(asked) == POD_RETRY_SECONDS == 900


def test_a_long_reason_stays_json_within_what_kubernetes_keeps(
    store: DirectoryStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["build", "--plan", "/no/" + "ä" * 5000]) == 64
    assert len((folder.parent / "termination-log").read_bytes()) < 4096
    assert termination(folder)["reason"] == "UserError"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnreachableError("s3://bucket does not answer"), ExitCode.STORE),
        (AccessDeniedError("s3://bucket: denied"), ExitCode.STORE),
        (InvalidCredentialsError("s3://bucket: the key has expired"), ExitCode.STORE),
        (StoreFullError("s3://bucket: raise the quota"), ExitCode.STORE),
        (NoSuchBucketError("s3://bucket: there is none"), ExitCode.STORE),
        (TlsError("s3://bucket: not trusted"), ExitCode.STORE),
        (InvalidKeyError("s3://bucket: no key"), ExitCode.USER_ERROR),
        (TooLargeError("s3://bucket/plan.json", 1), ExitCode.USER_ERROR),
    ],
)
def test_a_store_that_somebody_can_mend_is_tried_again_for_as_long_as_it_takes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: StoreError, code: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "open_store", refuse)
    assert build_from_store() == code
    assert termination(folder) == {"reason": "StoreUnavailable", "message": str(error)}


def test_no_store_says_how_to_name_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("FINETUNE_STORE")
    assert build_from_store() == 64
    assert "give --store or set FINETUNE_STORE" in caplog.text


@pytest.mark.parametrize("content", [b"{", b"[]", b"7", b'{"namespace": "team"}', b'{"indexes": []}', b"\xff"])
def test_what_is_no_plan_says_so(store: DirectoryStore, folder: Path, content: bytes) -> None:
    store.put(layout_of(PLAN).plan, content)
    assert build_from_store() == 64
    assert "is no plan of this version" in termination(folder)["message"]


def test_a_plan_that_is_not_there_says_so(folder: Path) -> None:
    assert build_from_store() == 64
    assert "cannot be read" in termination(folder)["message"]


def test_show_prints_the_table(store: DirectoryStore, capsys: pytest.CaptureFixture[str]) -> None:
    build_from_store()
    capsys.readouterr()
    assert cli.main(["show", "team/demo"]) == 0
    assert capsys.readouterr().out == store.get(layout_of(PLAN).results("md")).decode()


def test_show_does_not_pass_an_unfinished_report_off_as_one(
    store: DirectoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    build_from_store()
    store.delete(layout_of(PLAN).results("json"))
    capsys.readouterr()
    assert cli.main(["show", "team/demo"]) == 64
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["demo", "team/", "/demo", "a/b/c", ""])
def test_show_wants_namespace_and_name(store: DirectoryStore, name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert cli.main(["show", name]) == 64
    assert "NAMESPACE/EXPERIMENT" in caplog.text


def test_check_passes_a_good_zip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "good.zip").write_bytes(pack(all_prediction_files()))
    assert cli.main(["check", str(tmp_path / "good.zip")]) == 0
    assert "as the leaderboard wants it" in capsys.readouterr().out


def test_check_lists_what_is_wrong_with_a_zip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = all_prediction_files()
    del files["AX.tsv"]
    (tmp_path / "bad.zip").write_bytes(pack({**files, "notes.txt": b""}))
    assert cli.main(["check", str(tmp_path / "bad.zip")]) == 64
    assert capsys.readouterr().out == "notes.txt: does not belong into the zip\nAX.tsv: is missing\n"


def test_check_says_when_there_is_no_such_file(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert cli.main(["check", "/no/such.zip"]) == 64
    assert "/no/such.zip cannot be read" in caplog.text


def test_no_heavy_library_is_imported() -> None:
    """The report Job has a pod of its own: it should do its work in the time that torch takes to import."""
    heavy = ("torch", "transformers", "ray", "numpy", "pandas", "pyarrow", "sklearn", "kopf", "kubernetes", "rich")
    code = f"import sys, finetune_report.cli; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_show_renders_the_table_for_a_person(
    store: DirectoryStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    build_from_store()
    capsys.readouterr()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli.main(["show", "team/demo"]) == 0
    shown = capsys.readouterr().out
    assert "cola" in shown
    assert "| --- |" not in shown


def test_the_pod_gives_signs_of_life_while_it_reports(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def waiting(*_: object, **__: object) -> None:
        while store.stat("ns/exp/signs/uid") is None:
            sum(range(10_000))

    monkeypatch.setattr(cli, "build", waiting)
    monkeypatch.setattr(cli, "signs_of_life", partial(signs_of_life, every=0.001))
    assert build_from_store("--sign", "ns/exp/signs/uid") == 0
    assert store.stat("ns/exp/signs/uid") is None
