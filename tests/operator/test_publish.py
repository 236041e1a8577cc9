"""spec.publish between a real API server and a real store: Jobs after the report; their pods are played."""

import json
from dataclasses import replace
from typing import Any

import pytest

from finetune_core.layout import ExperimentLayout
from finetune_core.publishing.orders import Order, Publications, Pushed
from finetune_operator.manifests.publish import KEY_FOLDER, LOGIN_FOLDER
from support.world import NOW, SECRET, World, job_ended, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

Json = dict[str, Any]
IMAGE = "example.test/operator:1"
HUB: Json = {"name": "hub", "to": "hf://team/bert-{task}", "secretRef": {"name": "hub"}, "license": "mit"}
REGISTRY: Json = {
    "name": "registry",
    "to": "oci://registry.test/models/{task}:{run}",
    "tasks": ["rte"],
    "secretRef": {"name": "login"},
    "signingSecretRef": {"name": "signing", "key": "private.pem"},
}
SECRETS = {"hub": {"HF_TOKEN": "t"}, "login": {".dockerconfigjson": "{}"}, "signing": {"private.pem": "key"}}


@pytest.fixture
def publishing(world: World) -> World:
    """An operator that knows its own image, and a namespace with the Secrets."""
    world.config = replace(world.config, operator_image=IMAGE)
    world.restart()
    for name, data in SECRETS.items():
        create_secret(world, name, data)
    return world


def create_secret(world: World, name: str, data: dict[str, str]) -> None:
    kind = "kubernetes.io/dockerconfigjson" if ".dockerconfigjson" in data else "Opaque"
    made = {"metadata": {"name": name}, "type": kind, "stringData": data}
    world.core.create_namespaced_secret(world.namespace, made)


def apply(world: World, *entries: Json, runs: int = 2, **execution: Any) -> None:
    world.apply("exp", spec_of(world.server, {"rte": runs}, publish=list(entries), execution=execution))


def to_the_report(world: World) -> None:
    """All runs have ended and are reported; the next look sees it."""
    world.look("exp", times=2)
    for job in world.jobs("exp", "train"):
        if not job_ended(job):
            world.finish(job)
    world.look("exp", times=2)
    world.play_report("exp")


def container_of(job: Json) -> Json:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return dict(container)


def entry_of(job: Json) -> Order:
    command = container_of(job)["command"]
    return Order.model_validate_json(command[command.index("--order") + 1].replace("$$", "$"))


def jobs_of(world: World) -> dict[str, Json]:
    """Unfinished Jobs that publish, by their entry."""
    return {entry_of(job).name: job for job in world.jobs("exp", "publish") if not job_ended(job)}


def push(world: World, job: Json) -> None:
    """What its pod leaves; and its end."""
    order = entry_of(job)
    record = Publications()
    for model in order.models:
        run = model.model_dump(include={"task", "run", "run_id", "digest"})
        record = record.with_pushed(model.to, Pushed(**run, uri=f"{model.to}@{model.digest}", time=NOW))
    key = ExperimentLayout(world.namespace, "exp").published(order.name)
    world.store.put(key, record.to_json())
    world.play(job, final="Complete")


def to_the_end(world: World) -> None:
    for _ in range(10):
        if world.look("exp") is None:
            return
        for job in jobs_of(world).values():
            push(world, job)
    raise AssertionError(json.dumps(world.status("exp"), indent=1))


def test_after_the_report_each_entry_has_its_job_and_the_end_comes_after_them(publishing: World) -> None:
    world = publishing
    apply(world, HUB, REGISTRY)
    world.look("exp", times=2)
    assert world.condition("exp", "Published")["reason"] == "WaitingForReport"
    to_the_report(world)
    assert world.jobs("exp", "publish") == []
    world.look("exp", times=2)
    assert set(jobs_of(world)) == {"hub", "registry"}
    assert world.reason("exp") == "Publishing"
    assert world.condition("exp", "Finished")["status"] == "False"
    assert world.status("exp")["results"]
    to_the_end(world)
    told = world.condition("exp", "Published")
    assert (told["status"], told["reason"], told["message"]) == ("True", "Published", "Models published: 2 of 2.")
    assert world.condition("exp", "Finished")["status"] == "True"
    best = world.status("exp")["tasks"][0]["best"]
    hub, registry = world.status("exp")["published"]
    assert (hub["name"], hub["task"], hub["run"], hub["runId"]) == ("hub", "rte", best["run"], best["runId"])
    assert hub["uri"].startswith("hf://team/bert-rte@")
    assert registry["uri"].startswith(f"oci://registry.test/models/rte:{best['runId']}@")
    assert [reason for _, reason in world.events("exp")][-2:] == ["AllRunsSucceeded", "Published"]


def test_its_pod_has_the_operators_image_and_the_secrets_of_its_entry_alone(publishing: World) -> None:
    world = publishing
    apply(world, HUB, REGISTRY)
    to_the_report(world)
    world.look("exp", times=2)
    jobs = jobs_of(world)
    hub, registry = container_of(jobs["hub"]), container_of(jobs["registry"])
    assert hub["image"] == registry["image"] == IMAGE
    assert hub["envFrom"] == [{"secretRef": {"name": "hub"}}]
    assert "envFrom" not in registry
    values = {one["name"]: one.get("value") for one in registry["env"]}
    assert values["DOCKER_CONFIG"] == LOGIN_FOLDER
    assert values["FINETUNE_SIGNING_KEY"] == f"{KEY_FOLDER}/key.pem"
    volumes = {one["name"]: one for one in jobs["registry"]["spec"]["template"]["spec"]["volumes"]}
    assert volumes["login"]["secret"]["items"] == [{"key": ".dockerconfigjson", "path": "config.json"}]
    assert volumes["signing"]["secret"]["secretName"] == "signing"
    assert "login" not in json.dumps(jobs["hub"]["spec"])
    for job in jobs.values():
        spec = job["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert "t" not in {one.get("value") for one in container_of(job)["env"]}, "keys come by reference"
        assert job["metadata"]["ownerReferences"][0]["name"] == "exp"
        assert (job["spec"]["backoffLimit"], spec["restartPolicy"]) == (6, "Never")


@pytest.mark.parametrize(
    ("lacks", "entry", "said"),
    [
        ("hub", HUB, "spec.publish[hub].secretRef: Secret hub is not in namespace"),
        ("login", REGISTRY, "kubectl create secret docker-registry"),
        ("signing", REGISTRY, "spec.publish[registry].signingSecretRef: Secret signing is not in namespace"),
    ],
)
def test_a_secret_that_is_missing_is_named_before_anything_runs(
    publishing: World, lacks: str, entry: Json, said: str
) -> None:
    world = publishing
    world.core.delete_namespaced_secret(lacks, world.namespace)
    apply(world, entry)
    world.look("exp")
    valid = world.condition("exp", "Valid")
    assert (valid["status"], valid["reason"]) == ("False", "SecretNotFound")
    assert said in valid["message"]
    assert world.jobs("exp") == []
    create_secret(world, lacks, SECRETS[lacks])
    world.look("exp", times=2)
    assert world.condition("exp", "Valid")["status"] == "True"


def test_a_key_that_the_secret_lacks_is_named(publishing: World) -> None:
    world = publishing
    create_secret(world, "other", {"TOKEN": "t"})
    apply(world, HUB | {"secretRef": {"name": "other"}}, HUB | {"name": "own", "to": "hf://a/{task}"})
    world.look("exp")
    assert "Secret other has no key HF_TOKEN" in world.condition("exp", "Valid")["message"]


def test_an_operator_that_does_not_know_its_image_refuses(world: World) -> None:
    create_secret(world, "hub", SECRETS["hub"])
    apply(world, HUB)
    world.look("exp")
    assert "FINETUNE_OPERATOR_IMAGE" in world.condition("exp", "Valid")["message"]


def test_a_place_that_refuses_leaves_the_results_alone_and_a_token_tries_it_again(publishing: World) -> None:
    world = publishing
    apply(world, HUB)
    to_the_report(world)
    world.look("exp", times=2)
    job = jobs_of(world)["hub"]
    said = json.dumps({"reason": "UserError", "message": "rte/1: the hub refuses it: 403 Forbidden. Check HF_TOKEN"})
    ended = {"exitCode": 64, "reason": "Error", "message": said, "startedAt": None, "finishedAt": None}
    state = {"name": "trainer", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    world.pod(job, status={"phase": "Failed", "containerStatuses": [state | {"state": {"terminated": ended}}]})
    world.play(job, final="Failed")
    while world.look("exp") is not None:
        pass
    told = world.condition("exp", "Published")
    assert (told["status"], told["reason"]) == ("False", "PublishFailed")
    assert "403 Forbidden" in told["message"]
    assert world.condition("exp", "Succeeded")["status"] == "True"
    assert world.condition("exp", "Finished")["status"] == "True"
    assert ("Warning", "PublishFailed") in world.events("exp")

    apply(world, HUB, retryToken="again")
    world.look("exp", times=3)
    assert world.reason("exp") == "Publishing"
    to_the_end(world)
    assert world.condition("exp", "Published")["status"] == "True"


def test_a_secret_that_goes_later_blocks_in_the_clusters_words(publishing: World) -> None:
    world = publishing
    apply(world, HUB)
    to_the_report(world)
    world.look("exp", times=2)
    waiting = {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "hub" not found'}}
    state = {"name": "trainer", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": waiting}
    world.pod(jobs_of(world)["hub"], status={"phase": "Pending", "containerStatuses": [state]})
    world.look("exp", times=2)
    assert world.reason("exp") == "Blocked"
    assert 'secret "hub" not found' in world.condition("exp", "Published")["message"]


def test_what_lies_there_is_not_pushed_again_after_a_restart_or_by_the_same_experiment_applied_anew(
    publishing: World,
) -> None:
    world = publishing
    apply(world, HUB)
    to_the_report(world)
    to_the_end(world)
    world.restart()
    apply(world, HUB, retryToken="look again")
    world.look("exp", times=3)
    assert jobs_of(world) == {}
    assert world.condition("exp", "Published")["status"] == "True"
    world.delete("exp")
    apply(world, HUB)
    while world.look("exp") is not None:
        assert world.jobs("exp", "publish") == []
    assert world.condition("exp", "Finished")["status"] == "True"


def test_more_runs_publish_the_better_one_again(publishing: World) -> None:
    world = publishing
    apply(world, HUB)
    to_the_report(world)
    to_the_end(world)
    (before,) = world.status("exp")["published"]
    apply(world, HUB, runs=3)
    to_the_report(world)
    world.look("exp", times=2)
    (model,) = entry_of(jobs_of(world)["hub"]).models
    assert (before["run"], model.run) == (1, 2)
    to_the_end(world)
    assert [one["run"] for one in world.status("exp")["published"]] == [2]


def test_suspend_holds_it_back_until_it_may(publishing: World) -> None:
    world = publishing
    apply(world, HUB)
    to_the_report(world)
    world.look("exp", times=2)
    apply(world, HUB, suspend=True)
    world.look("exp", times=2)
    assert jobs_of(world) == {}
    assert world.reason("exp") == "Suspended"
    assert world.condition("exp", "Finished")["status"] == "False"
    apply(world, HUB)
    world.look("exp", times=2)
    to_the_end(world)
    assert world.condition("exp", "Published")["status"] == "True"


def test_a_changed_entry_replaces_the_job_that_publishes(publishing: World) -> None:
    world = publishing
    apply(world, HUB)
    to_the_report(world)
    world.look("exp", times=2)
    before = jobs_of(world)["hub"]["metadata"]["name"]
    apply(world, HUB | {"license": "apache-2.0"})
    world.look("exp", times=3)
    after = jobs_of(world)["hub"]
    assert after["metadata"]["name"] != before
    assert entry_of(after).license == "apache-2.0"


def test_keys_of_the_store_win_over_those_of_a_place(publishing: World) -> None:
    """Kubernetes has `env` go before `envFrom`: a Secret of a place leads nobody's reading of results elsewhere."""
    world = publishing
    apply(world, HUB)
    to_the_report(world)
    world.look("exp", times=2)
    env = {one["name"]: one for one in container_of(jobs_of(world)["hub"])["env"]}
    assert env["AWS_SECRET_ACCESS_KEY"]["valueFrom"]["secretKeyRef"]["name"] == SECRET
    assert env["AWS_ENDPOINT_URL"]["value"] == world.server.endpoint
