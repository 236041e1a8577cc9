"""What goes wrong is said where a person looks, at once and in words; the rest goes on, and so does the operator."""

import json
import subprocess
import tempfile
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
    TINY_MODEL,
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
from finetune_store import Store, delete_tree, download_tree

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
    # Kubernetes deletes the Job at once: its failures count all the same, and no other one is made for them.
    execution = {"retries": 3, "ttlSecondsAfterFinished": 0}
    suite = experiment("bad-data").apply(spec(tasks, execution=execution))

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

    status = suite.apply(spec(["rte", "cola", "mrpc", "wnli"], execution=execution)).ends()

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
    "no-priority": ({"podTemplate": {"priorityClassName": "no-such-class"}}, "no-such-class"),
    "no-account": ({"podTemplate": {"serviceAccountName": "no-such-account"}}, "no-such-account"),
    "no-runtime": ({"podTemplate": {"runtimeClassName": "no-such-runtime"}}, "no-such-runtime"),
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


def test_pods_run_under_any_user_that_a_cluster_gives_them(experiment: Experiments) -> None:
    ids = {"runAsUser": 1_000_710_000, "runAsGroup": 0, "fsGroup": 1_000_710_000}
    suite = experiment("any-user").apply(spec(["wnli"], execution={"podTemplate": {"securityContext": ids}}))
    assert reason(suite.ends()) == "AllRunsSucceeded", suite.describe()
    (job,) = suite.jobs()
    assert job.spec.template.spec.security_context.run_as_user == ids["runAsUser"]


@pytest.fixture
def closed_folder(namespace: str, store: Store) -> Iterator[Path]:
    """The tiny model in a folder of the node that only root may open, as volume of the claim `models`."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="e2e-volume-") as name:
        folder = Path(name)
        download_tree(store, TINY_MODEL.removeprefix(f"s3://{release.BUCKET}/"), folder / "model")
        common = {"storageClassName": "", "accessModes": ["ReadWriteOnce"]}
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": namespace},
            "spec": {**common, "capacity": {"storage": "1Gi"}, "hostPath": {"path": name, "type": "Directory"}},
        }
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "models", "namespace": namespace},
            "spec": {**common, "volumeName": namespace, "resources": {"requests": {"storage": "1Gi"}}},
        }
        kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [volume, claim]}))
        yield folder
        K8S.core.delete_persistent_volume(namespace)


def test_a_folder_of_a_volume_that_is_closed_to_the_pods_names_their_uid_and_its_owner(
    experiment: Experiments, closed_folder: Path
) -> None:
    closed_folder.chmod(0o700)
    model = {"model": {"uri": "pvc://models/model"}}
    suite = experiment("closed").apply(spec(["wnli"], **model))

    status = suite.until("it to be refused", lambda status: condition_of(status, "Valid").get("status") == "False")

    said = condition_of(status, "Valid")["message"]
    assert "reads as uid 65532" in said
    assert "belongs to uid 0, gid 0, mode 0700" in said
    assert not suite.jobs()
    # What it says to do is what helps.
    subprocess.run(("chmod", "-R", "o+rX", str(closed_folder)), check=True)
    status = suite.apply(spec(["wnli"], **model, execution={"retryToken": "open"})).ends()
    assert reason(status) == "AllRunsSucceeded", suite.describe()


def test_an_address_that_the_operator_may_not_send_to_is_refused_before_a_pod_starts(experiment: Experiments) -> None:
    receiver = {"name": "api", "url": "https://kubernetes.default.svc/apis"}
    suite = experiment("telling").apply(spec(["wnli"], notifications=[receiver]))

    status = suite.until(
        "it to be refused",
        lambda status: condition_of(status, "Valid").get("status") == "False",
        seconds=WITHIN_A_MINUTE,
    )

    assert condition_of(status, "Valid")["reason"] == "Rejected"
    assert "notifications.allowedHosts" in condition_of(status, "Valid")["message"]
    assert not suite.pods()
    suite.apply(spec(["wnli"]))
    assert reason(suite.ends()) == "AllRunsSucceeded"


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
