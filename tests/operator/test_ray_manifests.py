"""RayJobs as the operator makes them; a real KubeRay takes them in tests/e2e/test_ray_cluster.py."""

import shlex
from dataclasses import replace
from typing import Any

import pytest

from finetune_core.api import MAX_NAME_LENGTH, Execution, Storage, Tracking
from finetune_core.deciding.actions import CreateTrainJob
from finetune_core.deciding.job_names import job_name
from finetune_core.json_types import Json
from finetune_core.planning.plan import ExecutionLimits
from finetune_core.planning.pods import job_plan
from finetune_core.planning.search.plan import SearchJobPlan
from finetune_core.tracking import from_env
from finetune_kube.kinds import SEARCH
from finetune_operator.executors import EXECUTORS
from finetune_operator.executors.ray_cluster import RAY_RELEASE, share_of_a_run
from finetune_operator.executors.rayjob import MAX_NAME, RayJobExecutor
from finetune_operator.manifests import Owner, PodSettings
from support.apiserver import REPOSITORY
from support.results import plan_of
from support.search_trials import search_plan

OWNER = Owner("team", "exp", "uid-1")
PLAN = plan_of({"rte": 2, "wnli": 1})
STORAGE = Storage.model_validate(
    {
        "endpoint": "https://s3.example.test",
        "bucket": "results",
        "secretRef": {"name": "keys"},
        "caBundle": {"name": "authority", "key": "ca.pem"},
    }
)


def execution(**fields: Any) -> Execution:
    return Execution.model_validate({"mode": "RayCluster", **fields})


def settings(**fields: Any) -> PodSettings:
    return PodSettings(
        execution=execution(**fields),
        storage=STORAGE,
        default_image="example.test/trainer:1",
        default_pull_policy="IfNotPresent",
        claims=("models",),
        log_format="json",
    )


def ray_job(
    owner: Owner = OWNER, plan: Any = None, sequence: str = "", tracking: Tracking | None = None, **fields: Any
) -> Json:
    everything = frozenset(run.run_id for run in PLAN.runs)
    work = CreateTrainJob(
        name="exp-12345678",
        revision="rev",
        round=1,
        job_plan=plan or job_plan(PLAN, everything, runs_per_pod=1, limits=ExecutionLimits()),
        parallelism=2,
        suspend=False,
        sequence=sequence,
    )
    return RayJobExecutor().manifest(owner, replace(settings(**fields), tracking=tracking), work)


def template_fingerprint(settings: PodSettings) -> str:
    return EXECUTORS.of(settings.execution).template(settings)


def templates(job: Json) -> list[Json]:
    cluster = job["spec"]["rayClusterSpec"]
    return [group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def containers(job: Json) -> list[Json]:
    return [template["spec"]["containers"][0] for template in templates(job)]


def workers(job: Json) -> Json:
    (group,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    return group


def environment(container: Json) -> dict[str, str | None]:
    return {entry["name"]: entry.get("value") for entry in container["env"]}


@pytest.mark.parametrize("node", [0, 1], ids=["head", "worker"])
def test_pods_are_as_confined_as_those_of_jobs(node: int) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    pod, container = templates(ray_job())[node]["spec"], containers(ray_job())[node]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "command" not in container


def test_the_pods_of_a_cluster_share_the_cache() -> None:
    job = ray_job(cache={"persistentVolumeClaim": {"claimName": "shared"}})
    for template, container in zip(templates(job), containers(job), strict=True):
        volume = {"name": "finetune-cache", "persistentVolumeClaim": {"claimName": "shared"}}
        assert volume in template["spec"]["volumes"]
        assert environment(container)["FINETUNE_CACHE"] == "/var/cache/finetune"


@pytest.mark.parametrize("node", [0, 1], ids=["head", "worker"])
def test_pods_know_the_store_the_plan_and_their_ray_job(node: int) -> None:
    job = ray_job(podTemplate={"labels": {"team": "nlp", "finetune.dev/ray-job": "other"}})
    template, container = templates(job)[node], containers(job)[node]
    plan = job["metadata"]["annotations"]["finetune.dev/plan"]
    assert {"name": "plan", "configMap": {"name": plan}} in template["spec"]["volumes"]
    assert environment(container)["FINETUNE_STORE"] == "s3://results"
    assert environment(container)["AWS_CA_BUNDLE"] == "/etc/finetune/ca/ca.pem"
    labels = template["metadata"]["labels"]
    assert labels["team"] == "nlp"
    assert labels["finetune.dev/ray-job"] == "exp-12345678"
    assert (labels["finetune.dev/experiment"], labels["finetune.dev/role"]) == ("exp", "train")


@pytest.mark.parametrize("node", [0, 1], ids=["head", "worker"])
def test_pods_end_when_their_runs_are_saved_and_ray_waits_for_nothing_more(node: int) -> None:
    """By default Ray holds a pod, and its GPU, 30 s longer: docs/decisions/0008-rayjobs.md."""
    container = containers(ray_job())[node]
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["finetune-trainer", "drain"]
    assert environment(container)["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] == "0"


def test_the_head_runs_the_driver_and_nothing_else() -> None:
    head = ray_job()["spec"]["rayClusterSpec"]["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    assert head["rayStartParams"]["dashboard-host"] == "0.0.0.0"
    assert "nvidia.com/gpu" not in str(
        ray_job(resources={"limits": {"nvidia.com/gpu": 1}})["spec"]["rayClusterSpec"]["headGroupSpec"]
    )


def test_the_head_asks_for_what_the_spec_says() -> None:
    asked = {"requests": {"memory": "3Gi"}}
    made = containers(ray_job(ray={"headResources": asked}))[0]["resources"]
    assert made == {
        "requests": {"cpu": "200m", "memory": "3Gi", "ephemeral-storage": "1Gi"},
        "limits": {"cpu": "2", "ephemeral-storage": "20Gi"},
    }


def test_there_are_as_many_workers_as_asked_for_and_their_resources_are_the_specs() -> None:
    asked = {"limits": {"cpu": "1500m", "memory": "8Gi", "nvidia.com/gpu": 1, "ephemeral-storage": "9Gi"}}
    job = ray_job(resources=asked)
    group = workers(job)
    assert (group["replicas"], group["minReplicas"], group["maxReplicas"]) == (2, 2, 2)
    assert containers(job)[1]["resources"] == asked
    assert (group["rayStartParams"]["num-cpus"], group["rayStartParams"]["num-gpus"]) == ("2", "1")


@pytest.mark.parametrize(
    ("fields", "share"),
    [
        ({}, (1, 0)),
        ({"resources": {"requests": {"cpu": 4}}}, (4, 0)),
        ({"resources": {"requests": {"cpu": 4}, "limits": {"cpu": 8}}}, (8, 0)),
        ({"resources": {"requests": {"cpu": 4}}, "ray": {"cpusPerRun": 2}}, (2, 0)),
        ({"resources": {"limits": {"cpu": 8, "nvidia.com/gpu": 2}}}, (8, 2)),
        ({"resources": {"limits": {"cpu": 8, "nvidia.com/gpu": 1}}, "ray": {"gpusPerRun": 0.25}}, (2, 0.25)),
        ({"resources": {"limits": {"cpu": 8, "nvidia.com/gpu": 1}}, "ray": {"gpusPerRun": 0}}, (8, 0)),
    ],
)
def test_a_run_takes_a_whole_worker_unless_the_spec_divides_it(fields: Json, share: tuple[float, float]) -> None:
    assert share_of_a_run(execution(**fields)) == share
    told = environment(containers(ray_job(**fields))[0])
    assert (told["FINETUNE_CPUS_PER_RUN"], told["FINETUNE_GPUS_PER_RUN"]) == tuple(f"{part:g}" for part in share)


def test_the_driver_of_an_experiment_gets_the_plan_and_the_key_of_its_report() -> None:
    assert shlex.split(ray_job()["spec"]["entrypoint"]) == [
        *("finetune-trainer", "drive", "--plan", "/etc/finetune/plan/plan.json"),
        *("--report-key", "team/exp/ray/exp-12345678.json"),
    ]


def test_the_driver_of_a_search_is_told_its_cluster() -> None:
    plan = SearchJobPlan(plan=search_plan(), units=(("rte", 1),))
    job = ray_job(Owner("team", "hps", "uid-2", SEARCH.kind), plan, sequence="c1")
    assert shlex.split(job["spec"]["entrypoint"]) == [
        *("finetune-trainer", "search", "--plan", "/etc/finetune/plan/plan.json", "--cluster", "1", "--ray"),
        *("--report-key", "team/hps/ray/exp-12345678.json"),
    ]
    assert job["metadata"]["labels"]["finetune.dev/lane"] == "c1"
    assert job["metadata"]["labels"]["finetune.dev/search"] == "hps"
    assert templates(job)[0]["metadata"]["labels"]["finetune.dev/search"] == "hps"


def test_the_cluster_goes_at_once_and_kuberay_begins_nothing_anew() -> None:
    spec = ray_job(ray={"preRunningDeadlineSeconds": 90})["spec"]
    assert (spec["shutdownAfterJobFinishes"], spec["ttlSecondsAfterFinished"], spec["backoffLimit"]) == (True, 0, 0)
    assert spec["preRunningDeadlineSeconds"] == 90


def test_a_queue_name_labels_the_ray_job_for_kueue() -> None:
    assert ray_job(queueName="team")["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team"


def test_the_version_of_ray_is_the_one_in_the_image() -> None:
    assert f"\nray=={RAY_RELEASE} " in (REPOSITORY / "requirements" / "trainer.lock").read_text()


@pytest.mark.parametrize(
    "changed",
    [
        {"mode": "Jobs"},
        {"parallelism": 9},
        {"image": "other"},
        {"resources": {"limits": {"cpu": 3}}},
        {"ray": {"cpusPerRun": 0.5}},
        {"ray": {"headResources": {"requests": {"cpu": 1}}}},
        {"ray": {"preRunningDeadlineSeconds": 90}},
        {"queueName": "team"},
    ],
)
def test_the_fingerprint_changes_with_what_kuberay_would_ignore_on_a_living_ray_job(changed: Json) -> None:
    assert template_fingerprint(settings(**changed)) != template_fingerprint(settings())


@pytest.mark.parametrize("changed", [{"suspend": True}, {"retryToken": "x"}, {"runsPerPod": 2}, {"retries": 7}])
def test_the_fingerprint_stays_with_what_is_no_part_of_a_ray_job(changed: Json) -> None:
    assert template_fingerprint(settings(**changed)) == template_fingerprint(settings())


def test_the_fingerprint_changes_with_storage_and_claims() -> None:
    elsewhere = replace(settings(), storage=STORAGE.model_copy(update={"bucket": "others"}))
    assert len({template_fingerprint(one) for one in (settings(), elsewhere, replace(settings(), claims=()))}) == 3


@pytest.mark.parametrize("name", ["e" * MAX_NAME_LENGTH, "9tasks", "a.b", "e" * 30 + "-" * 5 + "e" * 5, "short"])
def test_names_of_ray_jobs_are_what_kuberay_takes(name: str) -> None:
    made = [job_name(name, revision * 16, round_, RayJobExecutor.traits) for revision in "ab" for round_ in (0, 12)]
    for one in made:
        assert len(one) <= MAX_NAME
        assert one[0].isalpha()
        assert one.replace("-", "").isalnum()
        assert one.islower()
    assert len(set(made)) == len(made)


def test_names_that_had_to_be_changed_stay_apart() -> None:
    pairs = [("a.b", "a-b"), ("9a", "x-9a"), ("e" * 39 + "a", "e" * 39 + "b")]
    for one, other in pairs:
        assert job_name(one, "f" * 16, 0, RayJobExecutor.traits) != job_name(other, "f" * 16, 0, RayJobExecutor.traits)


TRACKING = Tracking.model_validate({"reportTo": ["mlflow"], "secretRef": {"name": "tracking-keys"}})


def test_workers_are_told_of_trackers() -> None:
    worker = containers(ray_job(tracking=TRACKING))[1]
    assert from_env({entry["name"]: entry.get("value") for entry in worker["env"]}) == TRACKING
    assert worker["envFrom"] == [{"secretRef": {"name": "tracking-keys", "optional": True}}]


def test_the_head_has_the_stores_keys_for_the_driver_and_no_others() -> None:
    head = containers(ray_job(tracking=TRACKING))[0]
    assert "tracking-keys" not in str(ray_job(tracking=TRACKING)["spec"]["rayClusterSpec"]["headGroupSpec"])
    secrets = {entry["valueFrom"]["secretKeyRef"]["name"] for entry in head["env"] if "secretKeyRef" in str(entry)}
    assert secrets == {"keys"}
