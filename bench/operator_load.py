"""The world that `bench_operator` puts around the operator: experiments, and Jobs whose controller is played.

There is no kubelet and no Job controller: `play` writes the Job's status as the controller would, `result.json` objects
as the trainers would, and at the end `results.json` as the report Job would (with the digest that it is told).
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from kubernetes import client, watch

from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import JobPlan
from finetune_core.results.document import build_document
from finetune_core.results.run import Progress, RunResult
from support.results import result_of
from support.seaweed import SeaweedS3
from support.world import BUCKET, SECRET, create_secret, ranges, store_of

API = ("finetune.dev", "v1alpha1")
PLURAL = "finetuneexperiments"
TASKS = ("rte", "cola", "wnli")
NOW = "2026-01-01T00:00:00Z"


@dataclass
class Experiment:
    """One of many: when it was applied and when its Job was seen, by the script's clock (seconds)."""

    namespace: str
    name: str
    applied: float = 0.0
    created: float | None = None
    job: Json | None = None
    results: dict[str, RunResult] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name


class Load:
    """Applies experiments and plays their Jobs."""

    def __init__(self, api: client.ApiClient, server: SeaweedS3, *, runs: int, parallelism: int, threads: int) -> None:
        self._api, self._server = api, server
        self._custom = client.CustomObjectsApi(api)
        self._core = client.CoreV1Api(api)
        self._store = store_of(server, prefix="out")
        self._runs, self._parallelism = runs, parallelism
        self._pool = ThreadPoolExecutor(threads)
        self.experiments: dict[tuple[str, str], Experiment] = {}
        self._watch = watch.Watch()
        self._watcher = ThreadPoolExecutor(1).submit(self._watch_jobs)

    def close(self) -> None:
        """Stop watching."""
        self._watch.stop()

    def create_namespaces(self, count: int) -> list[str]:
        """Namespaces with the store's Secret."""
        names = [f"team-{number}" for number in range(count)]
        for name in names:
            self._core.create_namespace({"metadata": {"name": name}})
            create_secret(self._api, name, self._server)
        return names

    def apply(self, namespaces: list[str], names: list[str], *, rate: float) -> list[Experiment]:
        """Apply experiments at a steady rate (per second; 0: as fast as the API server takes them)."""
        experiments = [Experiment(namespaces[n % len(namespaces)], name) for n, name in enumerate(names)]
        self.experiments |= {each.key: each for each in experiments}
        begin = time.monotonic()
        for number, each in enumerate(experiments):
            if rate:
                time.sleep(max(0.0, begin + number / rate - time.monotonic()))
            each.applied = time.monotonic()
            self._custom.create_namespaced_custom_object(*API, each.namespace, PLURAL, self._manifest(each.name))
        return experiments

    def _manifest(self, name: str) -> Json:
        share, extra = divmod(self._runs, len(TASKS))
        storage = {"endpoint": self._server.endpoint, "bucket": BUCKET, "prefix": "out", "secretRef": {"name": SECRET}}
        spec = {
            "model": {"uri": f"s3://{BUCKET}/model"},
            "data": {"uri": f"s3://{BUCKET}/glue"},
            "tasks": [{"name": task, "runs": share + (place < extra)} for place, task in enumerate(TASKS)],
            "execution": {"parallelism": self._parallelism},
            "storage": storage,
        }
        return {"apiVersion": "/".join(API), "kind": "FinetuneExperiment", "metadata": {"name": name}, "spec": spec}

    def start_jobs(self, experiments: list[Experiment]) -> None:
        """All Jobs have their pods at work, and the runs say how far they are."""
        list(self._pool.map(self._start, experiments))

    def _start(self, each: Experiment) -> None:
        job_plan = self._job_plan(each)
        layout = ExperimentLayout(each.namespace, each.name)
        progress = Progress(step=1, total_steps=9, seconds_left=500, elapsed_seconds=50, attempt="a", time=NOW)
        for index in range(min(self._parallelism, len(job_plan.indexes))):
            for run in job_plan.runs_at(index):
                self._store.put(layout.run(run.task, run.run_id).progress, progress.to_json())
        self._play(each, completed=0)

    def finish(self, experiments: list[Experiment], *, steps: int, rate: float) -> None:
        """Every Job goes to its end in so many steps; so many Jobs a second set out for it (0: all at once)."""
        begin = time.monotonic()

        def finish(number: int) -> None:
            if rate:
                time.sleep(max(0.0, begin + number / rate - time.monotonic()))
            self._finish(experiments[number], steps)

        list(self._pool.map(finish, range(len(experiments))))

    def _finish(self, each: Experiment, steps: int) -> None:
        job_plan, done = self._job_plan(each), 0
        layout = ExperimentLayout(each.namespace, each.name)
        for step in range(1, steps + 1):
            upto = len(job_plan.indexes) * step // steps
            for index in range(done, upto):
                for run in job_plan.runs_at(index):
                    result = result_of(job_plan.plan, run.task, run.run, 0.5 + run.run / 100)
                    self._store.put(layout.run(run.task, run.run_id).result, result.to_json())
                    each.results[run.run_id] = result
            done = upto
            self._play(each, completed=done)

    def report(self, experiments: list[Experiment], *, seconds: float) -> None:
        """Play the report Jobs as they come."""
        list(self._pool.map(lambda each: self._report(each, seconds), experiments))

    def _report(self, each: Experiment, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (job := self._report_job(each)) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no report Job of {each.key} within {seconds:.0f} s")
            time.sleep(0.2)
        command = job["spec"]["template"]["spec"]["containers"][0]["command"]
        layout = ExperimentLayout(each.namespace, each.name)
        plan = self._job_plan(each).plan
        document = build_document(plan, each.results, {}, uri=self._store.uri(layout.root), models={})
        if document.report_digest != command[command.index("--expect-digest") + 1]:
            raise RuntimeError(f"the operator wants another report of {each.key} than its results make")
        self._store.put(layout.results("json"), document.to_json())
        self._patch(job, {"succeeded": 1, **_final("Complete")})
        each.results.clear()

    def _report_job(self, each: Experiment) -> Json | None:
        selector = f"finetune.dev/experiment={each.name},finetune.dev/role=report"
        found = self._custom.list_namespaced_custom_object(
            "batch", "v1", each.namespace, "jobs", label_selector=selector
        )
        return next(iter(found["items"]), None)

    def _job_plan(self, each: Experiment) -> JobPlan:
        if each.job is None:
            raise RuntimeError(f"{each.key} has no Job yet")
        name = each.job["metadata"]["annotations"]["finetune.dev/plan"]
        data = self._core.read_namespaced_config_map(name, each.namespace).data
        return JobPlan.model_validate_json(data["plan.json"])

    def _play(self, each: Experiment, *, completed: int) -> None:
        if each.job is None:
            raise RuntimeError(f"{each.key} has no Job yet")
        total = each.job["spec"]["completions"]
        active = min(self._parallelism, total - completed)
        status = {
            "active": active,
            "ready": active,
            "succeeded": completed,
            "completedIndexes": ranges(range(completed)),
            **(_final("Complete") if completed == total else {}),
        }
        self._patch(each.job, status)

    def _patch(self, job: Json, status: Json) -> None:
        namespace, name = job["metadata"]["namespace"], job["metadata"]["name"]
        body = {"status": {"startTime": NOW, "terminating": 0, **status}}
        self._custom.patch_namespaced_custom_object_status("batch", "v1", namespace, "jobs", name, body)

    def _watch_jobs(self) -> None:
        stream = self._watch.stream(
            self._custom.list_cluster_custom_object, "batch", "v1", "jobs", label_selector="finetune.dev/role=train"
        )
        for event in stream:
            job = event["object"]
            each = self.experiments.get(
                (job["metadata"]["namespace"], job["metadata"]["labels"]["finetune.dev/experiment"])
            )
            if event["type"] == "ADDED" and each is not None and each.created is None:
                each.job, each.created = job, time.monotonic()


def _final(type_: str) -> Json:
    names = {"Complete": ("SuccessCriteriaMet", "Complete")}[type_]
    conditions = [
        {"type": name, "status": "True", "reason": "CompletionsReached", "message": "", "lastTransitionTime": NOW}
        for name in names
    ]
    return {"conditions": conditions, "completionTime": NOW, "active": 0, "ready": 0}
