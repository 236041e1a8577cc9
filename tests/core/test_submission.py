import hashlib
import io
import zipfile

import pytest

from finetune_core.api import MissingTasks
from finetune_core.leaderboard.checks import check_file, validate_zip
from finetune_core.leaderboard.placeholders import PLACEHOLDER_CONSTANTS, majority, placeholder
from finetune_core.leaderboard.submission import (
    Predictions,
    SubmissionRefused,
    SubmissionState,
    build_submission,
    pack,
    refused_manifest,
)
from finetune_core.planning.plan import Plan
from finetune_core.tasks.registry import GLUE_TASKS, SUBMISSION_FILES
from support.results import all_prediction_files, outcome_of, plan_of, prediction_file

FILES = {file.name: file for file in SUBMISSION_FILES}
PLAN = plan_of(dict.fromkeys(GLUE_TASKS, 2))
TASK_OF = {file.name: task.name for task in GLUE_TASKS.values() for file in task.submission}


def offered(plan: Plan = PLAN, run: int = 0) -> dict[str, Predictions]:
    return {
        name: Predictions(content, outcome_of(plan, TASK_OF[name], run, 0.8))
        for name, content in all_prediction_files().items()
    }


def lacking(*names: str) -> dict[str, Predictions]:
    return {name: file for name, file in offered().items() if name not in names}


def test_zip_holds_exactly_the_eleven_files_as_they_were_predicted() -> None:
    submission = build_submission("team/demo", offered(), MissingTasks.REFUSE)
    assert validate_zip(io.BytesIO(submission.content)) == ()
    with zipfile.ZipFile(io.BytesIO(submission.content)) as archive:
        assert archive.namelist() == [file.name for file in SUBMISSION_FILES]
        assert {name: archive.read(name) for name in archive.namelist()} == all_prediction_files()


def test_manifest_tells_of_every_file_which_run_it_is_from() -> None:
    submission = build_submission("team/demo", offered(run=1), MissingTasks.REFUSE)
    manifest = submission.manifest
    assert manifest.state == SubmissionState.COMPLETE
    assert manifest.sha256 == hashlib.sha256(submission.content).hexdigest()
    assert manifest.size_bytes == len(submission.content)
    assert (manifest.missing, manifest.placeholders, manifest.problems) == ((), (), ())
    for file in manifest.files:
        planned = PLAN.runs_of(TASK_OF[file.name])[1]
        assert (file.task, file.rows) == (TASK_OF[file.name], FILES[file.name].rows)
        assert (file.run_id, file.run, file.seed) == (planned.run_id, 1, planned.seed)
        assert (file.value, file.step, file.placeholder, file.constant) == (0.8, 75, False, None)
        assert file.sha256 == hashlib.sha256(all_prediction_files()[file.name]).hexdigest()


def test_the_same_content_is_the_same_bytes_whatever_order_it_comes_in() -> None:
    forwards = build_submission("team/demo", offered(), MissingTasks.REFUSE)
    backwards = build_submission("team/demo", dict(reversed(offered().items())), MissingTasks.REFUSE)
    assert forwards.content == backwards.content
    assert forwards.manifest == backwards.manifest


def test_zip_bytes_depend_on_nothing_but_names_and_contents() -> None:
    # Pinned: another Python, zlib or operating system must give these very bytes.
    packed = pack({"CoLA.tsv": b"index\tprediction\n0\t1\n", "RTE.tsv": b"index\tprediction\n0\tentailment\n"})
    assert hashlib.sha256(packed).hexdigest() == "7b70a015f6bb9ae840828afaeef0d335eabb0acbe5052e408d3226913bedd963"


def test_other_content_is_another_zip() -> None:
    other = offered()
    other["WNLI.tsv"] = Predictions(prediction_file(FILES["WNLI.tsv"], salt="x"), other["WNLI.tsv"].outcome)
    one = build_submission("team/demo", offered(), MissingTasks.REFUSE)
    two = build_submission("team/demo", other, MissingTasks.REFUSE)
    assert one.manifest.sha256 != two.manifest.sha256


def test_refuse_names_everything_that_is_missing() -> None:
    with pytest.raises(SubmissionRefused) as caught:
        build_submission("team/demo", lacking("SST-2.tsv", "AX.tsv"), MissingTasks.REFUSE)
    assert caught.value.missing == ("SST-2.tsv", "AX.tsv")
    assert str(caught.value) == "SST-2.tsv: missing; AX.tsv: missing"
    manifest = refused_manifest("team/demo", caught.value)
    assert manifest.state == SubmissionState.REFUSED
    assert manifest.sha256 is None
    assert manifest.missing == ("SST-2.tsv", "AX.tsv")


def test_placeholders_stand_in_for_what_is_missing_and_are_marked() -> None:
    submission = build_submission(
        "team/demo", lacking("QQP.tsv", "STS-B.tsv"), MissingTasks.PLACEHOLDER, {"QQP.tsv": "1"}
    )
    assert validate_zip(io.BytesIO(submission.content)) == ()
    manifest = submission.manifest
    assert manifest.state == SubmissionState.WITH_PLACEHOLDERS
    assert set(manifest.placeholders) == {"QQP.tsv", "STS-B.tsv"}
    files = {file.name: file for file in manifest.files}
    assert (files["QQP.tsv"].constant, files["QQP.tsv"].run_id) == ("1", None)
    assert files["STS-B.tsv"].constant == PLACEHOLDER_CONSTANTS["STS-B.tsv"]
    assert files["CoLA.tsv"].placeholder is False
    with zipfile.ZipFile(io.BytesIO(submission.content)) as archive:
        predictions = {line.split(b"\t")[1] for line in archive.read("QQP.tsv").splitlines()[1:]}
    assert predictions == {b"1"}


def test_nothing_predicted_gives_a_zip_of_placeholders_only_where_asked_for() -> None:
    submission = build_submission("team/demo", {}, MissingTasks.PLACEHOLDER)
    assert validate_zip(io.BytesIO(submission.content)) == ()
    assert len(submission.manifest.placeholders) == 11
    with pytest.raises(SubmissionRefused):
        build_submission("team/demo", {}, MissingTasks.REFUSE)


@pytest.mark.parametrize("policy", MissingTasks)
def test_a_wrong_file_is_refused_and_never_replaced(policy: MissingTasks) -> None:
    wrong = offered()
    wrong["RTE.tsv"] = Predictions(prediction_file(FILES["RTE.tsv"], rows=2999), wrong["RTE.tsv"].outcome)
    with pytest.raises(SubmissionRefused, match=r"^RTE\.tsv: 2999 rows; the test set has 3000$"):
        build_submission("team/demo", wrong, policy)


@pytest.mark.parametrize("name", ["MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv"])
def test_the_three_files_of_mnli_must_come_from_one_run(name: str) -> None:
    mixed = offered()
    mixed[name] = Predictions(mixed[name].content, outcome_of(PLAN, "mnli", 1, 0.9))
    with pytest.raises(SubmissionRefused, match="come from different runs"):
        build_submission("team/demo", mixed, MissingTasks.REFUSE)


def test_a_file_that_does_not_belong_is_refused() -> None:
    more = {**offered(), "spam.tsv": offered()["RTE.tsv"]}
    with pytest.raises(SubmissionRefused, match=r"spam\.tsv: does not belong"):
        build_submission("team/demo", more, MissingTasks.REFUSE)


@pytest.mark.parametrize("name", FILES)
def test_every_constant_makes_a_valid_file(name: str) -> None:
    content = placeholder(FILES[name], PLACEHOLDER_CONSTANTS[name])
    assert check_file(FILES[name], io.BytesIO(content)) == ()


def test_majority_is_the_most_frequent_label_that_the_file_knows() -> None:
    assert majority(FILES["CoLA.tsv"], ["0", "1", "1", "-1", "-1", "-1"]) == "1"
    assert majority(FILES["RTE.tsv"], ["not_entailment", "entailment", "not_entailment"]) == "not_entailment"
    assert majority(FILES["RTE.tsv"], ["not_entailment", "entailment"]) == "entailment"
    assert majority(FILES["RTE.tsv"], ["?"]) is None
    assert majority(FILES["RTE.tsv"], []) is None


def test_majority_of_scores_is_their_mean_within_the_scale() -> None:
    assert majority(FILES["STS-B.tsv"], ["1.0", "2.5", "x", "nan"]) == "1.750"
    assert majority(FILES["STS-B.tsv"], ["9"]) == "5.000"
    assert majority(FILES["STS-B.tsv"], ["inf"]) is None
