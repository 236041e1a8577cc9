"""Pods of ours against the admission of a real API server: quotas on limits, small LimitRanges, Pod Security."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from kubernetes import client

from finetune_core.api import Execution, Storage
from finetune_core.deciding.actions import CreateReportJob, CreateTrainJob
from finetune_core.json_types import Json
from finetune_core.planning.plan import ExecutionLimits
from finetune_core.planning.pods import job_plan
from finetune_operator import manifests
from finetune_operator.executors.job import JobExecutor
from finetune_operator.executors.rayjob import RayJobExecutor
from finetune_operator.manifests import Owner, PodSettings
from finetune_operator.manifests.defaults import NO_IDS, PodDefaults
from support.results import plan_of

pytestmark = pytest.mark.apiserver

PLAN = plan_of({"rte": 1})
SETTINGS = PodSettings(
    execution=Execution(),
    storage=Storage.model_validate({"bucket": "results", "secretRef": {"name": "keys"}}),
    default_image="example.test/trainer:1",
    default_pull_policy=None,
    claims=("models",),
    log_format="json",
)
OPENSHIFT = replace(SETTINGS, defaults=PodDefaults(user_ids=NO_IDS))
SPECS_OWN = replace(SETTINGS, execution=Execution.model_validate({"podTemplate": {"securityContext": {}}}))
BOUNDED = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
ASKS = replace(SETTINGS, execution=Execution.model_validate({"resources": BOUNDED}))


def report(settings: PodSettings, owner: Owner) -> Json:
    return manifests.report_job(owner, settings, CreateReportJob("exp-report", "r", "d", ()))["spec"]


def resolve(settings: PodSettings, owner: Owner) -> Json:
    return manifests.resolve_job(owner, settings, name="exp-resolve", uris=("pvc://models/bert",), key="k")["spec"]


def work() -> CreateTrainJob:
    units = job_plan(PLAN, frozenset(run.run_id for run in PLAN.runs), runs_per_pod=1, limits=ExecutionLimits())
    return CreateTrainJob("exp-12345678", "rev", round=1, job_plan=units, parallelism=1, suspend=False)


def train(settings: PodSettings, owner: Owner) -> Json:
    return JobExecutor().manifest(owner, settings, work())["spec"]


def ray_head(settings: PodSettings, owner: Owner) -> Json:
    return RayJobExecutor().manifest(owner, settings, work())["spec"]["rayClusterSpec"]["headGroupSpec"]


ROLES: list[Callable[[PodSettings, Owner], Json]] = [report, resolve, train, ray_head]
OURS: list[Callable[[PodSettings, Owner], Json]] = [report, resolve, ray_head]


def create(core: client.CoreV1Api, namespace: str, holder: Json) -> None:
    template = holder["template"]
    core.create_namespaced_pod(
        namespace, {"metadata": {**template["metadata"], "name": "one"}, "spec": template["spec"]}
    )


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("settings", [SETTINGS, OPENSHIFT, SPECS_OWN], ids=["fixed ids", "chart", "spec"])
def test_pods_are_let_into_a_restricted_namespace(
    api_client: client.ApiClient, namespace: str, role: Callable[[PodSettings, Owner], Json], settings: PodSettings
) -> None:
    core = client.CoreV1Api(api_client)
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    core.patch_namespace(namespace, {"metadata": {"labels": label}})
    core.create_namespaced_service_account(namespace, {"metadata": {"name": "default"}})
    create(core, namespace, role(settings, Owner(namespace, "exp", "uid")))
    made = core.read_namespaced_pod("one", namespace)
    assert made.spec.security_context.run_as_user == (65532 if settings is SETTINGS else None)


def quota(core: client.CoreV1Api, namespace: str, hard: Json) -> None:
    """A ResourceQuota as its controller would have it at once."""
    core.create_namespaced_resource_quota(namespace, {"metadata": {"name": "small"}, "spec": {"hard": hard}})
    status = {"hard": hard, "used": dict.fromkeys(hard, "0")}
    core.patch_namespaced_resource_quota_status("small", namespace, {"status": status})


@pytest.mark.parametrize("role", OURS)
def test_pods_without_a_gpu_fit_a_quota_on_requests_and_limits(
    api_client: client.ApiClient, namespace: str, role: Callable[[PodSettings, Owner], Json]
) -> None:
    core, owner = client.CoreV1Api(api_client), Owner(namespace, "exp", "uid")
    kinds = ("cpu", "memory", "ephemeral-storage")
    hard = {f"{side}.{kind}": "100" if kind == "cpu" else "100Gi" for side in ("requests", "limits") for kind in kinds}
    quota(core, namespace, hard)
    core.create_namespaced_service_account(namespace, {"metadata": {"name": "default"}})
    with pytest.raises(client.ApiException, match="must specify"):
        create(core, namespace, train(SETTINGS, owner))
    create(core, namespace, role(SETTINGS, owner))


@pytest.mark.parametrize("role", [report, resolve])
def test_helping_pods_fit_a_limit_range_of_one_cpu_and_one_gibibyte(
    api_client: client.ApiClient, namespace: str, role: Callable[[PodSettings, Owner], Json]
) -> None:
    core, owner = client.CoreV1Api(api_client), Owner(namespace, "exp", "uid")
    limit = {"type": "Container", "max": {"cpu": "1", "memory": "1Gi"}}
    core.create_namespaced_limit_range(namespace, {"metadata": {"name": "small"}, "spec": {"limits": [limit]}})
    core.create_namespaced_service_account(namespace, {"metadata": {"name": "default"}})
    with pytest.raises(client.ApiException, match="maximum memory usage"):
        create(core, namespace, ray_head(SETTINGS, owner))
    create(core, namespace, role(SETTINGS, owner))
