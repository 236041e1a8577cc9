"""What the end-to-end tests are written in: experiments on the cluster, and waiting for what they do.

Where a wait runs out, the error shows what a person would look at next: status, events, pods, the operator's log.
"""

import json
import os
import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import RunResult
from finetune_core.results.search.trial import TrialResult
from finetune_dev import release
from finetune_dev.errors import CommandError, TimedOutError
from finetune_dev.kubectl import kubectl
from finetune_dev.paths import kubeconfig_path
from finetune_dev.shell import wait_for
from finetune_store import Store

API = ("finetune.dev", "v1alpha1")
TINY_MODEL = f"s3://{release.BUCKET}/e2e/tiny"
GLUE = f"s3://{release.BUCKET}/e2e/glue"
"""Test sets as long as the leaderboard asks."""

SMALL_GLUE = f"s3://{release.BUCKET}/e2e/small"
SHORT = {"maxSteps": 4, "evalSteps": 2, "trainBatchSize": 8, "learningRate": 1e-3, "maxSeqLength": 32}
ENDLESS = {**SHORT, "maxSteps": 1_000_000, "evalSteps": 1_000_000}
"""A run that is still at work whenever a test interrupts it."""
ONE_THREAD = {"name": "OMP_NUM_THREADS", "value": "1"}
"""Threads that wait for each other's turn would make tiny models slower where pods share few cores."""

_POLITE_SECONDS = 0.3
_MANAGED = "app.kubernetes.io/managed-by=finetune-operator"


class Kubernetes:
    """The API of the cluster in use."""

    @cached_property
    def api(self) -> client.ApiClient:
        return config.new_client_from_config(str(kubeconfig_path()))

    @cached_property
    def core(self) -> client.CoreV1Api:
        return client.CoreV1Api(self.api)

    @cached_property
    def batch(self) -> client.BatchV1Api:
        return client.BatchV1Api(self.api)

    @cached_property
    def rbac(self) -> client.RbacAuthorizationV1Api:
        return client.RbacAuthorizationV1Api(self.api)

    @cached_property
    def custom(self) -> client.CustomObjectsApi:
        return client.CustomObjectsApi(self.api)


K8S = Kubernetes()


def wait_until(
    what: str, condition: Callable[[], bool], *, seconds: float = 180, hint: Callable[[], str] = str
) -> None:
    """Wait for a condition; AssertionError with `hint()` where it does not come."""
    try:
        wait_for(what, condition, seconds=seconds, hint=hint, every=_POLITE_SECONDS)
    except TimedOutError as error:
        raise AssertionError(str(error)) from error


def spec(tasks: Mapping[str, Json] | Iterable[str], **fields: Any) -> Json:
    """A short experiment of a tiny model; `tasks` by name, with fields of their own where it is a mapping.

    `execution` adds to the default; everything else takes its place.
    """
    own = tasks if isinstance(tasks, Mapping) else {name: {} for name in tasks}
    execution = {
        "parallelism": 2,
        "retries": 0,
        # What happens to a pod is to be told of a run.
        "runsPerPod": 1,
        "terminationGracePeriodSeconds": 60,
        "podTemplate": {"env": [ONE_THREAD]},
        # Without a request a pod gets next to nothing of a busy machine.
        "resources": {"requests": {"cpu": "300m"}},
        **fields.pop("execution", {}),
    }
    return {
        "model": {"uri": TINY_MODEL},
        "data": {"uri": SMALL_GLUE},
        "tasks": [{"name": name, **extra} for name, extra in own.items()],
        "runs": 1,
        "training": SHORT,
        "execution": execution,
        **fields,
    }


@dataclass(frozen=True)
class Experiment:
    """An experiment on the cluster; `store` is the embedded store's bucket."""

    namespace: str
    name: str
    store: Store = field(repr=False)

    kind: ClassVar[str] = "FinetuneExperiment"
    plural: ClassVar[str] = "finetuneexperiments"
    label: ClassVar[str] = "finetune.dev/experiment"

    @property
    def selector(self) -> str:
        """Picks its children."""
        return f"{_MANAGED},{self.label}={self.name}"

    @property
    def layout(self) -> ExperimentLayout:
        """Where its results lie in the store."""
        return ExperimentLayout(self.namespace, self.name)

    def apply(self, spec: Json) -> Self:
        """kubectl apply; CommandError with the API server's words where it is refused."""
        kubectl("apply", "-f", "-", stdin=json.dumps(self.manifest(spec)))
        return self

    def refused(self, spec: Json) -> str:
        """What kubectl create says of a spec that the API server does not take."""
        try:
            kubectl("create", "-f", "-", stdin=json.dumps(self.manifest(spec)))
        except CommandError as error:
            return str(error)
        raise AssertionError(f"{self.name} was accepted")

    def manifest(self, spec: Json) -> Json:
        """The experiment with a spec."""
        metadata = {"namespace": self.namespace, "name": self.name}
        return {"apiVersion": "/".join(API), "kind": self.kind, "metadata": metadata, "spec": spec}

    def delete(self) -> None:
        """Delete it and wait until its pods are gone too."""
        K8S.custom.delete_namespaced_custom_object(*API, self.namespace, self.plural, self.name)
        self.until("its pods to be gone", lambda _: not self.pods())

    def resource(self) -> Json:
        """The experiment as it is; {} where there is none."""
        try:
            found: Json = K8S.custom.get_namespaced_custom_object(*API, self.namespace, self.plural, self.name)
        except client.ApiException as error:
            if error.status == 404:
                return {}
            raise
        return found

    def status(self) -> Json:
        """Its status; {} before the operator has seen the present spec."""
        found = self.resource()
        status: Json = found.get("status") or {}
        return status if found and status.get("observedGeneration") == found["metadata"]["generation"] else {}

    def pods(self) -> list[Any]:
        """Its pods, oldest first."""
        found = K8S.core.list_namespaced_pod(self.namespace, label_selector=self.selector).items
        return sorted(found, key=lambda pod: (pod.metadata.creation_timestamp, pod.metadata.name))

    def running(self) -> list[Any]:
        """Its pods that run and are not being deleted."""
        return [pod for pod in self.pods() if pod.status.phase == "Running" and not pod.metadata.deletion_timestamp]

    def jobs(self, role: str = "train") -> list[Any]:
        """Its Jobs of a role."""
        selector = f"{self.selector},finetune.dev/role={role}"
        return list(K8S.batch.list_namespaced_job(self.namespace, label_selector=selector).items)

    def until(self, what: str, condition: Callable[[Json], bool], *, seconds: float = 180) -> Json:
        """Wait until the status (of the present spec) is as wanted; the status."""
        wait_until(f"{self.name}: {what}", lambda: condition(self.status()), seconds=seconds, hint=self.describe)
        return self.status()

    def ends(self, *, seconds: float = 240) -> Json:
        """Wait until it has ended, well or not; its status."""
        return self.until("it to end", ended, seconds=seconds)

    def condition(self, type_: str) -> Json:
        """One of its conditions; {} before the operator has seen the present spec."""
        return condition_of(self.status(), type_)

    def stored(self, below: str = "") -> set[str]:
        """Keys in the store below a folder of the experiment, relative to the experiment's."""
        root = self.layout.root
        listed = self.store.list(f"{root}/{below}".rstrip("/"))
        return {info.key.removeprefix(f"{root}/") for info in listed}

    def read(self, key: str) -> bytes:
        """An object below the experiment's folder."""
        return self.store.get(f"{self.layout.root}/{key}")

    def results(self) -> dict[str, RunResult]:
        """The runs that succeeded, by run id."""
        found = (key for key in self.stored("runs") if key.endswith("/result.json"))
        results = (RunResult.model_validate_json(self.read(key)) for key in found)
        return {result.run_id: result for result in results}

    def attempts(self) -> dict[str, set[str]]:
        """Run id -> the attempts (pods) that began it."""
        attempts: dict[str, set[str]] = {}
        for key in self.stored("runs"):
            _, _, run_id, folder, *rest = key.split("/")
            if folder == "attempts":
                attempts.setdefault(run_id, set()).add(rest[0])
        return attempts

    def step(self) -> int:
        """The furthest step of any of its runs, by what they last told."""
        told = (key for key in self.stored("runs") if key.endswith("/progress.json"))
        return max((json.loads(self.read(key))["step"] for key in told), default=0)

    def describe(self) -> str:
        """What a person would look at: status, events, pods, the operator's log."""
        status = yaml.safe_dump(self.resource().get("status"), sort_keys=False)
        looks = {
            "events": ("get", "events", "--sort-by=.lastTimestamp"),
            "jobs and pods": ("get", "jobs,pods", "--output=wide"),
            "its pods' logs": ("logs", f"--selector={self.selector}", "--tail=15", "--prefix"),
        }
        parts = [f"--- status\n{status}"]
        parts += [f"--- {title}\n{_looked(self.namespace, *look)}" for title, look in looks.items()]
        log = _looked(release.NAMESPACE, "logs", f"deployment/{release.RELEASE}", "--tail=40")
        return "\n".join([*parts, f"--- the operator's log\n{log}"])


@dataclass(frozen=True)
class Search(Experiment):
    """A hyperparameter search on the cluster."""

    kind: ClassVar[str] = "HPSearch"
    plural: ClassVar[str] = "hpsearches"
    label: ClassVar[str] = "finetune.dev/search"

    def trials(self) -> list[TrialResult]:
        """The trials that have ended, by task and index."""
        keys = sorted(key for key in self.stored("trials") if key.endswith("/result.json"))
        return [TrialResult.model_validate_json(self.read(key)) for key in keys]


Experiments = Callable[[str], Experiment]
"""Makes the handle of an experiment of a name in a test's namespace."""

Upgrade = Callable[[str], None]
"""Upgrades the release by one of the chart's values, `name=value`."""


def _looked(namespace: str, *arguments: str) -> str:
    try:
        return kubectl("--namespace", namespace, *arguments)[-6000:]
    except CommandError as error:
        return str(error)


def condition_of(status: Json, type_: str) -> Json:
    """A condition of a status; {} where it has none of that type."""
    found = (condition for condition in status.get("conditions") or () if condition["type"] == type_)
    return next(found, {})


def ended(status: Json) -> bool:
    """Whether an experiment has ended, well or not."""
    return condition_of(status, "Succeeded").get("status") in {"True", "False"}


def reason(status: Json) -> str:
    """The reason of `Succeeded`: the STATUS column."""
    return str(condition_of(status, "Succeeded").get("reason"))


def evict(pod: Any) -> None:
    """Evict a pod by the Eviction API, as `kubectl drain` does."""
    name, namespace = pod.metadata.name, pod.metadata.namespace
    eviction = client.V1Eviction(metadata=client.V1ObjectMeta(name=name, namespace=namespace))
    K8S.core.create_namespaced_pod_eviction(name, namespace, eviction)


def operator_pod() -> Any:
    """The operator's present pod."""
    selector = "app.kubernetes.io/component=operator"
    pods = K8S.core.list_namespaced_pod(release.NAMESPACE, label_selector=selector).items
    return max(pods, key=lambda pod: pod.metadata.creation_timestamp, default=None)


def operator_ready() -> bool:
    """Whether an operator answers its probes."""
    pod = operator_pod()
    return bool(pod and pod.status.container_statuses and pod.status.container_statuses[0].ready)


def signal_pod(pod: Any, number: signal.Signals) -> int:
    """Send a signal to the processes of a pod, from the outside as a kernel does; how many there were.

    The node must be this machine.
    """
    found = processes_of(pod)
    for process in found:
        os.kill(int(process.name), number)
    return len(found)


def processes_of(pod: Any) -> list[Path]:
    """The processes of a pod's containers below /proc, by the pod's uid in their control groups."""
    uid = pod.metadata.uid
    found = (path.parent for path in Path("/proc").glob("[0-9]*/cgroup") if uid in _text(path))
    return [process for process in found if not _is_pause(process)]


def _is_pause(process: Path) -> bool:
    return _text(process / "comm").strip() == "pause"


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        # The process has ended since it was listed.
        return ""


def kill_operator() -> None:
    """SIGKILL its process, then have a new pod at once instead of waiting for the kubelet's back-off."""
    pod = operator_pod()
    signal_pod(pod, signal.SIGKILL)
    with suppress(ApiException):
        K8S.core.delete_namespaced_pod(pod.metadata.name, release.NAMESPACE, grace_period_seconds=0)
