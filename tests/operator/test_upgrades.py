"""Another image, log format, resources or storage of the operator's own: what runs goes on, the next Job has them.

So does what an earlier release made: tests/corpus/first_release holds what 0.1.0 created, by an operator of its own.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from finetune_core.api import Storage
from finetune_core.api.crd import GROUP, VERSION
from finetune_core.json_types import Json
from finetune_kube.kinds import CONFIG_MAP, JOB, RAY_JOB
from finetune_operator.cluster import Cluster
from finetune_operator.config import Config
from finetune_operator.kinds.experiment import Reconciler
from finetune_operator.manifests.defaults import NO_IDS, PodDefaults, TemplatePolicy
from support.hostile_place import (
    BASES,
    CONFIG,
    KINDS,
    FolderConnector,
    NoHub,
    Place,
    collection,
    fill_inputs,
    operating,
)
from support.world import IMAGE, World, spec_of

OBJECTS: dict[str, list[Json]] = json.loads(
    (Path(__file__).parents[1] / "corpus" / "first_release" / "objects.json").read_text()
)
RICH: Json = {
    "image": "mine:2",
    "parallelism": 3,
    "retries": 1,
    "queueName": "team",
    "resources": {"requests": {"cpu": "3", "memory": "8Gi"}, "limits": {"nvidia.com/gpu": 2, "memory": "16Gi"}},
    "podTemplate": {
        "labels": {"team": "nlp"},
        "env": [{"name": "HF_HOME", "value": "/work/hf"}],
        "nodeSelector": {"gpu": "a100"},
        "serviceAccountName": "trainer",
    },
}
RAY: Json = {"mode": "RayCluster"}
LONG = "9.name-of-thirty-nine-characters-or-more"
IN_THE_OPERATORS_STORAGE = "in the operator's storage"
ASKED: dict[str, tuple[str, str, Json]] = {
    "jobs": ("FinetuneExperiment", "one", {}),
    "jobs with every option": ("FinetuneExperiment", LONG, {**RICH, "runsPerPod": 2, "retryToken": "again"}),
    "ray": ("FinetuneExperiment", "one", RAY),
    "ray with every option": (
        "FinetuneExperiment",
        LONG,
        {**RICH, **RAY, "ray": {"gpusPerRun": 0.5, "headResources": {"limits": {"cpu": "1"}}}},
    ),
    f"jobs {IN_THE_OPERATORS_STORAGE}": ("FinetuneExperiment", "one", {}),
    f"ray {IN_THE_OPERATORS_STORAGE}": ("FinetuneExperiment", "one", RAY),
    "search in jobs": ("HPSearch", "one", {"parallelism": 2}),
    "search in ray": ("HPSearch", LONG, {**RAY, "ray": {"cpusPerRun": 1}}),
}
"""What the objects of each case were made for: kind, name, execution."""
NO_LIMITS = PodDefaults.model_validate({"training": {}, "report": {}, "rayHead": {}, "resolve": {}})
OTHER_STORAGE = Storage.model_validate({"bucket": "others", "region": "eu", "secretRef": {"name": "keys"}})
OTHERS = {
    "image": Config(trainer_image="example.test/trainer:2"),
    "operator's image": Config(trainer_image=IMAGE, operator_image="example.test/operator:2"),
    "pull policy": Config(trainer_image=IMAGE, image_pull_policy="Always"),
    "log format": Config(trainer_image=IMAGE, log_format="json"),
    "storage": Config(trainer_image=IMAGE, default_storage=OTHER_STORAGE),
    "pods": Config(trainer_image=IMAGE, pods=NO_LIMITS.model_copy(update={"user_ids": NO_IDS})),
    "proxy": Config(trainer_image=IMAGE, pods=PodDefaults(env={"HTTPS_PROXY": "http://proxy.example.com"})),
    "policy": Config(trainer_image=IMAGE, pods=PodDefaults(template_policy=TemplatePolicy.RESTRICTED)),
}


def spec_of_case(case: str) -> Json:
    kind, _, execution = ASKED[case]
    more = {"runs": 3} if kind == "FinetuneExperiment" else {"clusters": 2}
    spec = {**BASES[kind], **more, "execution": execution}
    if IN_THE_OPERATORS_STORAGE in case:
        del spec["storage"]
        spec["tracking"] = {"reportTo": ["tensorboard"]}
    return spec


def written(place: Place) -> list[tuple[str, str]]:
    return [
        (request.verb, request.path)
        for request in place.api.requests
        if request.verb != "GET"
        and not request.path.endswith(("/events", "/status"))
        and not request.query.get("dryRun")
    ]


def taken_over(folder: Path, case: str, config: Config, **changed: Any) -> list[tuple[str, str]]:
    """What an operator of today writes where it finds the objects of a case; `changed` is new in `execution`."""
    kind, name, execution = ASKED[case]
    kinds = {each.kind: each for each in (JOB, RAY_JOB, CONFIG_MAP)}
    spec = {**spec_of_case(case), "execution": {**execution, **changed}}
    with operating(folder, replace(config, default_storage=config.default_storage or OTHER_STORAGE)) as place:
        place.put(kind, spec, metadata={"name": name, "uid": "uid-1"})
        for item in deepcopy(OBJECTS[case]):
            place.api.put(collection(kinds[item["kind"]]), item)
        for _ in range(3):
            place.reconcilers[kind].reconcile("team", name)
        return written(place)


@pytest.mark.parametrize("config", [CONFIG, OTHERS["image"], OTHERS["log format"], OTHERS["pods"]])
@pytest.mark.parametrize("case", ASKED)
def test_objects_of_the_first_release_go_on(tmp_path: Path, case: str, config: Config) -> None:
    assert taken_over(tmp_path, case, config) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"image": "example.test/trainer:2"},
        {"retries": 7},
        {"retryToken": "other"},
        {"resources": {"limits": {"memory": "1Gi"}}},
        {"podTemplate": {"securityContext": {}}},
        {"podTemplate": {"containerSecurityContext": {"readOnlyRootFilesystem": False}}},
        {"terminationGracePeriodSeconds": 7},
        {"queueName": "other"},
    ],
    ids=str,
)
def test_objects_of_the_first_release_are_replaced_where_their_author_asks_for_something_else(
    tmp_path: Path, changed: Json
) -> None:
    (first, *_) = taken_over(tmp_path, "jobs", OTHERS["log format"], **changed)
    _, job = OBJECTS["jobs"]
    assert first == ("PATCH", f"{collection(JOB)}/{job['metadata']['name']}")


@contextmanager
def in_a_real_cluster(api: client.ApiClient, folder: Path, case: str) -> Iterator[tuple[Cluster, Json]]:
    """The objects of a case in namespace `team` of an API server; their Job, as that made them."""
    kind, name, _ = ASKED[case]
    core, custom = client.CoreV1Api(api), client.CustomObjectsApi(api)
    fill_inputs(folder)
    core.create_namespace({"metadata": {"name": "team"}})
    where = (GROUP, VERSION, "team", KINDS[kind].plural)
    manifest = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name}}
    owner = custom.create_namespaced_custom_object(*where, {**manifest, "spec": spec_of_case(case)})
    core.create_namespaced_secret(
        "team", {"metadata": {"name": "keys"}, "stringData": {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}}
    )
    core.create_namespaced_config_map("team", {"metadata": {"name": "ca"}, "data": {"ca.crt": "certificate"}})
    plan, job = json.loads(json.dumps(OBJECTS[case]).replace("uid-1", owner["metadata"]["uid"]))
    core.create_namespaced_config_map("team", plan)
    held = custom.create_namespaced_custom_object("batch", "v1", "team", "jobs", job)
    try:
        yield Cluster(api), held
    finally:
        core.delete_namespace("team")


@pytest.mark.apiserver
def test_a_job_of_the_first_release_goes_on_as_an_api_server_holds_it(
    api_client: client.ApiClient, tmp_path: Path
) -> None:
    case = f"jobs {IN_THE_OPERATORS_STORAGE}"
    _, name, _ = ASKED[case]
    with in_a_real_cluster(api_client, tmp_path, case) as (cluster, held):
        config = replace(OTHERS["image"], default_storage=OTHER_STORAGE)
        operator = Reconciler(cluster, config, connector=FolderConnector(cluster, tmp_path), http=NoHub())
        for _ in range(3):
            operator.reconcile("team", name)
        (job,) = cluster.list_work(JOB, "team", {})
    assert (job["metadata"], job["spec"]) == (held["metadata"], held["spec"])


def upgraded(world: World, config: Config) -> None:
    world.config = config
    world.restart()


@pytest.mark.apiserver
@pytest.mark.s3
@pytest.mark.parametrize("config", OTHERS.values(), ids=OTHERS)
def test_an_upgrade_leaves_what_runs_alone(world: World, config: Config) -> None:
    storage = spec_of(world.server, {})["storage"]
    upgraded(world, Config(trainer_image=IMAGE, default_storage=Storage.model_validate(storage)))
    spec = spec_of(world.server, {"rte": 2})
    if config.default_storage is None:
        config = replace(config, default_storage=world.config.default_storage)
        del spec["storage"]
    world.apply("exp", spec)
    world.look("exp")
    job = world.job("exp")
    world.play(job, active=1)
    before = world.job("exp")
    upgraded(world, config)
    world.look("exp", times=3)
    assert world.job("exp") == before
    assert world.reason("exp") == "Running"


@pytest.mark.apiserver
@pytest.mark.s3
def test_the_next_job_has_what_the_upgrade_brought(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 2}))
    world.look("exp")
    world.play(world.job("exp"), active=1)
    upgraded(world, Config(trainer_image="example.test/trainer:2", log_format="json"))
    world.look("exp")
    first = world.job("exp")
    world.put_results(first, 0)
    world.play(first, completed={0}, failed={1}, final="Failed")
    world.apply("exp", spec_of(world.server, {"rte": 2}, execution={"retryToken": "again"}))
    world.look("exp", times=3)
    (container,) = world.job("exp")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "example.test/trainer:2"
    assert {"name": "FINETUNE_LOG_FORMAT", "value": "json"} in container["env"]


@pytest.mark.apiserver
@pytest.mark.s3
def test_a_report_at_work_goes_on_too(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp")
    world.finish(world.job("exp"))
    world.look("exp")
    report = world.job("exp", "report")
    world.play(report, active=1)
    before = world.job("exp", "report")
    upgraded(world, OTHERS["image"])
    world.look("exp", times=3)
    assert world.job("exp", "report") == before


NO_IMAGE = {
    "phase": "Pending",
    "containerStatuses": [
        {
            "name": "trainer",
            "image": "",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}},
        }
    ],
}


@pytest.mark.apiserver
@pytest.mark.s3
@pytest.mark.parametrize("role", ["train", "report", "resolve"])
def test_a_job_none_of_whose_pods_can_start_is_made_anew_with_new_settings(world: World, role: str) -> None:
    more = {"model": {"uri": "pvc://models/bert"}} if role == "resolve" else {}
    world.apply("exp", {**spec_of(world.server, {"rte": 1}), **more})
    world.look("exp")
    if role == "report":
        world.finish(world.job("exp"))
        world.look("exp")
    stuck = world.job("exp", role)
    pod = world.pod(stuck, status=NO_IMAGE)
    world.play(stuck, active=1, ready=0)
    world.look("exp", times=2)
    assert world.job("exp", role)["metadata"]["uid"] == stuck["metadata"]["uid"]
    upgraded(world, OTHERS["image"])
    world.look("exp")
    world.core.delete_namespaced_pod(pod, world.namespace, grace_period_seconds=0)
    world.look("exp", times=2)
    mended = world.job("exp", role)
    assert mended["spec"]["template"]["spec"]["containers"][0]["image"] == "example.test/trainer:2"
    world.play(mended, active=1, ready=0)
    world.pod(mended, status=NO_IMAGE)
    world.look("exp", times=2)
    assert world.job("exp", role)["metadata"]["uid"] == mended["metadata"]["uid"]
