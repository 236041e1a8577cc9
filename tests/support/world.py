"""The operator between a real API server and a real S3 server; the rest of the world is played here.

There are no controllers and no kubelet: `play` writes the status that the Job controller would write, `put_result` the
object that a trainer would leave, `play_report` runs the real report code where its pod would.
"""

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kubernetes import client
from minio import Minio

from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import JobPlan, Plan
from finetune_kube.kinds import JOB
from finetune_operator.cluster import Cluster
from finetune_operator.config import Config
from finetune_operator.kinds.experiment import Reconciler
from finetune_report.build import build
from finetune_store import S3Connection, Store, open_store
from support.experiments import API, PLURAL
from support.results import result_of
from support.seaweed import SeaweedS3

SECRET = "store-keys"
BUCKET = "results"
NOW = "2026-01-01T00:00:00Z"
IMAGE = "example.test/trainer:1"
MODEL_FILES = {"model/config.json": b"{}", "model/model.safetensors": b"weights"}
DATA_FILES = {
    f"glue/{folder}/{split}.tsv": f"{folder} {split}".encode()
    for folder in ("RTE", "CoLA", "WNLI")
    for split in ("train", "dev", "test")
}


def fill_bucket(server: SeaweedS3, bucket: str = BUCKET) -> None:
    """A bucket with a model folder and GLUE folders; their content is never looked into by the operator."""
    server.create_bucket(bucket)
    store = store_of(server, bucket)
    for key, content in {**MODEL_FILES, **DATA_FILES}.items():
        store.put(key, content)


def store_of(server: SeaweedS3, bucket: str = BUCKET, prefix: str = "") -> Store:
    """A store as the administrator sees it."""
    uri = f"s3://{bucket}" + (f"/{prefix}" if prefix else "")
    return open_store(uri, connection=S3Connection.from_env(server.environment), retry_seconds=0)


def create_secret(api: client.ApiClient, namespace: str, server: SeaweedS3, name: str = SECRET, **changes: str) -> None:
    """The Secret that pods and operator reach the store by."""
    data = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key, **changes}
    client.CoreV1Api(api).create_namespaced_secret(namespace, {"metadata": {"name": name}, "stringData": data})


def spec_of(server: SeaweedS3, tasks: dict[str, int], **fields: Any) -> Json:
    """A spec of some tasks with so many runs each, in the bucket of `fill_bucket`; a run a pod unless it says more."""
    execution = {"runsPerPod": 1, **fields.pop("execution", {})}
    return {
        "model": {"uri": f"s3://{BUCKET}/model"},
        "data": {"uri": f"s3://{BUCKET}/glue"},
        "tasks": [{"name": name, "runs": runs} for name, runs in tasks.items()],
        "storage": {"endpoint": server.endpoint, "bucket": BUCKET, "prefix": "out", "secretRef": {"name": SECRET}},
        "execution": execution,
        **fields,
    }


def ranges(indexes: Iterable[int]) -> str:
    """`{0, 1, 2, 5}` -> `0-2,5`, as the Job controller writes them."""
    parts: list[list[int]] = []
    for index in sorted(indexes):
        if parts and parts[-1][1] == index - 1:
            parts[-1][1] = index
        else:
            parts.append([index, index])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


@dataclass
class World:
    """One namespace with the operator at work in it."""

    api: client.ApiClient
    namespace: str
    server: SeaweedS3
    config: Config = field(default_factory=lambda: Config(trainer_image=IMAGE))
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    ahead: float = 0.0

    def __post_init__(self) -> None:
        self.store = store_of(self.server, prefix="out")
        self.store_root = store_of(self.server)
        self.custom = client.CustomObjectsApi(self.api)
        self.core = client.CoreV1Api(self.api)
        self.restart()

    def restart(self, cluster: Cluster | None = None) -> None:
        """A new operator, which remembers nothing."""
        if hasattr(self, "operator"):
            self.operator.close()
        self.cluster = cluster or Cluster(self.api, on_request=self._count)
        self.operator = Reconciler(self.cluster, self.config, monotonic=self.monotonic)

    def close(self) -> None:
        """Remove what the operator keeps on disk."""
        self.operator.close()

    def pass_time(self, seconds: float) -> None:
        """Let time pass for the operator."""
        self.ahead += seconds

    def monotonic(self) -> float:
        """The operator's clock."""
        return time.monotonic() + self.ahead

    def _count(self, verb: str, resource: str) -> None:
        self.requests[verb, resource] += 1

    # what the user does

    def apply(self, name: str, spec: Json) -> None:
        """Create the experiment or replace its spec."""
        manifest = {"apiVersion": "/".join(API), "kind": "FinetuneExperiment", "metadata": {"name": name}, "spec": spec}
        try:
            old = self.custom.get_namespaced_custom_object(*API, self.namespace, PLURAL, name)
        except client.ApiException as error:
            if error.status != 404:
                raise
            self.custom.create_namespaced_custom_object(*API, self.namespace, PLURAL, manifest)
            return
        manifest["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        self.custom.replace_namespaced_custom_object(*API, self.namespace, PLURAL, name, manifest)

    def delete(self, name: str) -> None:
        """Delete the experiment; plays the garbage collector for its children."""
        self.custom.delete_namespaced_custom_object(*API, self.namespace, PLURAL, name)
        for job in self.jobs(name):
            self.collect_job(job)

    def collect_job(self, job: Json) -> None:
        """Delete a Job and its plan, as the garbage collector does when their owner is gone."""
        metadata = job["metadata"]
        self.cluster.delete_work(JOB, self.namespace, metadata["name"], uid=metadata["uid"])
        self.collect_config_map((metadata.get("annotations") or {}).get("finetune.dev/plan"))

    def collect_config_map(self, name: str | None) -> None:
        """Delete a ConfigMap, if there is one of that name."""
        found = self.cluster.get_config_map(self.namespace, name) if name else None
        if name and found:
            self.cluster.delete_config_map(self.namespace, name, uid=found["metadata"]["uid"])

    def resource(self, name: str) -> Json:
        """The experiment as the API server has it."""
        found: Json = self.custom.get_namespaced_custom_object(*API, self.namespace, PLURAL, name)
        return found

    def status(self, name: str) -> Json:
        """The experiment's status."""
        return self.resource(name).get("status") or {}

    def condition(self, name: str, type_: str) -> Json:
        """One of its conditions."""
        return next(c for c in self.status(name)["conditions"] if c["type"] == type_)

    def reason(self, name: str) -> str:
        """The reason of `Succeeded`: the STATUS column."""
        return str(self.condition(name, "Succeeded")["reason"])

    # what the operator does

    def look(self, name: str, times: int = 1) -> float | None:
        """Reconcile; the delay that the last look asks for."""
        delay = None
        for _ in range(times):
            delay = self.operator.reconcile(self.namespace, name)
        return delay

    # what the operator made

    def jobs(self, name: str, role: str | None = None) -> list[Json]:
        """The experiment's Jobs, by name."""
        selector = f"finetune.dev/experiment={name}" + (f",finetune.dev/role={role}" if role else "")
        found = self.custom.list_namespaced_custom_object(
            "batch", "v1", self.namespace, "jobs", label_selector=selector
        )
        return sorted(found["items"], key=lambda job: job["metadata"]["name"])

    def job(self, name: str, role: str = "train") -> Json:
        """The only Job of that role."""
        (job,) = self.jobs(name, role)
        return job

    def job_plan(self, job: Json) -> JobPlan:
        """The plan that the Job's pods mount."""
        plan = job["metadata"]["annotations"]["finetune.dev/plan"]
        config_map = self.core.read_namespaced_config_map(plan, self.namespace)
        return JobPlan.model_validate_json(config_map.data["plan.json"])

    # what the Job controller and the pods do

    def play(
        self,
        job: Json,
        *,
        completed: Iterable[int] = (),
        failed: Iterable[int] = (),
        active: int = 0,
        ready: int | None = None,
        final: str | None = None,
        **more: Any,
    ) -> None:
        """Write the Job's status as the Job controller does; `final` is Complete or Failed."""
        done, bad = set(completed), set(failed)
        indexed = job["spec"].get("completionMode") == "Indexed"
        status: Json = {
            "startTime": NOW,
            "active": active,
            "ready": active if ready is None else ready,
            "terminating": 0,
            "succeeded": len(done),
            "failed": len(bad),
            **({"completedIndexes": ranges(done), "failedIndexes": ranges(bad)} if indexed else {}),
            **more,
        }
        if final:
            interim = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[final]
            reason = "CompletionsReached" if final == "Complete" else "FailedIndexes"
            status["conditions"] = [_condition(interim, reason), _condition(final, reason)]
            if final == "Complete":
                status["completionTime"] = NOW
        self._patch_status(job, {"status": status})

    def finish(self, job: Json, *, failed: Iterable[int] = (), value: float = 0.7) -> None:
        """All indexes end: the failed ones without a result, the others with one."""
        bad = set(failed)
        good = set(range(job["spec"]["completions"])) - bad
        for index in good:
            self.put_results(job, index, value=value)
        self.play(job, completed=good, failed=bad, final="Failed" if bad else "Complete")

    def put_results(self, job: Json, index: int, *, value: float = 0.7) -> None:
        """Leave what the trainer leaves of the runs of an index."""
        job_plan = self.job_plan(job)
        layout = ExperimentLayout(job_plan.plan.namespace, job_plan.plan.experiment)
        for run in job_plan.runs_at(index):
            result = result_of(job_plan.plan, run.task, run.run, value + run.run / 100)
            self.store.put(layout.run(run.task, run.run_id).result, result.to_json())

    def pod(self, job: Json, *, index: int = 0, status: Json, node: str | None = None) -> str:
        """A pod of the Job, in a state that a kubelet would report."""
        name = f"{job['metadata']['name']}-{index}-{uuid.uuid4().hex[:5]}"
        labels = {
            **job["spec"]["template"]["metadata"]["labels"],
            "batch.kubernetes.io/job-name": job["metadata"]["name"],
        }
        annotations = {"batch.kubernetes.io/job-completion-index": str(index)}
        manifest = {
            "metadata": {"name": name, "labels": labels, "annotations": annotations},
            "spec": {**job["spec"]["template"]["spec"], **({"nodeName": node} if node else {})},
        }
        self.core.create_namespaced_pod(self.namespace, manifest)
        self.core.patch_namespaced_pod_status(name, self.namespace, {"status": status})
        return name

    def create_pod(self, job: Json, *, index: int = 0) -> str | None:
        """Create a pod as the Job controller does: its Job gets an event, which says why where it is refused."""
        spec = job["spec"]["template"]["spec"]
        name = f"{job['metadata']['name']}-{index}-{uuid.uuid4().hex[:5]}"
        labels = {
            **job["spec"]["template"]["metadata"]["labels"],
            "batch.kubernetes.io/job-name": job["metadata"]["name"],
        }
        manifest = {"metadata": {"name": name, "labels": labels}, "spec": spec}
        try:
            self.core.create_namespaced_pod(self.namespace, manifest)
        except client.ApiException as error:
            self.tell(job, "FailedCreate", f"Error creating: {json.loads(error.body)['message']}")
            return None
        self.tell(job, "SuccessfulCreate", f"Created pod: {name}", type_="Normal")
        return name

    def tell(
        self,
        about: Json,
        reason: str,
        message: str,
        *,
        type_: str = "Warning",
        kind: str = "Job",
        at: str | None = None,
    ) -> None:
        """An event about an object, as controllers and kubelets write them."""
        now = at or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata = {key: about["metadata"][key] for key in ("name", "namespace", "uid")}
        event = {
            "metadata": {"generateName": f"{metadata['name']}."},
            "involvedObject": {"kind": kind, **metadata},
            "type": type_,
            "reason": reason,
            "message": message,
            "lastTimestamp": now,
            "source": {"component": "job-controller"},
        }
        self.core.create_namespaced_event(self.namespace, event)

    def play_report(self, name: str) -> None:
        """Do what the newest unfinished report Job's pod does, with its own arguments."""
        job = next(job for job in self.jobs(name, "report") if not job_ended(job))
        command = job["spec"]["template"]["spec"]["containers"][0]["command"]
        digest = command[command.index("--expect-digest") + 1]
        failed = command[command.index("--failed") + 1 :] if "--failed" in command else []
        plan = self.plan(name)
        build(self.store, plan, failed, open_data=lambda _uri: None, expected=digest, plots=False)
        self.play(job, final="Complete")

    def plan(self, name: str) -> Plan:
        """The plan that lies in the store."""
        key = ExperimentLayout(self.namespace, name).plan
        return Plan.model_validate_json(self.store.get(key))

    def to_the_end(self, name: str, *, failed: Iterable[int] = (), between: Callable[[], None] = lambda: None) -> None:
        """Look and play until the experiment has ended; `between` is called before each look."""
        for _ in range(30):
            between()
            if self.look(name) is None:
                return
            for job in self.jobs(name, "train"):
                if not job_ended(job) and not job["spec"].get("suspend"):
                    self.finish(job, failed=failed)
            if any(not job_ended(job) for job in self.jobs(name, "report")):
                self.play_report(name)
        raise AssertionError(f"{name} does not come to an end: {json.dumps(self.status(name), indent=1)}")

    def events(self, name: str) -> list[tuple[str, str]]:
        """(type, reason) of the events about the experiment, in order of time."""
        found = self.core.list_namespaced_event(self.namespace, field_selector=f"involvedObject.name={name}").items
        return [(event.type, event.reason) for event in sorted(found, key=lambda event: event.metadata.name)]

    def minio(self) -> Minio:
        """A bare client, for what is done behind the operator's back."""
        return self.server.client()

    def _patch_status(self, job: Json, body: Json) -> None:
        name = job["metadata"]["name"]
        self.custom.patch_namespaced_custom_object_status("batch", "v1", self.namespace, "jobs", name, body)


def _condition(type_: str, reason: str) -> Json:
    return {"type": type_, "status": "True", "reason": reason, "message": "played", "lastTransitionTime": NOW}


def job_ended(job: Json) -> bool:
    """Whether a Job has reached a final condition."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] in {"Complete", "Failed"} and c["status"] == "True" for c in conditions)
