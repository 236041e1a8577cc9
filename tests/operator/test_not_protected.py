"""What docs/security.md says is open today. Who closes one of these changes its test and the page."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finetune_core.api import Execution, PodTemplate, Storage
from finetune_core.deciding.actions import CreateTrainJob
from finetune_core.json_types import Json
from finetune_core.planning.plan import ExecutionLimits
from finetune_core.planning.pods import job_plan
from finetune_kube.errors import ConflictError
from finetune_operator.executors.job import JobExecutor
from finetune_operator.manifests import Owner, PodSettings
from finetune_operator.manifests.defaults import TemplatePolicy
from finetune_operator.manifests.policy import pod_problems
from finetune_store.hub import hub_commit
from support.hostile_place import BASES, KINDS, operating
from support.results import plan_of

PLAN = plan_of({"rte": 1})
STORAGE = Storage.model_validate({"bucket": "results", "secretRef": {"name": "keys"}})
HOST = {"name": "host", "hostPath": {"path": "/"}}
TOKEN = {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}


def settings(**execution: object) -> PodSettings:
    return PodSettings(
        execution=Execution.model_validate(execution),
        storage=STORAGE,
        default_image="example.test/trainer:1",
        default_pull_policy=None,
        claims=(),
        log_format="json",
    )


def work() -> CreateTrainJob:
    units = job_plan(PLAN, frozenset(run.run_id for run in PLAN.runs), runs_per_pod=1, limits=ExecutionLimits())
    return CreateTrainJob("exp-12345678", "rev", round=1, job_plan=units, parallelism=1, suspend=False)


def pod(**execution: object) -> Json:
    job = JobExecutor().manifest(Owner("team", "exp", "uid"), settings(**execution), work())
    spec: Json = job["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("volume", [HOST, TOKEN], ids=["hostPath", "projected token"])
def test_without_a_policy_a_pod_template_may_mount_what_the_cluster_lets_it(volume: Json) -> None:
    assert volume in pod(podTemplate={"volumes": [volume]})["volumes"]


def test_a_spec_chooses_image_and_service_account() -> None:
    made = pod(image="example.test/other:1", podTemplate={"serviceAccountName": "other"})
    assert made["serviceAccountName"] == "other"
    assert made["containers"][0]["image"] == "example.test/other:1"


def test_variables_of_a_spec_are_in_the_spec() -> None:
    variable = {"name": "HF_TOKEN", "value": "in plain sight"}
    assert variable in pod(podTemplate={"env": [variable]})["containers"][0]["env"]


def test_a_pod_template_may_name_any_secret_of_its_namespace() -> None:
    volume = {"name": "keys", "secret": {"secretName": "of-somebody-else"}}
    template = PodTemplate.model_validate({"volumes": [volume]})
    assert pod_problems(template, None, TemplatePolicy.RESTRICTED) == ()


def test_an_image_is_what_its_tag_points_to() -> None:
    assert pod(image="example.test/other:latest")["containers"][0]["image"] == "example.test/other:latest"


class Hub:
    """Knows one private repository, and the token that reads it."""

    def request(self, _method: str, url: str, *, headers: dict[str, str], **_: Any) -> Any:
        known = "/api/models/other-team/secret-project/" in url and headers == {"Authorization": "Bearer operators"}
        answer = json.dumps({"sha": "0" * 40}).encode()
        return SimpleNamespace(status=200 if known else 401, read=lambda _most: answer, close=lambda: None)


def test_an_author_learns_what_the_operators_token_reads_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "operators")
    http: Any = Hub()
    uri = "hf://other-team/secret-project"
    assert hub_commit(uri, kind="model", field="spec.model.uri", http=http) == "0" * 40


def test_the_operator_remembers_every_living_experiment(tmp_path: Path) -> None:
    with operating(tmp_path) as place:
        reconciler = place.reconcilers["FinetuneExperiment"]
        for number in range(5):
            place.put("FinetuneExperiment", BASES["FinetuneExperiment"], name=f"exp-{number}")
            reconciler.reconcile("team", f"exp-{number}")
        assert reconciler.remembered() == 5
        kept = [reconciler._memories.take(key) for key in list(reconciler._memories._packed)]
        assert [memory.plan is not None for memory in kept] == [True] * 5


def test_a_status_is_not_written_of_an_object_that_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with operating(tmp_path) as place:
        place.put("FinetuneExperiment", BASES["FinetuneExperiment"])

        def refuse(*_: Any, **__: Any) -> None:
            raise ConflictError("the object has been modified")

        monkeypatch.setattr(place.cluster, "patch_experiment_status", refuse)
        assert place.reconcilers["FinetuneExperiment"].reconcile("team", "one") is not None
        assert "status" not in place.held(KINDS["FinetuneExperiment"])
