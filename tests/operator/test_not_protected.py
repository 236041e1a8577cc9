"""What docs/security.md says is open today. Who closes one of these changes its test and the page."""

import pytest

from finetune_core.api import Execution, PodTemplate, Storage
from finetune_core.deciding.actions import CreateTrainJob
from finetune_core.planning.plan import ExecutionLimits, job_plan
from finetune_operator.executors.job import JobExecutor
from finetune_operator.manifests import Owner, PodSettings
from finetune_operator.manifests.defaults import TemplatePolicy
from finetune_operator.manifests.owners import Json
from finetune_operator.manifests.policy import template_problems
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
    assert template_problems(template, TemplatePolicy.RESTRICTED) == ()


def test_an_image_is_what_its_tag_points_to() -> None:
    assert pod(image="example.test/other:latest")["containers"][0]["image"] == "example.test/other:latest"
