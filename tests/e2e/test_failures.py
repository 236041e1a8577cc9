"""What goes wrong is said where a person looks, at once and in words; the rest goes on, and so does the operator."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.harness import (
    ENDLESS,
    K8S,
    SHORT,
    SMALL_GLUE,
    Experiment,
    Experiments,
    condition_of,
    ended,
    evict,
    operator_pod,
    operator_ready,
    reason,
    spec,
)
from finetune_dev import release
from finetune_dev.kubectl import kubectl
from finetune_store import Store, delete_tree

pytestmark = pytest.mark.timeout(600)

WITHIN_A_MINUTE = 60


@pytest.fixture
def bad_data(store: Store, tmp_path: Path) -> Iterator[str]:
    """A copy of the small data: a label out of range, a line without its columns, an empty file."""
    good, bad = (f"{uri.removeprefix(f's3://{release.BUCKET}/')}" for uri in (SMALL_GLUE, f"{SMALL_GLUE}-bad"))
    for info in store.list(good):
        store.put(info.key.replace(good, bad, 1), store.get(info.key))
    rte = store.get(f"{bad}/RTE/train.tsv").decode()
    store.put(f"{bad}/RTE/train.tsv", rte.replace("\tentailment", "\tperhaps", 1).encode())
    cola = store.get(f"{bad}/CoLA/train.tsv").decode().splitlines()
    store.put(f"{bad}/CoLA/train.tsv", "\n".join([*cola[:3], "no columns here", *cola[3:]]).encode())
    store.put(f"{bad}/MRPC/train.tsv", b"")
    yield f"s3://{release.BUCKET}/{bad}"
    delete_tree(store, bad)


def test_bad_data_fails_its_runs_at_once_and_mending_it_runs_only_those(experiment: Experiments, bad_data: str) -> None:
    bad = {"data": {"uri": bad_data}}
    tasks = {"rte": bad, "cola": bad, "mrpc": bad, "wnli": {}}
    suite = experiment("bad-data").apply(spec(tasks, execution={"retries": 3}))

    status = suite.ends()

    assert (condition_of(status, "Succeeded")["status"], reason(status)) == ("False", "TaskFailed")
    failures = {failure["task"]: failure for failure in status["failures"]}
    assert {failure["reason"] for failure in failures.values()} == {"UserError"}
    assert "perhaps" in failures["rte"]["message"]
    assert "RTE/train.tsv" in failures["rte"]["message"]
    assert "CoLA/train.tsv" in failures["cola"]["message"]
    assert "MRPC/train.tsv" in failures["mrpc"]["message"]
    # At once: none was tried a second time, though three retries were left.
    assert {run: len(pods) for run, pods in suite.attempts().items()} == dict.fromkeys(suite.attempts(), 1)
    assert [result.task for result in suite.results().values()] == ["wnli"]
    wnli = suite.attempts()[next(iter(suite.results()))]

    status = suite.apply(spec(["rte", "cola", "mrpc", "wnli"], execution={"retries": 3})).ends()

    assert reason(status) == "AllRunsSucceeded"
    assert sorted(result.task for result in suite.results().values()) == ["cola", "mrpc", "rte", "wnli"]
    assert wnli in suite.attempts().values()


ADMISSION: dict[str, tuple[dict[str, Any], str]] = {
    "unknown-task": (spec(["colla"]), "none of GLUE's tasks"),
    "metric": (
        spec({"cola": {"training": {"metricForBestModel": "eval_accuracy"}}}),
        "metricForBestModel is not measured in cola",
    ),
    "eval-steps": (spec(["wnli"], training={**SHORT, "evalSteps": 5}), "evalSteps must not exceed maxSteps"),
    "five-megabytes": (spec({"wnli": {"data": {"uri": "s3://" + "x" * 5_000_000}}}), "too l"),
    "n" * 253: (spec(["wnli"]), "at most 40 characters"),
}
STORAGE = {"endpoint": f"http://{release.STORE}.{release.NAMESPACE}.svc:8333", "region": "us-east-1"}
CONDITIONS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no-secret": (
        spec(["wnli"], storage={**STORAGE, "bucket": release.BUCKET, "secretRef": {"name": "nowhere"}}),
        "SecretNotFound",
        "Secret nowhere is not in namespace",
    ),
    "no-bucket": (
        spec(["wnli"], storage={**STORAGE, "bucket": "no-such-bucket", "secretRef": {"name": release.STORE}}),
        "StorageRefused",
        "no-such-bucket",
    ),
    "no-model": (
        spec(["wnli"], model={"uri": f"s3://{release.BUCKET}/nothing/here"}),
        "InputNotFound",
        "nothing lies at s3://finetune/nothing/here",
    ),
    "no-model-file": (spec(["wnli"], model={"uri": SMALL_GLUE}), "InputNotFound", "config.json"),
    "no-data": (
        spec({"wnli": {"data": {"uri": f"s3://{release.BUCKET}/nothing"}}}),
        "InputNotFound",
        "spec.tasks[wnli].data.uri",
    ),
}


def restarts() -> tuple[str, int]:
    pod = operator_pod()
    return pod.metadata.uid, pod.status.container_statuses[0].restart_count


@pytest.mark.parametrize("name", ADMISSION, ids=lambda name: name[:20])
def test_a_bad_spec_is_refused_at_admission(experiment: Experiments, name: str) -> None:
    wrong, said = ADMISSION[name]

    assert said in experiment(name).refused(wrong)


def test_what_only_the_world_can_refuse_becomes_a_condition_and_the_operator_stays_healthy(
    experiment: Experiments,
) -> None:
    before = restarts()
    subjects = {name: experiment(name).apply(wrong) for name, (wrong, _, _) in CONDITIONS.items()}
    for name, subject in subjects.items():
        _, why, said = CONDITIONS[name]
        subject.until("it to be refused", lambda status: condition_of(status, "Valid").get("status") == "False")
        condition = subject.condition("Valid")
        assert condition["reason"] == why, condition
        assert said in condition["message"]
        assert subject.jobs() == []
    assert operator_ready()
    assert restarts() == before
    # It still works, and a bucket that appears, or a Secret, is found by itself.
    assert reason(experiment("good").apply(spec(["wnli"])).ends()) == "AllRunsSucceeded"


BLOCKED: dict[str, tuple[dict[str, Any], str]] = {
    "wrong-image": ({"image": "localhost/no-such-image:1", "imagePullPolicy": "Never"}, "no-such-image"),
    "unschedulable": ({"resources": {"requests": {"cpu": "1000"}}}, "Insufficient cpu"),
    "missing-volume": (
        {
            "podTemplate": {
                "volumes": [{"name": "extra", "configMap": {"name": "no-such-map"}}],
                "volumeMounts": [{"name": "extra", "mountPath": "/extra"}],
            }
        },
        "no-such-map",
    ),
}


def test_pods_that_cannot_start_are_shown_with_their_reason_within_a_minute(experiment: Experiments) -> None:
    subjects = {
        name: experiment(name).apply(spec(["wnli"], execution=execution)) for name, (execution, _) in BLOCKED.items()
    }
    until = time.monotonic() + WITHIN_A_MINUTE
    claim = experiment("missing-claim").apply(spec(["wnli"], model={"uri": "pvc://no-such-claim/model"}))
    for name, subject in [*subjects.items(), ("missing-claim", claim)]:
        said = BLOCKED[name][1] if name in BLOCKED else "no-such-claim"
        status = subject.until(
            f"its status to say {said}",
            lambda status, said=said: said in condition_of(status, "Succeeded").get("message", ""),
            seconds=until - time.monotonic(),
        )
        assert reason(status) == "Blocked"
    subjects["missing-volume"].apply(spec(["wnli"]))
    assert reason(subjects["missing-volume"].ends()) == "AllRunsSucceeded"


def test_a_run_over_its_timeout_in_several_attempts_ends_with_that_reason(experiment: Experiments) -> None:
    suite = experiment("too-long").apply(
        spec(
            ["wnli"],
            training=ENDLESS,
            execution={"retries": 3, "runTimeoutSeconds": 25, "checkpointIntervalSeconds": 5},
        )
    )
    suite.until("the run to be at work", lambda _: suite.step() > 0)
    evict(suite.running()[0])

    status = suite.ends()

    assert reason(status) == "TaskFailed"
    (failure,) = status["failures"]
    assert failure["reason"] == "RunTimeout"
    assert "runTimeoutSeconds" in failure["message"]
    (attempts,) = suite.attempts().values()
    assert len(attempts) == 2
    assert ended(status)


def test_the_status_of_a_failure_is_also_an_event_and_a_column(experiment: Experiments, store: Store) -> None:
    suite: Experiment = experiment("shown").apply(spec(["wnli"], model={"uri": f"s3://{release.BUCKET}/nothing"}))
    suite.until("it to be refused", lambda status: condition_of(status, "Valid").get("status") == "False")

    events = K8S.core.list_namespaced_event(suite.namespace, field_selector="involvedObject.name=shown").items
    table = kubectl("--namespace", suite.namespace, "get", "fte", "shown")

    assert "InputNotFound" in {event.reason for event in events}
    assert "InvalidSpec" in table
    assert json.loads(kubectl("--namespace", suite.namespace, "get", "fte", "shown", "-o", "json"))["status"]
