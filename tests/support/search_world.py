"""A world with searches in it: `drive` leaves what drivers leave, `play_search_report` runs the real report code."""

import json
from collections.abc import Iterable
from typing import Any

from kubernetes import client

from finetune_core.json_types import Json
from finetune_core.planning.search.plan import SearchJobPlan, SearchPlan, unit_name
from finetune_core.results.search.trial import Claim, EndReason, TaskEnd, TrialResult, TrialState
from finetune_core.search_layout import SearchLayout, TrialKind
from finetune_operator.cluster import Cluster
from finetune_operator.kinds.search import SearchReconciler
from finetune_report.search.build import build_search
from support.experiments import API
from support.search_trials import clock, config, trial
from support.seaweed import SeaweedS3
from support.world import BUCKET, NOW, SECRET, World, job_ended

SEARCHES = "hpsearches"
SPACE = {
    "learningRate": {"logUniform": [1e-5, 1e-3]},
    "maxSteps": {"int": [100, 1000]},
    "warmupRatio": {"choice": [0.0, 0.1, 0.2]},
}


def search_spec(server: SeaweedS3, tasks: Iterable[str] = ("rte",), *, trials: int = 3, **fields: Any) -> Json:
    """A spec of a search on some tasks, in the bucket of `fill_bucket`."""
    return {
        "model": {"uri": f"s3://{BUCKET}/model"},
        "data": {"uri": f"s3://{BUCKET}/glue"},
        "tasks": [{"name": task} for task in tasks],
        "space": SPACE,
        "trials": trials,
        "storage": {"endpoint": server.endpoint, "bucket": BUCKET, "prefix": "out", "secretRef": {"name": SECRET}},
        **fields,
    }


class SearchWorld(World):
    """A namespace with an operator of both kinds."""

    def restart(self, cluster: Cluster | None = None) -> None:
        """A new operator, which remembers nothing."""
        super().restart(cluster)
        if hasattr(self, "searcher"):
            self.searcher.close()
        self.searcher = SearchReconciler(self.cluster, self.config, monotonic=self.monotonic)

    def close(self) -> None:
        """Remove what the operator keeps on disk."""
        self.searcher.close()
        super().close()

    def apply_search(self, name: str, spec: Json) -> None:
        """Create the search or replace its spec."""
        manifest = {"apiVersion": "/".join(API), "kind": "HPSearch", "metadata": {"name": name}, "spec": spec}
        where = (*API, self.namespace, SEARCHES)
        try:
            old = self.custom.get_namespaced_custom_object(*where, name)
        except client.ApiException as error:
            if error.status != 404:
                raise
            self.custom.create_namespaced_custom_object(*where, manifest)
            return
        manifest["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        self.custom.replace_namespaced_custom_object(*where, name, manifest)

    def delete_search(self, name: str) -> None:
        """Delete the search; plays the garbage collector for its children."""
        self.custom.delete_namespaced_custom_object(*API, self.namespace, SEARCHES, name)
        for job in self.search_jobs(name):
            self.collect_job(job)
        self.collect_config_map(f"{name}-hyperparameters")

    def search_status(self, name: str) -> Json:
        """The search's status."""
        found = self.custom.get_namespaced_custom_object(*API, self.namespace, SEARCHES, name)
        return found.get("status") or {}

    def search_condition(self, name: str, type_: str) -> Json:
        """One of its conditions."""
        return next(c for c in self.search_status(name)["conditions"] if c["type"] == type_)

    def search_reason(self, name: str) -> str:
        """The reason of `Succeeded`: the STATUS column."""
        return str(self.search_condition(name, "Succeeded")["reason"])

    def look_at_search(self, name: str, times: int = 1) -> float | None:
        """Reconcile; the delay that the last look asks for."""
        delay = None
        for _ in range(times):
            delay = self.searcher.reconcile(self.namespace, name)
        return delay

    def search_jobs(self, name: str, role: str | None = None) -> list[Json]:
        """The search's Jobs, by name."""
        selector = f"finetune.dev/search={name}" + (f",finetune.dev/role={role}" if role else "")
        found = self.custom.list_namespaced_custom_object(
            "batch", "v1", self.namespace, "jobs", label_selector=selector
        )
        return sorted(found["items"], key=lambda job: job["metadata"]["name"])

    def search_job(self, name: str, role: str = "train") -> Json:
        """The only Job of that role."""
        (job,) = self.search_jobs(name, role)
        return job

    def search_job_plan(self, job: Json) -> SearchJobPlan:
        """The plan that the Job's pods mount."""
        plan = job["metadata"]["annotations"]["finetune.dev/plan"]
        config_map = self.core.read_namespaced_config_map(plan, self.namespace)
        return SearchJobPlan.model_validate_json(config_map.data["plan.json"])

    def search_plan(self, name: str) -> SearchPlan:
        """The plan that lies in the store."""
        return SearchPlan.model_validate_json(self.store.get(SearchLayout(self.namespace, name).plan))

    def put_trial(self, name: str, index: int, *, task: str = "rte", **fields: Any) -> TrialResult:
        """Leave what a driver leaves of a trial that ended; the configuration is that of `support.search_trials`."""
        plan = self.search_plan(name)
        result = trial(plan, index, task=task, **fields)
        place = SearchLayout(self.namespace, name).trial(TrialKind.TRIALS, task, index)
        self.put_claim(name, index, task=task)
        self.store.put(place.result, result.to_json())
        return result

    def put_claim(self, name: str, index: int, *, task: str = "rte") -> None:
        """Leave the claim of a driver that has taken a trial."""
        place = SearchLayout(self.namespace, name).trial(TrialKind.TRIALS, task, index)
        self.store.put(place.claim(0), Claim(driver="d", cluster=0, config=config(index), time=NOW).to_json())

    def put_end(self, name: str, task: str = "rte", reason: EndReason = EndReason.ALL_TRIALS) -> None:
        """Leave the end of a task."""
        end = TaskEnd(driver="d", reason=reason, message="", time=clock(600))
        self.store.put(SearchLayout(self.namespace, name).end(task), end.to_json())

    def drive(self, job: Json, name: str, *, state: TrialState = TrialState.COMPLETED) -> None:
        """All units of a Job end well: every trial that is missing gets a result, every task an end."""
        job_plan = self.search_job_plan(job)
        layout = SearchLayout(self.namespace, name)
        for task in dict.fromkeys(task for task, _ in job_plan.units):
            for index in range(job_plan.plan.tasks[task].trials):
                if self.store.stat(layout.trial(TrialKind.TRIALS, task, index).result) is None:
                    self.put_trial(name, index, task=task, state=state)
            self.put_end(name, task)
        self.play(job, completed=range(len(job_plan.units)), final="Complete")

    def play_search_report(self, name: str) -> None:
        """Do what the newest unfinished report Job's pod does, with its own arguments."""
        job = next(job for job in self.search_jobs(name, "report") if not job_ended(job))
        command = job["spec"]["template"]["spec"]["containers"][0]["command"]
        given = dict(zip(command[2::2], command[3::2], strict=True))
        assert command[:2] == ["finetune-report", "search"]
        build_search(self.store, given["--namespace"], given["--search"], expected=given["--expect-digest"])
        self.play(job, final="Complete")

    def search_to_the_end(self, name: str, *, state: TrialState = TrialState.COMPLETED) -> None:
        """Look and play until the search has ended."""
        for _ in range(30):
            if self.look_at_search(name) is None:
                return
            for job in self.search_jobs(name, "train"):
                if not job_ended(job) and not job["spec"].get("suspend"):
                    self.drive(job, name, state=state)
            if any(not job_ended(job) for job in self.search_jobs(name, "report")):
                self.play_search_report(name)
        raise AssertionError(f"{name} does not come to an end: {json.dumps(self.search_status(name), indent=1)}")


def units(plan: SearchJobPlan) -> list[str]:
    """The units of a Job's plan by name."""
    return [unit_name(unit) for unit in plan.units]
