"""Several operators on the real cluster: a leader killed again and again, and two releases side by side."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
from kubernetes import client

from e2e.harness import ENDLESS, K8S, Experiment, Experiments, reason, signal_pod, spec, wait_until
from e2e.namespaces import delete_namespace, fresh_namespace
from finetune_dev import release
from finetune_dev.kubectl import helm, kubectl, program
from finetune_dev.paths import REPOSITORY, kubeconfig_path
from finetune_store import Store

pytestmark = pytest.mark.alone

KILLS = int(os.environ.get("LEADER_KILLS") or 20)
TAKE_OVER_SECONDS = 15
CHART = REPOSITORY / "helm/finetune-operator"
SECOND, SECOND_NAMESPACE = "second", "e2e-second-release"
ACTIONS = {
    "CreateTrainJob",
    "PatchJob",
    "DeleteJob",
    "CreateReportJob",
    "PutHyperparameters",
    "ReopenTask",
    "EndTask",
    "HoldWork",
    "ReleaseWork",
}


def scale(replicas: int) -> None:
    helm(
        *("upgrade", release.RELEASE, CHART, "--namespace", release.NAMESPACE),
        *("--reuse-values", "--set", f"replicas={replicas}", "--wait", "--timeout", "3m"),
    )


@pytest.fixture
def two_replicas(store: Store) -> Iterator[None]:
    """The release with two replicas."""
    scale(2)
    yield
    scale(1)


def holder() -> str:
    """The pod that holds the release's Lease."""
    lease = client.CoordinationV1Api(K8S.api).read_namespaced_lease(release.RELEASE, release.NAMESPACE)
    return str(lease.spec.holder_identity or "")


def operators(namespace: str = release.NAMESPACE) -> list[Any]:
    pods = K8S.core.list_namespaced_pod(namespace, label_selector="app.kubernetes.io/component=operator").items
    return [pod for pod in pods if pod.status.phase == "Running" and not pod.metadata.deletion_timestamp]


def ready(namespace: str = release.NAMESPACE) -> int:
    return sum(all(status.ready for status in pod.status.container_statuses or ()) for pod in operators(namespace))


class Logs:
    """The operators' logs, followed to files, so that those of pods that are gone are kept."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack

    def follow(self) -> None:
        """Follow the pods that are not followed yet."""
        for pod in operators():
            path = self._folder / pod.metadata.name
            if not path.exists():
                self._stack.enter_context(_following(pod.metadata.name, path))

    def lines(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(time, pod, line) of all, in order of time: the cluster's pods share one clock."""
        found = [
            (json.loads(text)["time"], path.name, json.loads(text))
            for path in self._folder.iterdir()
            for text in path.read_text().splitlines()
            if text.startswith("{") and text.endswith("}")
        ]
        return sorted(found, key=lambda line: line[0])


@contextmanager
def _following(pod: str, path: Path) -> Iterator[None]:
    command = [
        program("kubectl"),
        "--kubeconfig",
        str(kubeconfig_path()),
        "-n",
        release.NAMESPACE,
        "logs",
        "--follow",
        pod,
    ]
    with path.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def kill(name: str) -> None:
    """SIGKILL the leader's process, and have its pod gone: nobody comes back under its name."""
    pod = K8S.core.read_namespaced_pod(name, release.NAMESPACE)
    assert signal_pod(pod, SIGKILL)
    K8S.core.delete_namespaced_pod(name, release.NAMESPACE, grace_period_seconds=0)


@pytest.mark.usefixtures("two_replicas")
def test_a_leader_killed_time_and_again_is_followed_within_15_s_and_there_are_never_two(
    experiment: Experiments, tmp_path: Path
) -> None:
    steady = experiment("steady").apply(spec(["wnli"], training=ENDLESS))
    steady.until("its run to be at work", lambda _: steady.step() > 0)
    (job,) = steady.jobs()
    with ExitStack() as stack:
        logs = Logs(tmp_path, stack)
        for turn in range(KILLS):
            wait_until("two operators to be ready", lambda: ready() == 2 and bool(holder()))
            logs.follow()
            killed = holder()
            kill(killed)
            began = time.monotonic()
            # Suspended, it asks nothing of the machine but its Job.
            suite = experiment(f"turn-{turn}").apply(spec(["wnli"], execution={"suspend": True}))
            wait_until("its Job", lambda: bool(suite.jobs()), seconds=60, hint=suite.describe)  # noqa: B023
            seconds = time.monotonic() - began
            assert seconds < TAKE_OVER_SECONDS, f"take-over {turn} took {seconds:.1f} s"
            assert holder() != killed
            suite.delete()
        lines = logs.lines()
    (same,) = steady.jobs()
    assert same.metadata.uid == job.metadata.uid
    assert same.metadata.generation == job.metadata.generation, "nobody has changed it"
    _one_at_a_time(lines)


def _one_at_a_time(lines: list[tuple[str, str, dict[str, Any]]]) -> None:
    """Between the beginnings of two terms, only the pod whose term it is acts."""
    leader, terms = None, 0
    for when, pod, line in lines:
        if line["message"].startswith("leadership: term"):
            leader, terms = pod, terms + 1
        elif line["message"] in ACTIONS and leader is not None:
            assert pod == leader, f"{when}: {pod} acts ({line['message']}) in the term of {leader}"
    assert terms >= KILLS - 1


def evict(name: str) -> bool:
    """Evict a pod, as `kubectl drain` does, which tries again while the budget has not seen both replicas yet."""
    metadata = client.V1ObjectMeta(name=name, namespace=release.NAMESPACE)
    try:
        K8S.core.create_namespaced_pod_eviction(name, release.NAMESPACE, client.V1Eviction(metadata=metadata))
    except client.ApiException as error:
        if error.status != HTTPStatus.TOO_MANY_REQUESTS:
            raise
        return False
    return True


@pytest.mark.usefixtures("two_replicas")
def test_a_drained_leader_hands_over_at_once(experiment: Experiments) -> None:
    wait_until("two operators to be ready", lambda: ready() == 2 and bool(holder()))
    before = holder()
    wait_until("the disruption budget to let the leader go", lambda: evict(before))
    wait_until("another leader", lambda: holder() not in {"", before}, seconds=TAKE_OVER_SECONDS)
    suite = experiment("drained").apply(spec(["wnli"], execution={"suspend": True}))
    wait_until("its Job", lambda: bool(suite.jobs()), seconds=TAKE_OVER_SECONDS, hint=suite.describe)


@pytest.fixture
def second_release(store: Store) -> Iterator[None]:
    """Another release, cluster-wide like the first, with another trainer image."""
    values = json.loads(helm("get", "values", release.RELEASE, "--namespace", release.NAMESPACE, "--output", "json"))
    own = {
        "image": values["image"],
        "trainerImage": {**values["trainerImage"], "tag": "of-the-second-release"},
        "crds": {"install": False},
        "userRoles": {"create": False},
    }
    helm(
        *("install", SECOND, CHART, "--namespace", SECOND_NAMESPACE, "--create-namespace"),
        *("--values", "-", "--wait", "--timeout", "3m"),
        stdin=json.dumps(own),
    )
    yield
    helm("uninstall", SECOND, "--namespace", SECOND_NAMESPACE, "--wait")
    delete_namespace(SECOND_NAMESPACE)


def test_two_releases_side_by_side_leave_each_other_alone(store: Store, request: pytest.FixtureRequest) -> None:
    with fresh_namespace() as namespace:
        steps = {"maxSteps": 1500, "evalSteps": 500, "trainBatchSize": 8, "learningRate": 1e-3, "maxSeqLength": 32}
        suite = Experiment(namespace, "shared", store).apply(spec(["wnli"], training=steps))
        suite.until("its run to be at work", lambda _: suite.step() > 0)
        (job,) = suite.jobs()
        request.getfixturevalue("second_release")

        def said() -> bool:
            log = kubectl("--namespace", SECOND_NAMESPACE, "logs", f"deployment/{SECOND}-finetune-operator")
            return f"namespace {namespace} is managed by the release {release.NAMESPACE}/{release.RELEASE}" in log

        wait_until("the second release to say that it stands by", said)
        assert reason(suite.ends()) == "AllRunsSucceeded"
        (same,) = suite.jobs()
        assert same.metadata.uid == job.metadata.uid
        assert {run: len(pods) for run, pods in suite.attempts().items()} == dict.fromkeys(suite.results(), 1)
        later = Experiment(namespace, "later", store).apply(spec(["wnli"], execution={"suspend": True}))
        wait_until("its Job", lambda: bool(later.jobs()), hint=later.describe)
        (made,) = later.jobs()
        assert made.metadata.annotations["finetune.dev/release"] == f"{release.NAMESPACE}/{release.RELEASE}"
        assert "of-the-second-release" not in made.spec.template.spec.containers[0].image
