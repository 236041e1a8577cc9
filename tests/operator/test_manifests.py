"""What the operator creates: pods that pass the restricted standard, policies, names and fingerprints."""

from dataclasses import replace
from typing import Any

import pytest

from finetune_core.api import MAX_NAME_LENGTH, MAX_RUNS, Execution, ExecutionMode, Resources, Storage, Tracking
from finetune_core.deciding.actions import CreateReportJob, CreateTrainJob
from finetune_core.deciding.job_names import job_name
from finetune_core.deciding.job_sequence import MAX_ROUNDS
from finetune_core.deciding.observation import JobRole
from finetune_core.deciding.reporting import report_job_name
from finetune_core.json_types import Json
from finetune_core.planning.plan import ExecutionLimits
from finetune_core.planning.pods import job_plan
from finetune_core.tracking import from_env
from finetune_operator import manifests
from finetune_operator.executors import EXECUTORS
from finetune_operator.executors.job import JobExecutor
from finetune_operator.manifests import Owner, PodSettings
from finetune_operator.manifests.defaults import NO_IDS, PodDefaults
from support.results import plan_of

OWNER = Owner("team", "exp", "uid-1")
PLAN = plan_of({"rte": 2, "wnli": 1})
STORAGE = Storage.model_validate(
    {
        "endpoint": "https://s3.example.test",
        "bucket": "results",
        "prefix": "out",
        "region": "eu",
        "secretRef": {"name": "keys"},
        "caBundle": {"name": "authority", "key": "ca.pem"},
    }
)


def settings(**execution: Any) -> PodSettings:
    return PodSettings(
        execution=Execution.model_validate(execution),
        storage=STORAGE,
        default_image="example.test/trainer:1",
        default_pull_policy="IfNotPresent",
        claims=("models",),
        log_format="json",
    )


def job_plan_of(runs_per_pod: int = 1) -> Any:
    runs = frozenset(run.run_id for run in PLAN.runs)
    return job_plan(PLAN, runs, runs_per_pod=runs_per_pod, limits=ExecutionLimits())


def train_job(**execution: Any) -> Json:
    return train_job_of(settings(**execution))


def train_job_of(settings: PodSettings) -> Json:
    work = CreateTrainJob("exp-12345678", "rev", round=1, job_plan=job_plan_of(), parallelism=2, suspend=False)
    return JobExecutor().manifest(OWNER, settings, work)


def template_fingerprint(settings: PodSettings) -> str:
    return EXECUTORS.of(settings.execution).template(settings)


REPORT = CreateReportJob("exp-report-1", revision="r", digest="d", failed=("a", "b"))


def report_job(**execution: Any) -> Json:
    return manifests.report_job(OWNER, settings(**execution), REPORT)


def resolve_job() -> Json:
    return manifests.resolve_job(OWNER, settings(), name="exp-resolve-1", uris=("pvc://models/bert",), key="k.json")


def pod_of(job: Json) -> Json:
    return job["spec"]["template"]["spec"]


def container_of(job: Json) -> Json:
    (container,) = pod_of(job)["containers"]
    return container


ALL = pytest.mark.parametrize("job", [train_job(), report_job(), resolve_job()], ids=["train", "report", "resolve"])


@ALL
def test_pods_pass_the_restricted_pod_security_standard(job: Json) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    pod, container = pod_of(job), container_of(job)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim"}
    assert all((volume.keys() - {"name"}) <= allowed for volume in pod["volumes"])


@ALL
def test_pods_have_a_read_only_root_and_no_api_token(job: Json) -> None:
    assert container_of(job)["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod_of(job)["automountServiceAccountToken"] is False
    assert pod_of(job)["enableServiceLinks"] is False
    assert pod_of(job)["restartPolicy"] == "Never"


@ALL
def test_children_belong_to_the_experiment_and_are_labelled(job: Json) -> None:
    (reference,) = job["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["uid"], reference["controller"]) == ("FinetuneExperiment", "uid-1", True)
    for labels in (job["metadata"]["labels"], job["spec"]["template"]["metadata"]["labels"]):
        assert labels["finetune.dev/experiment"] == "exp"
        assert labels["app.kubernetes.io/managed-by"] == "finetune-operator"


@ALL
def test_keys_come_by_reference_and_are_nowhere_in_the_manifest(job: Json) -> None:
    env = {entry["name"]: entry for entry in container_of(job)["env"]}
    for name, optional in (("AWS_ACCESS_KEY_ID", False), ("AWS_SECRET_ACCESS_KEY", False), ("AWS_SESSION_TOKEN", True)):
        assert env[name]["valueFrom"]["secretKeyRef"] == {"name": "keys", "key": name, "optional": optional}


@ALL
def test_pods_are_told_where_the_store_is_and_whom_to_trust(job: Json) -> None:
    env = {entry["name"]: entry.get("value") for entry in container_of(job)["env"]}
    assert env["FINETUNE_STORE"] == "s3://results/out"
    assert env["AWS_ENDPOINT_URL"] == "https://s3.example.test"
    assert env["AWS_CA_BUNDLE"] == "/etc/finetune/ca/ca.pem"
    mounts = {mount["mountPath"]: mount for mount in container_of(job)["volumeMounts"]}
    assert mounts["/etc/finetune/ca"]["readOnly"] is True
    assert mounts["/mnt/pvc/models"]["readOnly"] is True


def test_the_users_mistakes_fail_an_index_at_once_and_disruptions_cost_nothing() -> None:
    fail, store, ignore = train_job()["spec"]["podFailurePolicy"]["rules"]
    assert fail["action"] == "FailIndex"
    assert fail["onExitCodes"] == {"containerName": "trainer", "operator": "In", "values": [64, 65]}
    assert (store["action"], store["onExitCodes"]["values"]) == ("Ignore", [75])
    assert ignore == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


def test_the_job_is_indexed_and_one_bad_index_does_not_end_the_others() -> None:
    spec = train_job(retries=2)["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 2)
    assert (spec["backoffLimitPerIndex"], spec["maxFailedIndexes"]) == (2, 3)
    assert spec["podReplacementPolicy"] == "Failed"


def test_the_plan_config_map_is_immutable_and_the_job_mounts_it() -> None:
    plan = job_plan_of()
    config_map = manifests.plan_config_map(OWNER, "exp-12345678", plan)
    assert config_map["immutable"] is True
    assert config_map["data"]["plan.json"].encode() == plan.to_bytes()
    name = config_map["metadata"]["name"]
    assert {"name": "plan", "configMap": {"name": name}} in pod_of(train_job())["volumes"]
    assert train_job()["metadata"]["annotations"]["finetune.dev/plan"] == name


def test_plans_of_different_content_or_jobs_have_different_names() -> None:
    names = {manifests.plan_name(job, job_plan_of(size)) for job in ("one", "two") for size in (1, 2)}
    assert len(names) == 4


def test_what_the_user_adds_to_pods_is_there_and_cannot_hide_them_from_the_operator() -> None:
    template = {
        "labels": {"team": "nlp", "finetune.dev/experiment": "other", "app.kubernetes.io/managed-by": "me"},
        "annotations": {"note": "x"},
        "nodeSelector": {"gpu": "yes"},
        "tolerations": [{"key": "gpu"}],
        "env": [{"name": "HF_ENDPOINT", "value": "https://hub.example.test"}],
        "volumes": [{"name": "extra", "emptyDir": {}}],
        "volumeMounts": [{"name": "extra", "mountPath": "/extra"}],
        "serviceAccountName": "runner",
        "priorityClassName": "low",
    }
    job = train_job(podTemplate=template)
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels["team"] == "nlp"
    assert labels["finetune.dev/experiment"] == "exp"
    assert labels["app.kubernetes.io/managed-by"] == "finetune-operator"
    pod = pod_of(job)
    assert (pod["nodeSelector"], pod["serviceAccountName"]) == ({"gpu": "yes"}, "runner")
    assert pod["automountServiceAccountToken"] is False
    assert {"name": "extra", "emptyDir": {}} in pod["volumes"]
    assert template["env"][0] in container_of(job)["env"]


def test_training_pods_are_told_of_trackers_and_get_their_keys_by_reference() -> None:
    tracking = Tracking.model_validate({"reportTo": ["wandb"], "secretRef": {"name": "tracking-keys"}})
    container = container_of(train_job_of(replace(settings(), tracking=tracking)))
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert from_env(env) == tracking
    # Deleted later, it is the tracker that fails and not the pod.
    assert container["envFrom"] == [{"secretRef": {"name": "tracking-keys", "optional": True}}]


def test_only_pods_that_train_are_told_of_trackers() -> None:
    tracked = replace(settings(), tracking=Tracking.model_validate({"reportTo": ["wandb"], "secretRef": {"name": "k"}}))
    report = manifests.report_job(OWNER, tracked, REPORT)
    look = manifests.resolve_job(OWNER, tracked, name="exp-resolve-1", uris=("pvc://models/bert",), key="k.json")
    assert (report, look) == (report_job(), resolve_job())


def test_without_trackers_pods_get_no_environment_from_a_secret() -> None:
    assert "envFrom" not in container_of(train_job())


def test_the_fingerprint_changes_with_trackers() -> None:
    tracked = replace(settings(), tracking=Tracking.model_validate({"reportTo": ["tensorboard"]}))
    assert template_fingerprint(tracked) != template_fingerprint(settings())


def test_resources_are_those_of_the_spec_and_only_in_training_pods() -> None:
    asked = {"limits": {"nvidia.com/gpu": 1, "memory": "8Gi", "ephemeral-storage": "9Gi"}}
    assert container_of(train_job(resources=asked))["resources"] == asked
    assert "nvidia.com/gpu" not in str(report_job())


@pytest.mark.parametrize(
    ("execution", "expected"),
    [
        ({}, None),
        ({"processesPerRun": 1}, None),
        ({"processesPerRun": 2}, "2"),
        ({"resources": {"limits": {"nvidia.com/gpu": 1}}}, None),
        ({"resources": {"limits": {"nvidia.com/gpu": "4"}}}, "4"),
    ],
)
def test_pods_are_told_of_the_processes_of_a_run_and_give_them_shared_memory(
    execution: Json, expected: str | None
) -> None:
    job = train_job(**execution)
    told = {variable["name"]: variable.get("value") for variable in container_of(job)["env"]}
    assert told.get("FINETUNE_PROCESSES_PER_RUN") == expected
    shared = [mount["name"] for mount in container_of(job)["volumeMounts"] if mount["mountPath"] == "/dev/shm"]
    volumes = {volume["name"]: volume for volume in pod_of(job)["volumes"]}
    memory = [volumes[name]["emptyDir"] for name in shared]
    assert memory == ([{"medium": "Memory", "sizeLimit": "2Gi"}] if expected else [])


@pytest.mark.parametrize(
    ("cache", "source"),
    [
        (
            {"hostPath": {"path": "/var/models"}},
            {"hostPath": {"path": "/var/models", "type": "DirectoryOrCreate"}},
        ),
        (
            {"persistentVolumeClaim": {"claimName": "shared"}},
            {"persistentVolumeClaim": {"claimName": "shared"}},
        ),
    ],
    ids=["node", "claim"],
)
def test_training_pods_may_write_the_cache_and_no_others_have_it(cache: Json, source: Json) -> None:
    job = train_job(cache=cache)
    (volume,) = (volume for volume in pod_of(job)["volumes"] if volume["name"] == "finetune-cache")
    assert volume == {"name": "finetune-cache", **source}
    (mount,) = (mount for mount in container_of(job)["volumeMounts"] if mount["name"] == "finetune-cache")
    assert mount == {"name": "finetune-cache", "mountPath": "/var/cache/finetune"}
    assert {"name": "FINETUNE_CACHE", "value": "/var/cache/finetune"} in container_of(job)["env"]
    assert "cache" not in str(report_job(cache=cache))
    assert "finetune-cache" not in str(train_job())


def test_a_specs_own_shared_memory_goes_before_ours() -> None:
    own = {
        "volumes": [{"name": "mine", "emptyDir": {"medium": "Memory"}}],
        "volumeMounts": [{"name": "mine", "mountPath": "/dev/shm/"}],
    }
    job = train_job(processesPerRun=2, podTemplate=own)
    assert [mount["name"] for mount in container_of(job)["volumeMounts"] if "shm" in mount["mountPath"]] == ["mine"]
    assert "shared-memory" not in str(job)


def test_an_image_of_the_spec_wins_over_the_operators() -> None:
    assert container_of(train_job())["image"] == "example.test/trainer:1"
    changed = container_of(train_job(image="mine:2", imagePullPolicy="Always"))
    assert (changed["image"], changed["imagePullPolicy"]) == ("mine:2", "Always")


def test_reports_are_made_by_the_operators_image_also_where_the_specs_cannot_be_pulled() -> None:
    container = container_of(report_job(image="no-such:1", imagePullPolicy="Always"))
    assert (container["image"], container["imagePullPolicy"]) == ("example.test/trainer:1", "IfNotPresent")


def test_a_queue_name_labels_the_job_for_kueue() -> None:
    assert train_job(queueName="team")["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team"


def test_the_report_is_told_its_digest_and_the_failed_runs() -> None:
    command = container_of(report_job())["command"]
    assert command[:2] == ["finetune-report", "build"]
    assert command[command.index("--expect-digest") + 1] == "d"
    assert command[command.index("--failed") + 1 :] == ["a", "b"]


def test_pods_that_report_or_look_at_volumes_know_where_they_leave_their_signs_of_life() -> None:
    # Kubernetes fills in the pod's uid.
    report, look = (container_of(job)["command"] for job in (report_job(), resolve_job()))
    assert report[report.index("--sign") + 1] == "team/exp/signs/$(FINETUNE_ATTEMPT)"
    assert "--sign=team/exp/signs/$(FINETUNE_ATTEMPT)" in look


@pytest.mark.parametrize(
    "changed",
    [
        {"image": "other"},
        {"imagePullPolicy": "Always"},
        {"retries": 7},
        {"runsPerPod": 2},
        {"runsAtOnce": 2},
        {"cache": {"hostPath": {"path": "/var/cache/models"}}},
        {"resources": {"limits": {"cpu": 1}}},
        {"podTemplate": {"labels": {"a": "b"}}},
        {"queueName": "team"},
        {"terminationGracePeriodSeconds": 7},
    ],
)
def test_the_fingerprint_changes_with_what_a_live_job_cannot_change(changed: Json) -> None:
    assert template_fingerprint(settings(**changed)) != template_fingerprint(settings())


@pytest.mark.parametrize(
    "changed",
    [
        {"parallelism": 9},
        {"suspend": True},
        {"retryToken": "x"},
        {"runTimeoutSeconds": 9},
        {"checkpointIntervalSeconds": 9},
        {"reuse": "Experiment"},
        {"ttlSecondsAfterFinished": 7},
    ],
)
def test_the_fingerprint_stays_with_what_is_patched_in_place_or_is_not_of_the_template(changed: Json) -> None:
    assert template_fingerprint(settings(**changed)) == template_fingerprint(settings())


def test_the_fingerprint_changes_with_storage_and_claims() -> None:
    elsewhere = STORAGE.model_copy(update={"bucket": "others"})
    prints = {
        template_fingerprint(one)
        for one in (settings(), replace(settings(), storage=elsewhere), replace(settings(), claims=()))
    }
    assert len(prints) == 3


def test_names_of_the_longest_experiment_name_fit_a_dns_label_with_the_index() -> None:
    longest = "e" * MAX_NAME_LENGTH
    names = [
        f"{job_name(longest, 'f' * 16, MAX_ROUNDS, JobExecutor.traits)}-{MAX_RUNS - 1}",
        report_job_name(longest, "f" * 16),
        manifests.resolve_job_name(Owner("team", longest, "u"), "key"),
    ]
    assert all(len(name) <= 63 for name in names)


def test_an_events_message_is_cut_to_what_the_api_server_takes() -> None:
    event = manifests.event(
        OWNER, type_="Warning", reason="R", message="m" * 5000, now="2026-01-01T00:00:00Z", suffix="1"
    )
    assert len(event["message"]) <= 1024
    assert event["involvedObject"]["uid"] == "uid-1"


def test_every_mode_has_an_executor_whose_traits_are_of_its_kind() -> None:
    assert set(EXECUTORS.by_mode) == set(ExecutionMode)
    assert all(executor.traits.kind == executor.kind.kind for executor in EXECUTORS.all)


@ALL
def test_folders_of_pods_are_no_larger_than_the_pod_may_be(job: Json) -> None:
    limit = container_of(job)["resources"]["limits"]["ephemeral-storage"]
    folders = [volume["emptyDir"] for volume in pod_of(job)["volumes"] if "emptyDir" in volume]
    assert folders == [{"sizeLimit": limit}, {"sizeLimit": limit}]
    assert container_of(job)["resources"]["requests"].keys() >= {"ephemeral-storage"}


def test_a_spec_gives_its_folders_the_room_that_its_model_needs() -> None:
    pod = pod_of(train_job(resources={"limits": {"ephemeral-storage": "500Gi"}}))
    assert pod["containers"][0]["resources"] == {"limits": {"ephemeral-storage": "500Gi"}}
    assert pod["volumes"][0]["emptyDir"] == {"sizeLimit": "500Gi"}


def test_without_a_limit_folders_have_none() -> None:
    unlimited = replace(settings(), defaults=PodDefaults(training=Resources()))
    pod = pod_of(train_job_of(unlimited))
    assert (pod["containers"][0]["resources"], pod["volumes"][0]["emptyDir"]) == ({}, {})


def test_reports_and_looks_at_volumes_ask_for_what_the_spec_says_of_each() -> None:
    asked = {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}
    report = container_of(report_job(reportResources=asked))["resources"]
    assert report == {
        "requests": {"cpu": "1", "memory": "256Mi", "ephemeral-storage": "256Mi"},
        "limits": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "10Gi"},
    }
    look = manifests.resolve_job(
        OWNER, settings(resolveResources=asked), name="exp-resolve-1", uris=("pvc://models/bert",), key="k.json"
    )
    assert container_of(look)["resources"]["limits"]["cpu"] == "1"


@pytest.mark.parametrize(
    "changed",
    [{"reportResources": {"limits": {"cpu": 1}}}, {"resolveResources": {}}, {"publishResources": {}}],
    ids=str,
)
def test_other_resources_of_reports_replace_no_training(changed: Json) -> None:
    assert template_fingerprint(settings(**changed)) == template_fingerprint(settings())


def test_a_spec_may_leave_ids_to_the_cluster_or_choose_its_own() -> None:
    ours = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod_of(train_job(podTemplate={"securityContext": {}}))["securityContext"] == ours
    chosen = {"runAsUser": 1000, "supplementalGroups": [7]}
    assert pod_of(train_job(podTemplate={"securityContext": chosen}))["securityContext"] == {**ours, **chosen}
    container = container_of(train_job(podTemplate={"containerSecurityContext": {"readOnlyRootFilesystem": False}}))
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": False,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize(
    ("execution", "fingerprint"),
    [
        ({}, "901a5082a723"),
        ({"runsPerPod": 1}, "ed3025184ce9"),
        (
            {
                "image": "mine:2",
                "resources": {"limits": {"cpu": 1}},
                "podTemplate": {"labels": {"a": "b"}},
                "runsPerPod": 1,
            },
            "16da8fcb5328",
        ),
        ({"mode": "RayCluster", "ray": {"gpusPerRun": 0.5}}, "473bb4abd7d8"),
    ],
    ids=str,
)
def test_a_fingerprint_stays_the_same_over_releases(execution: Json, fingerprint: str) -> None:
    """Where one of these changes, all such Jobs of the world are replaced at the next upgrade: see decision 29."""
    assert template_fingerprint(settings(**execution)) == fingerprint


def test_a_job_of_a_run_a_pod_the_default_of_earlier_releases_stays_where_a_spec_leaves_it_to_us() -> None:
    def known(**execution: Json) -> tuple[str, ...]:
        return JobExecutor().templates(settings(**execution))

    alone, three, auto = (template_fingerprint(settings(runsPerPod=given)) for given in (1, 3, "Auto"))
    assert known() == known(runsPerPod="Auto") == (auto, alone)
    assert known(runsPerPod=1) == (alone,)
    assert known(runsPerPod=3) == (three,)


def test_a_pod_is_told_how_many_runs_it_does_at_a_time() -> None:
    def told(**execution: Json) -> str | None:
        env = {entry["name"]: entry.get("value") for entry in container_of(train_job(**execution))["env"]}
        return env.get("FINETUNE_RUNS_AT_ONCE")

    assert told() is None
    assert told(runsAtOnce=1) is None
    assert told(runsAtOnce=3) == "3"


def test_nothing_of_the_operators_own_is_in_a_fingerprint() -> None:
    own = replace(
        settings(),
        default_image="other",
        default_pull_policy=None,
        log_format="text",
        defaults=PodDefaults(training=Resources(), user_ids=NO_IDS),
    )
    assert template_fingerprint(own) == template_fingerprint(settings())
    theirs = [replace(each, names_storage=False) for each in (settings(), own)]
    elsewhere = replace(theirs[0], storage=STORAGE.model_copy(update={"bucket": "others"}))
    assert len({template_fingerprint(each) for each in (*theirs, elsewhere)}) == 1
    assert own.made_by(JobRole.TRAIN) != settings().made_by(JobRole.TRAIN)


PROXY = {"HTTPS_PROXY": "http://proxy.example.com:3128", "NO_PROXY": "localhost,.svc"}


def test_all_pods_get_the_operators_proxy_and_a_spec_has_the_last_word() -> None:
    own = [{"name": "NO_PROXY", "value": "inside"}]
    behind = replace(settings(podTemplate={"env": own}), defaults=PodDefaults(env=PROXY))
    pods = [
        train_job_of(behind),
        manifests.report_job(OWNER, behind, REPORT),
        manifests.resolve_job(OWNER, behind, name="r", uris=("pvc://models/bert",), key="k.json"),
    ]
    for job in pods:
        env = [e for e in job["spec"]["template"]["spec"]["containers"][0]["env"] if e["name"] in PROXY]
        named = {entry["name"]: entry["value"] for entry in env}
        assert named == {**PROXY, "NO_PROXY": "inside"}


def test_a_proxy_changes_no_fingerprint_and_none_is_no_other_setting() -> None:
    behind = replace(settings(), defaults=PodDefaults(env=PROXY))
    assert template_fingerprint(behind) == template_fingerprint(settings())
    assert behind.made_by(JobRole.TRAIN) != settings().made_by(JobRole.TRAIN)
    assert "env" not in PodDefaults().model_dump()
