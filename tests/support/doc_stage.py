"""The cluster that the commands of the documentation are run in: what the pages suppose to be there, played.

A real API server with the chart's CRDs and a real S3 server; in each namespace the operator's own code. `settle` is the
rest of the world: it leaves what trainers, drivers and report pods leave until everything has ended.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from kubernetes import client

from finetune_core.api import Storage
from finetune_core.api.search import Distribution
from finetune_core.json_types import Json
from finetune_core.leaderboard.placeholders import PLACEHOLDER_CONSTANTS, placeholder
from finetune_core.results.search.trial import Claim, TrialResult
from finetune_core.search_layout import SearchLayout, TrialKind
from finetune_operator.config import Config
from support.experiments import API, PLURAL
from support.kubelet import NODE
from support.report_store import finish_run, layout_of
from support.search_trials import clock, trial
from support.search_world import SEARCHES, SearchWorld
from support.seaweed import SeaweedS3
from support.world import IMAGE, SECRET, create_secret, store_of

# As cli.md has it: --store s3://bucket/prefix.
BUCKET, PREFIX = "bucket", "prefix"
# As the examples have it.
INPUTS = {"model": {"uri": "s3://finetune/demo/minilm"}, "data": {"uri": "s3://finetune/demo/glue"}}
NAMESPACES = ("default", "team", "nlp", "finetune-demo")
_SPACE = {"learningRate": {"logUniform": [1e-5, 1e-3]}, "warmupRatio": {"choice": [0, 0.1]}}


@dataclass(frozen=True)
class Ended:
    """An experiment (or, with `trials`, a search) of task -> runs that has ended before the page begins.

    `fails`: all runs of the experiment fail.
    """

    name: str
    namespace: str = "default"
    tasks: Mapping[str, int] = field(default_factory=lambda: {"rte": 3})
    trials: int | None = None
    fails: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    def manifest(self) -> Json:
        """What a person applies."""
        kind, tasks = "FinetuneExperiment", [{"name": name, "runs": runs} for name, runs in self.tasks.items()]
        spec: Json = {**INPUTS, "tasks": tasks, **self.more}
        if self.trials is not None:
            kind = "HPSearch"
            spec |= {"tasks": [{"name": name} for name in self.tasks], "space": _SPACE, "trials": self.trials}
        return {"apiVersion": "/".join(API), "kind": kind, "metadata": {"name": self.name}, "spec": spec}


class PlayedWorld(SearchWorld):
    """A namespace whose runs leave all that a trainer leaves; its pods stay, so that they have logs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.store = store_of(self.server, BUCKET, PREFIX)
        self.failing: set[str] = set()

    def finish(self, job: Json, *, failed: Iterable[int] = (), value: float = 0.7) -> None:
        """All indexes end: those of an experiment that fails without a result."""
        if job["metadata"]["labels"]["finetune.dev/experiment"] in self.failing:
            failed = range(job["spec"]["completions"])
        super().finish(job, failed=failed, value=value)

    def put_results(self, job: Json, index: int, *, value: float = 0.7) -> None:
        """Results, weights, event files, and predictions of the right number of rows."""
        job_plan = self.job_plan(job)
        for run in job_plan.runs_at(index):
            task = job_plan.plan.tasks[run.task].definition
            made = {file.name: placeholder(file, PLACEHOLDER_CONSTANTS[file.name]) for file in task.submission}
            result = finish_run(self.store, job_plan.plan, run.task, run.run, value + run.run / 100, predictions=made)
            place = layout_of(job_plan.plan).run(run.task, run.run_id)
            self.store.put(f"{place.tensorboard(result.attempt)}/events.out.tfevents.1.pod", b"events")
        labels = job["spec"]["template"]["metadata"]["labels"]
        labels = {**labels, "batch.kubernetes.io/job-name": job["metadata"]["name"]}
        self.add_pod(f"{job['metadata']['name']}-{index}", labels, index)

    def add_pod(self, name: str, labels: Mapping[str, str], index: int = 0) -> None:
        """A pod that has run on the played node."""
        metadata = {
            "name": name,
            "labels": dict(labels),
            "annotations": {"batch.kubernetes.io/job-completion-index": str(index)},
        }
        spec = {"nodeName": NODE, "containers": [{"name": "trainer", "image": IMAGE}]}
        self.core.create_namespaced_pod(self.namespace, {"metadata": metadata, "spec": spec})
        self.core.patch_namespaced_pod_status(name, self.namespace, {"status": {"phase": "Succeeded"}})

    def put_trial(self, name: str, index: int, *, task: str = "rte", **fields: Any) -> TrialResult:
        """A trial of a configuration out of the search's own space."""
        plan = self.search_plan(name)
        config = {one: _value(within, index) for one, within in plan.tasks[task].space.items()}
        result = trial(plan, index, task=task, configuration=config, **fields)
        place = SearchLayout(self.namespace, name).trial(TrialKind.TRIALS, task, index)
        self.store.put(place.claim(0), Claim(driver="d", cluster=0, config=config, time=clock(0)).to_json())
        self.store.put(place.result, result.to_json())
        return result

    def play_search_report(self, name: str) -> None:
        """Without plots, which take seconds and no page opens."""
        with mock.patch("finetune_report.search.build.plot_task", return_value=[]):
            super().play_search_report(name)

    def apply_manifest(self, manifest: Json) -> None:
        """As `kubectl apply` does."""
        apply = self.apply_search if manifest["kind"] == "HPSearch" else self.apply
        apply(manifest["metadata"]["name"], manifest["spec"])

    def settle(self) -> None:
        """Look and play until everything has ended, but for what is suspended or waits for KubeRay."""
        # Searches first: experiments may wait for them.
        for plural, end in ((SEARCHES, self.search_to_the_end), (PLURAL, self.to_the_end)):
            for item in self.custom.list_namespaced_custom_object(*API, self.namespace, plural)["items"]:
                execution = item["spec"].get("execution") or {}
                if not execution.get("suspend") and execution.get("mode") != "RayCluster":
                    end(item["metadata"]["name"])


class Stage:
    """The namespaces of a page."""

    def __init__(self, api: client.ApiClient, server: SeaweedS3) -> None:
        secret = {"secretRef": {"name": SECRET}}
        storage = Storage.model_validate({"endpoint": server.endpoint, "bucket": BUCKET, "prefix": PREFIX, **secret})
        config = Config(trainer_image=IMAGE, default_storage=storage)
        self._worlds = {name: PlayedWorld(api, name, server, config) for name in NAMESPACES}
        for name in NAMESPACES:
            create_secret(api, name, server)

    def world(self, namespace: str) -> PlayedWorld:
        """One of the namespaces."""
        return self._worlds[namespace]

    def prepare(self, *things: Ended) -> None:
        """Have these there, ended."""
        for one in things:
            world = self.world(one.namespace)
            world.failing |= {one.name} if one.fails else set()
            world.apply_manifest(one.manifest())
        self.settle()

    def settle(self) -> None:
        """Until everything in every namespace has ended."""
        for world in self._worlds.values():
            world.settle()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Settle again and again meanwhile, for commands that wait for what they have begun."""
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(0.1):
                self.settle()

        with ThreadPoolExecutor(1) as threads:
            worker = threads.submit(work)
            try:
                yield
            finally:
                stop.set()
                worker.result()

    def clear(self) -> None:
        """Nothing of a page stays for the next one."""
        for world in self._worlds.values():
            world.failing.clear()
            _clear(world)
        world = self._worlds["default"]
        for info in list(world.store.list("")):
            world.store.delete(info.key)

    def close(self) -> None:
        """Remove what the operators keep on disk."""
        for world in self._worlds.values():
            world.close()


def _clear(world: PlayedWorld) -> None:
    namespace, core = world.namespace, world.core
    for plural in (PLURAL, SEARCHES):
        world.custom.delete_collection_namespaced_custom_object(*API, namespace, plural)
    client.BatchV1Api(world.api).delete_collection_namespaced_job(namespace, propagation_policy="Background")
    core.delete_collection_namespaced_config_map(namespace)
    core.delete_collection_namespaced_pod(namespace, grace_period_seconds=0)
    core.delete_collection_namespaced_service_account(namespace)
    rights = client.RbacAuthorizationV1Api(world.api)
    rights.delete_collection_namespaced_role(namespace)
    rights.delete_collection_namespaced_role_binding(namespace)
    core.delete_collection_namespaced_secret(namespace, field_selector=f"metadata.name!={SECRET}")
    world.restart()


def _value(within: Distribution, index: int) -> Any:
    """Some value of a distribution."""
    if within.choice:
        return within.choice[index % len(within.choice)]
    assert within.log_uniform, f"no page has searched {within} so far: have a value drawn of it"
    low, high = within.log_uniform
    return low + (high - low) * index / 100
