"""The zip and submission.json speak of the same best runs as the pointers, and hold what these runs predicted."""

import hashlib
import io
import math
import zipfile
from functools import lru_cache
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from finetune_core.leaderboard.checks import validate_zip
from finetune_core.tasks.registry import GLUE_TASKS, SUBMISSION_FILES
from support.drawn_report import check_report, empty_store, pointer_of, prediction, report
from support.drawn_runs import CUSTOM, DrawnExperiment, DrawnRun, End, Left, experiments, leave
from support.report_store import layout_of, read_json
from support.results import prediction_file


@lru_cache
def rows_of(name: str) -> bytes:
    (file,) = (file for file in SUBMISSION_FILES if file.name == name)
    return prediction_file(file)


def whole_prediction(task: str, words: str) -> dict[str, bytes]:
    """Of the official lengths; the first 64 predictions are the bits of a hash of the words."""
    bits = f"{int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], 'big'):064b}"
    found = {}
    for file in GLUE_TASKS[task].submission:
        zero, one = (list(file.written.values()) or ["0.000", "4.750"])[:2]
        told = [f"{index}\t{one if bit == '1' else zero}" for index, bit in enumerate(bits)]
        lines = rows_of(file.name).split(b"\n", len(bits) + 1)
        found[file.name] = b"\n".join([lines[0], "\n".join(told).encode(), lines[-1]])
    return found


def submitted_prediction(task: str, words: str) -> dict[str, bytes]:
    return prediction(task, words) if task in CUSTOM else whole_prediction(task, words)


SUBMITTED = experiments(("cola", "mrpc", "stsb", "mnli", "rte", "wnli", "spam"), max_runs=3, max_tasks=3)
POLICIES = st.sampled_from(["Placeholder", "Placeholder", "Refuse"])


def all_tasks(*values: float | None) -> DrawnExperiment:
    """All nine, with a run for each value."""
    runs = [DrawnRun(End.DONE, value, {}, quarantined=False) for value in values]
    return DrawnExperiment(dict.fromkeys(GLUE_TASKS, runs), {"qnli": "loss"}, "None", seed=1)


@settings(max_examples=5)
@example([(all_tasks(None, 0.5, 0.5, 0.25), "Refuse"), (all_tasks(math.nan), "Refuse")], Random(0))
@given(st.lists(st.tuples(SUBMITTED, POLICIES), min_size=2, max_size=2), st.randoms(use_true_random=False))
def test_each_zip_holds_what_the_best_runs_of_its_experiment_predicted_and_says_so(
    drawn: list[tuple[DrawnExperiment, str]], chance: Random
) -> None:
    with empty_store() as store:
        all_left = {
            leave(store, f"exp-{k}", one, submitted_prediction, leaderboard={"missingTasks": policy}): policy
            for k, (one, policy) in enumerate(drawn)
        }
        for left in chance.sample([*all_left], k=len(all_left)):
            left.arrive(part=0, parts=1)
            report(left)
        for left, policy in all_left.items():
            check_report(left)
            check_zip(left, refuse=policy == "Refuse")


def check_zip(left: Left, *, refuse: bool) -> None:
    """Zip and submission.json against the pointers, file by file."""
    layout = layout_of(left.plan)
    manifest = read_json(left.store, layout.submission_manifest)
    pointers = {task: pointer_of(left, task) for task in GLUE_TASKS if task in left.drawn.runs}
    expected = {file.name: (task, pointers.get(task)) for task in GLUE_TASKS for file in GLUE_TASKS[task].submission}
    missing = [name for name, (_, pointer) in expected.items() if pointer is None]
    assert manifest["missing"] == missing
    if missing and refuse:
        assert (manifest["state"], manifest["files"]) == ("Refused", [])
        assert left.store.stat(layout.submission) is None
        return
    content = left.store.get(layout.submission)
    assert manifest["state"] == ("WithPlaceholders" if missing else "Complete")
    assert (manifest["sha256"], manifest["sizeBytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert validate_zip(io.BytesIO(content)) == ()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == [said["name"] for said in manifest["files"]]
        assert set(archive.namelist()) == expected.keys()
        for said in manifest["files"]:
            member = archive.read(said["name"])
            task, pointer = expected[said["name"]]
            assert (said["task"], said["placeholder"]) == (task, pointer is None)
            assert said["sha256"] == hashlib.sha256(member).hexdigest()
            told = {name: said[name] for name in ("runId", "run", "seed", "attempt", "metric", "value", "step")}
            assert told == {name: pointer[name] if pointer else None for name in told}
            if pointer:
                # check_report has compared the pointer with the winner and its folder with what it wrote.
                assert member == left.written[task, pointer["run"]][said["name"]]
                assert member == left.store.get(f"{layout.root}/{pointer['predictions'][said['name']]}")
