"""What the cluster does not take of a podTemplate is said in its words, at the spec's field, before there is a Job."""

from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from finetune_core.json_types import Json
from finetune_kube.client import Client
from finetune_kube.errors import RejectedError
from finetune_kube.kinds import CONFIG_MAP
from finetune_operator.config import Config
from finetune_operator.manifests.defaults import PodDefaults, TemplatePolicy
from support.hostile_place import BASES, operating
from support.ray_world import RayWorld, ray_jobs_served
from support.recording_api import RecordingApi, Request
from support.seaweed import SeaweedS3
from support.world import IMAGE, World, create_secret, spec_of

VOLUME = {"name": "extra", "emptyDir": {}}
HOST = {"name": "host", "hostPath": {"path": "/"}}
TOKEN = {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}


def pods(**template: Any) -> Json:
    return {"podTemplate": template}


REFUSED: dict[str, Json] = {
    "podTemplate.tolerations[0].opertor": pods(tolerations=[{"key": "a", "opertor": "Exists"}]),
    "podTemplate.tolerations[1].operator": pods(tolerations=[{"key": "a"}, {"key": "b", "operator": "Exist"}]),
    "podTemplate.affinity.nodeAffinty": pods(affinity={"nodeAffinty": {}}),
    "podTemplate.nodeSelector": pods(nodeSelector={"gpu": "not a label!"}),
    "podTemplate.imagePullSecrets[0].nam": pods(imagePullSecrets=[{"nam": "key"}]),
    "podTemplate.env[1].valueFrm": pods(env=[{"name": "A", "value": "1"}, {"name": "B", "valueFrm": {}}]),
    "podTemplate.volumes[0].emptyDirs": pods(volumes=[{"name": "extra", "emptyDirs": {}}]),
    "podTemplate.volumes[1].configMap.name": pods(volumes=[VOLUME, {"name": "more", "configMap": {}}]),
    "podTemplate.volumeMounts[0].mountPth": pods(volumes=[VOLUME], volumeMounts=[{"name": "extra", "mountPth": "/e"}]),
    "podTemplate.volumeMounts[0].name": pods(volumeMounts=[{"name": "missing", "mountPath": "/e"}]),
    "podTemplate.securityContext.runAsUsr": pods(securityContext={"runAsUsr": 5}),
    "podTemplate.containerSecurityContext.privilegd": pods(containerSecurityContext={"privilegd": True}),
    "podTemplate.labels": pods(labels={"team": "not a label!"}),
    "cache.hostPath.path": {"cache": {"hostPath": {"path": "/var/../etc"}}},
    "resources.requests": {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
    "reportResources.requests": {"reportResources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}},
    "resolveResources.requests": {"resolveResources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
    "publishResources.requests": {"publishResources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
    "ray.headResources.requests": {
        "mode": "RayCluster",
        "ray": {"headResources": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}},
    },
}


@pytest.mark.apiserver
@pytest.mark.s3
@pytest.mark.parametrize("field", REFUSED)
def test_it_is_refused_at_its_field_and_there_is_no_job(world: World, field: str) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}, execution=REFUSED[field]))
    world.look("exp", times=2)
    valid = world.condition("exp", "Valid")
    assert (valid["status"], valid["reason"]) == ("False", "Rejected")
    assert f"spec.execution.{field}: the cluster" in valid["message"]
    assert "podTemplate" not in field or valid["message"].count("spec.execution.") == 1
    assert world.jobs("exp") == []
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp")
    assert world.condition("exp", "Valid")["status"] == "True"


@pytest.mark.apiserver
@pytest.mark.s3
def test_a_job_at_work_goes_on_where_its_successor_would_be_refused(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp")
    world.play(world.job("exp"), active=1)
    before = world.job("exp")
    wrong = REFUSED["podTemplate.tolerations[0].opertor"]
    world.apply("exp", spec_of(world.server, {"rte": 1}, execution=wrong))
    world.look("exp", times=3)
    assert world.job("exp") == before
    assert "podTemplate.tolerations[0].opertor" in world.condition("exp", "Valid")["message"]


class OlderApi:
    """An API server that does not know some fields of Jobs and RayJobs."""

    def __init__(self, api: RecordingApi, *unknown: str) -> None:
        self._answer = api.answer
        self._unknown = unknown

    def answer(self, request: Request) -> tuple[int, Json]:
        work = request.path.endswith(("/rayjobs", "/jobs")) and "dryRun" not in request.query
        if work and request.query.get("fieldValidation") == ["Strict"]:
            told = ", ".join(f'unknown field "{path}"' for path in self._unknown)
            return 400, {"kind": "Status", "message": f"RayJob cannot be handled: strict decoding error: {told}"}
        return self._answer(request)


def made_by_an_older_cluster(folder: Path, execution: Json, *unknown: str) -> tuple[list[str], Json]:
    """What was created in a cluster that does not know some fields, and the condition Valid."""
    kind = "FinetuneExperiment"
    with operating(folder) as place:
        place.api.answer = OlderApi(place.api, *unknown).answer  # type: ignore[method-assign]
        place.put(kind, {**BASES[kind], "execution": {"mode": "RayCluster", **execution}})
        place.look(kind, times=2)
        return [path for path in place.api.objects if "/rayjobs/" in path or "/jobs/" in path], place.valid(kind)


@pytest.mark.parametrize(
    ("status", "said", "valid"),
    [
        (422, "ValidatingAdmissionPolicy 'gpus' with binding 'all' denied request: no team", "Rejected"),
        (400, "admission webhook does not support dry run", "Accepted"),
        (403, "exceeded quota: count/jobs.batch=1", "Accepted"),
    ],
)
def test_a_policy_is_heard_before_a_job_is_stopped(tmp_path: Path, status: int, said: str, valid: str) -> None:
    kind = "FinetuneExperiment"
    with operating(tmp_path) as place:
        place.put(kind, {**BASES[kind], "execution": {}})
        place.look(kind)
        answer = place.api.answer

        def with_policy(request: Request) -> tuple[int, Json]:
            return (status, {"kind": "Status", "message": said}) if "dryRun" in request.query else answer(request)

        place.api.answer = with_policy  # type: ignore[method-assign]
        place.edit(kind, {**BASES[kind], "execution": {"image": "other:2"}})
        place.look(kind)
        assert place.valid(kind)["reason"] == valid
        assert (said in place.valid(kind)["message"]) == (valid == "Rejected")
        stopped = [request for request in place.api.requests if request.verb == "PATCH" and "/jobs/" in request.path]
        assert len(stopped) == (0 if valid == "Rejected" else 1)


HEAD = "spec.rayClusterSpec.headGroupSpec.template.spec"


def test_a_cluster_that_is_older_than_the_operator_does_without_the_operators_own_fields(tmp_path: Path) -> None:
    pod = "spec.template.spec"
    own = (f"{pod}.containers[0].env[0].newer", f"{pod}.volumes[0].newer", "spec.podReplacementPolicy")
    made, valid = made_by_an_older_cluster(tmp_path, {"mode": "Jobs"}, *own)
    assert (len(made), valid["status"]) == (1, "True")


def test_a_field_of_the_spec_is_never_left_out(tmp_path: Path) -> None:
    execution = {"podTemplate": {"tolerations": [{"key": "a", "newer": "x"}]}}
    made, valid = made_by_an_older_cluster(
        tmp_path, execution, "spec.preRunningDeadlineSeconds", f"{HEAD}.tolerations[0].newer"
    )
    assert (made, valid["reason"]) == ([], "Rejected")
    assert "spec.execution.podTemplate.tolerations[0].newer: the cluster knows no such field" in valid["message"]


@pytest.mark.parametrize(
    ("field", "execution"),
    [
        ("podTemplate.volumes[0].hostPath", pods(volumes=[HOST])),
        ("podTemplate.volumes[0].csi", pods(volumes=[{"name": "x", "csi": {"driver": "d"}}])),
        ("podTemplate.volumes[1].projected.sources[0].serviceAccountToken", pods(volumes=[VOLUME, TOKEN])),
        ("podTemplate.serviceAccountName", pods(serviceAccountName="other")),
        ("podTemplate.securityContext.runAsUser", pods(securityContext={"runAsUser": 0})),
        ("podTemplate.securityContext.runAsNonRoot", pods(securityContext={"runAsNonRoot": False})),
        ("podTemplate.containerSecurityContext.privileged", pods(containerSecurityContext={"privileged": True})),
        (
            "podTemplate.containerSecurityContext.capabilities",
            pods(containerSecurityContext={"capabilities": {"add": ["ALL"]}}),
        ),
        ("cache.hostPath", {"cache": {"hostPath": {"path": "/var/cache"}}}),
    ],
    ids=str,
)
@pytest.mark.apiserver
@pytest.mark.s3
def test_a_restricted_policy_refuses_what_leads_out_of_the_namespace(world: World, field: str, execution: Json) -> None:
    world.config = Config(trainer_image=IMAGE, pods=PodDefaults(template_policy=TemplatePolicy.RESTRICTED))
    world.restart()
    world.apply("exp", spec_of(world.server, {"rte": 1}, execution=execution))
    assert world.look("exp") is None
    valid = world.condition("exp", "Valid")
    assert (valid["status"], valid["reason"]) == ("False", "InvalidSpec")
    assert f"spec.execution.{field}: the operator's administrator does not allow it" in valid["message"]
    assert world.jobs("exp") == []


@pytest.mark.apiserver
@pytest.mark.s3
def test_a_restricted_policy_lets_through_what_stays_in_the_namespace(world: World) -> None:
    world.config = Config(trainer_image=IMAGE, pods=PodDefaults(template_policy=TemplatePolicy.RESTRICTED))
    world.restart()
    sources = [{"configMap": {"name": "a"}}, {"secret": {"name": "b"}}]
    template = {
        "volumes": [VOLUME, {"name": "some", "projected": {"sources": sources}}],
        "env": [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}],
        "securityContext": {"runAsUser": 1000, "runAsNonRoot": True},
        "containerSecurityContext": {"allowPrivilegeEscalation": False},
    }
    execution = {"podTemplate": template, "cache": {"persistentVolumeClaim": {"claimName": "models"}}}
    world.apply("exp", spec_of(world.server, {"rte": 1}, execution=execution))
    world.look("exp")
    assert world.condition("exp", "Valid")["status"] == "True"


@pytest.mark.apiserver
@pytest.mark.s3
def test_a_misspelt_field_of_a_ray_clusters_pods_is_refused_before_there_is_one(
    api_client: client.ApiClient, namespace: str, s3: SeaweedS3
) -> None:
    create_secret(api_client, namespace, s3)
    with ray_jobs_served(api_client):
        world = RayWorld(api_client, namespace, s3)
        execution = {"mode": "RayCluster", **REFUSED["podTemplate.tolerations[0].opertor"]}
        world.apply("exp", spec_of(s3, {"rte": 1}, execution=execution))
        world.look("exp", times=2)
        valid = world.condition("exp", "Valid")
        assert (valid["status"], valid["reason"]) == ("False", "Rejected")
        assert "spec.execution.podTemplate.tolerations[0].opertor: the cluster" in valid["message"]
        assert world.ray_jobs("exp") == []
        world.close()


@pytest.mark.apiserver
def test_an_object_that_is_replaced_is_taken_literally_too(api_client: client.ApiClient, namespace: str) -> None:
    kube = Client(api_client, manager="test")
    made = kube.create(CONFIG_MAP, namespace, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
    with pytest.raises(RejectedError, match='unknown field "dta"'):
        kube.replace(CONFIG_MAP, namespace, {**made, "dta": {}})
    assert kube.replace(CONFIG_MAP, namespace, {**made, "data": {"a": "b"}})["data"] == {"a": "b"}
