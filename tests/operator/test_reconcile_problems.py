"""What is wrong shows in the right place, in words that help, and goes away when it is put right."""

import json
from dataclasses import replace

import pytest
from kubernetes import client

from finetune_core.api import Storage
from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import ExitCode, FailureReason
from finetune_kube.errors import ApiUnavailableError
from support.seaweed import SeaweedS3
from support.tarpit import Tarpit
from support.world import SECRET, World, create_secret, fill_bucket, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]


def valid(world: World, name: str = "exp") -> tuple[str, str, str]:
    found = world.condition(name, "Valid")
    return found["status"], found["reason"], found["message"]


def test_a_missing_secret_is_named_and_looked_for_again(world: World) -> None:
    storage = {"endpoint": world.server.endpoint, "bucket": "results", "secretRef": {"name": "forgotten"}}
    world.apply("exp", spec_of(world.server, {"rte": 1}, storage=storage))
    delay = world.look("exp")
    status, reason, message = valid(world)
    assert (status, reason) == ("False", "SecretNotFound")
    assert "spec.storage.secretRef: Secret forgotten is not in namespace" in message
    assert delay is not None
    create_secret(world.api, world.namespace, world.server, "forgotten")
    world.look("exp")
    assert valid(world)[0] == "True"
    assert world.jobs("exp")


def test_a_secret_without_its_keys_says_which(world: World) -> None:
    create_secret(world.api, world.namespace, world.server, "half", AWS_SECRET_ACCESS_KEY="")
    storage = {"endpoint": world.server.endpoint, "bucket": "results", "secretRef": {"name": "half"}}
    world.apply("exp", spec_of(world.server, {"rte": 1}, storage=storage))
    world.look("exp")
    assert "Secret half lacks AWS_SECRET_ACCESS_KEY" in valid(world)[2]


def test_a_store_that_cannot_be_reached_holds_everything_back_and_says_what_to_check(world: World) -> None:
    storage = {"endpoint": "http://127.0.0.1:9", "bucket": "results", "secretRef": {"name": "store-keys"}}
    world.apply("exp", spec_of(world.server, {"rte": 1}, storage=storage))
    assert world.look("exp") is not None
    assert valid(world)[:2] == ("Unknown", "Checking")
    succeeded = world.condition("exp", "Succeeded")
    assert (succeeded["status"], succeeded["reason"]) == ("Unknown", "StorageUnavailable")
    assert "http://127.0.0.1:9" in succeeded["message"]
    assert "check storage.endpoint and that the server is running" in succeeded["message"]
    assert "Nothing has been started" in succeeded["message"]
    assert ("Warning", "StorageUnavailable") in world.events("exp")
    assert world.jobs("exp") == []


def test_a_store_that_answers_a_byte_at_a_time_ends_in_a_condition(world: World) -> None:
    assert world.config.look_seconds == 25
    world.config = replace(world.config, look_seconds=0.5)
    world.restart()
    with Tarpit("headers") as server:
        storage = {"endpoint": server.endpoint, "bucket": "results", "secretRef": {"name": SECRET}}
        world.apply("exp", spec_of(world.server, {"rte": 1}, storage=storage))
        assert world.look("exp") is not None
    succeeded = world.condition("exp", "Succeeded")
    assert (succeeded["status"], succeeded["reason"]) == ("Unknown", "StorageUnavailable")
    assert "it took longer than 0.5 s; check storage.endpoint" in succeeded["message"]
    assert "Nothing has been started" in succeeded["message"]


def test_a_missing_certificates_config_map_is_named_and_looked_for_again(world: World) -> None:
    storage = {"endpoint": world.server.endpoint, "bucket": "results", "caBundle": {"name": "ca", "key": "ca.pem"}}
    world.apply("exp", spec_of(world.server, {"rte": 1}, storage=storage))
    assert world.look("exp") is not None
    status, reason, message = valid(world)
    assert (status, reason) == ("False", "SecretNotFound")
    assert "spec.storage.caBundle: ConfigMap ca is not in namespace" in message
    assert world.jobs("exp") == []


def test_a_type_that_contradicts_the_checkpoints_takes_no_gpu(world: World) -> None:
    world.store_root.put("roberta/config.json", b'{"model_type": "roberta"}')
    world.store_root.put("roberta/model.safetensors", b"weights")
    model = {"uri": "s3://results/roberta", "type": "static_sparse_encoder_bert"}
    world.apply("exp", spec_of(world.server, {"rte": 1}, model=model))
    assert world.look("exp") is not None
    status, reason, message = valid(world)
    assert (status, reason) == ("False", "InputNotFound")
    assert message.startswith("spec.model.type: model.type static_sparse_encoder_bert needs a BERT")
    assert world.jobs("exp") == []


def test_steps_that_are_no_multiple_of_evaluations_are_warned_of_in_status_and_event(world: World) -> None:
    training = {"maxSteps": 10, "evalSteps": 4}
    world.apply("exp", spec_of(world.server, {"rte": 1}, training=training))
    world.look("exp", times=3)
    (told,) = world.status("exp")["warnings"]
    assert told.startswith("rte: maxSteps 10 is no multiple of evalSteps 4")
    assert world.events("exp").count(("Warning", "SpecWarning")) == 1
    world.apply("exp", spec_of(world.server, {"rte": 1}, training={"maxSteps": 12, "evalSteps": 4}))
    world.look("exp")
    assert world.status("exp")["warnings"] == []


def test_a_bucket_that_does_not_exist_is_named(world: World) -> None:
    storage = {"endpoint": world.server.endpoint, "bucket": "no-such-bucket", "secretRef": {"name": "store-keys"}}
    world.apply("exp", spec_of(world.server, {"rte": 1}, storage=storage))
    assert world.look("exp") is not None
    status, reason, message = valid(world)
    assert (status, reason) == ("False", "StorageRefused")
    assert message.startswith("spec.storage: ")
    assert "no-such-bucket" in message


def test_a_wrong_secret_key_says_so_and_shows_no_key(world: World) -> None:
    create_secret(world.api, world.namespace, world.server, "wrong", AWS_SECRET_ACCESS_KEY="not-the-secret-key")
    storage = {"endpoint": world.server.endpoint, "bucket": "results", "secretRef": {"name": "wrong"}}
    world.apply("exp", spec_of(world.server, {"rte": 1}, storage=storage))
    world.look("exp")
    _, reason, message = valid(world)
    assert reason == "StorageRefused"
    assert "secret key is wrong" in message
    assert "not-the-secret-key" not in message


def test_keys_that_may_only_read_are_refused_before_anything_runs(world: World) -> None:
    reader = {"AWS_ACCESS_KEY_ID": world.server.reader_access_key}
    reader["AWS_SECRET_ACCESS_KEY"] = world.server.reader_secret_key
    create_secret(world.api, world.namespace, world.server, "reader", **reader)
    storage = {"endpoint": world.server.endpoint, "bucket": "results", "secretRef": {"name": "reader"}}
    world.apply("exp", spec_of(world.server, {"rte": 1}, storage=storage))
    world.look("exp")
    assert valid(world)[:2] == ("False", "StorageRefused")
    assert world.jobs("exp") == []


def test_missing_model_and_data_are_told_at_once_each_at_its_field(world: World) -> None:
    wrong = {"model": {"uri": "s3://results/no-model"}, "data": {"uri": "s3://results/no-data"}}
    world.apply("exp", spec_of(world.server, {"rte": 1, "wnli": 1}, **wrong))
    world.requests.clear()
    assert world.look("exp") is not None
    status, reason, message = valid(world)
    assert (status, reason) == ("False", "InputNotFound")
    assert "spec.model.uri: nothing lies at s3://results/no-model" in message
    assert message.count("spec.data.uri: nothing lies at s3://results/no-data") == 1


def test_a_models_bucket_that_does_not_exist_is_a_matter_of_the_models_uri(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}, model={"uri": "s3://no-such-bucket/model"}))
    world.look("exp")
    status, reason, message = valid(world)
    assert (status, reason) == ("False", "InputNotFound")
    assert message.startswith("spec.model.uri: ")
    assert "no-such-bucket" in message


def test_a_task_whose_data_is_not_there_is_named(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1, "qnli": 1}))
    world.look("exp")
    assert "no training file for task qnli" in valid(world)[2]


def test_without_kuberay_a_ray_cluster_waits_for_it_and_says_so(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}, execution={"mode": "RayCluster"}))
    assert world.look("exp") == 30
    assert valid(world)[:2] == ("False", "KubeRayMissing")
    assert "install it" in valid(world)[2]
    succeeded = world.condition("exp", "Succeeded")
    assert (succeeded["status"], succeeded["reason"]) == ("Unknown", "KubeRayMissing")
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp", times=2)
    assert valid(world)[0] == "True"
    assert world.job("exp")


def test_a_refused_spec_leaves_the_job_at_work_alone(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp")
    job = world.job("exp")
    world.apply("exp", spec_of(world.server, {"rte": 2}, execution={"mode": "RayCluster"}))
    world.look("exp", times=2)
    assert world.job("exp")["metadata"]["resourceVersion"] == job["metadata"]["resourceVersion"]


def test_no_storage_and_no_default_is_said(world: World) -> None:
    spec = spec_of(world.server, {"rte": 1})
    del spec["storage"]
    world.apply("exp", spec)
    assert world.look("exp") is None
    told = "spec.storage: not set, and the operator was installed without a default storage: set it, or install"
    assert told in valid(world)[2]


def test_the_storage_in_use_is_told_whether_the_spec_names_it_or_the_operator_does(world: World) -> None:
    spec = spec_of(world.server, {"rte": 1})
    world.apply("named", spec)
    world.look("named")
    storage = spec.pop("storage")
    world.config = replace(world.config, default_storage=Storage.model_validate({**storage, "prefix": "own"}))
    world.restart()
    world.apply("default", spec)
    world.look("default")

    assert world.status("named")["storage"] == storage
    assert world.status("default")["storage"] == {**storage, "prefix": "own"}


def test_the_storage_is_told_also_while_it_does_not_answer(world: World) -> None:
    storage = {"endpoint": "http://127.0.0.1:9", "bucket": "results", "secretRef": {"name": "store-keys"}}
    world.apply("exp", spec_of(world.server, {"rte": 1}, storage=storage))
    world.look("exp")
    assert world.status("exp")["storage"] == storage


def test_a_pod_template_that_is_no_pods_is_told_in_the_api_servers_words(world: World) -> None:
    template = {"nodeSelector": {"not a label": "x"}}
    world.apply("exp", spec_of(world.server, {"rte": 1}, execution={"podTemplate": template}))
    assert world.look("exp") is not None
    status, reason, message = valid(world)
    assert (status, reason) == ("False", "Rejected")
    assert message.startswith("spec.execution.podTemplate.nodeSelector: ")
    assert "not a label" in message
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp")
    assert world.job("exp")


def test_a_quota_that_is_used_up_shows_as_blocked(world: World) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    world.core.create_namespaced_resource_quota(world.namespace, quota)
    status = {"status": {"hard": {"count/jobs.batch": "0"}, "used": {"count/jobs.batch": "0"}}}
    world.core.patch_namespaced_resource_quota_status("none", world.namespace, status)
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    assert world.look("exp") is not None
    assert world.reason("exp") == "Blocked"
    assert "exceeded quota" in world.condition("exp", "Succeeded")["message"]


def test_a_model_on_a_volume_is_looked_at_by_a_pod_before_anything_is_planned(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}, model={"uri": "pvc://models/bert"}))
    world.look("exp", times=2)
    job = world.job("exp", "resolve")
    assert world.reason("exp") == "ResolvingInputs"
    assert world.jobs("exp", "train") == []
    pod = job["spec"]["template"]["spec"]
    command = pod["containers"][0]["command"]
    assert command[:3] == ["finetune-trainer", "resolve", "--uri=pvc://models/bert"]
    key = command[3].removeprefix("--output=")
    files = '[{"path": "config.json", "md5": "a", "size": 1}, {"path": "model.safetensors", "md5": "b", "size": 2}]'
    world.store.put(key, b'{"pvc://models/bert": {"files": ' + files.encode() + b"}}")
    world.play(job, final="Complete")
    world.look("exp")
    train = world.job("exp")
    claims = [volume.get("persistentVolumeClaim") for volume in train["spec"]["template"]["spec"]["volumes"]]
    assert {"claimName": "models", "readOnly": True} in claims
    assert world.plan("exp").model.digest.startswith("md5s:")


def test_what_the_pod_finds_wrong_on_a_volume_is_told_at_the_field(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}, model={"uri": "pvc://models/bert"}))
    world.look("exp")
    job = world.job("exp", "resolve")
    key = job["spec"]["template"]["spec"]["containers"][0]["command"][3].removeprefix("--output=")
    world.store.put(key, b'{"pvc://models/bert": {"problem": "no folder bert on the volume"}}')
    world.play(job, final="Complete")
    world.look("exp")
    assert "spec.model.uri: no folder bert on the volume" in valid(world)[2]


def test_a_pod_that_fails_at_looking_at_a_volume_is_told_with_how_to_try_again(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}, model={"uri": "pvc://models/bert"}))
    world.look("exp")
    world.play(world.job("exp", "resolve"), final="Failed")
    world.look("exp")
    assert "which failed: " in valid(world)[2]
    assert "Set execution.retryToken to try again" in valid(world)[2]


def test_a_claim_that_does_not_exist_shows_as_blocked(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}, model={"uri": "pvc://models/bert"}))
    world.look("exp")
    job = world.job("exp", "resolve")
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    message = 'persistentvolumeclaim "models" not found'
    world.pod(job, status={"phase": "Pending", "conditions": [condition | {"message": message}]})
    world.play(job, active=1, ready=0)
    world.look("exp")
    assert world.reason("exp") == "Blocked"
    assert message in world.condition("exp", "Succeeded")["message"]


def test_a_store_that_is_down_makes_everything_wait_and_nothing_is_lost(
    api_client: client.ApiClient, namespace: str
) -> None:
    with SeaweedS3() as server:
        fill_bucket(server)
        create_secret(api_client, namespace, server)
        world = World(api_client, namespace, server)
        world.apply("exp", spec_of(server, {"rte": 2}))
        world.look("exp")
        job = world.job("exp")
        world.put_results(job, 0)
        world.play(job, completed={0}, active=1)
        world.look("exp")
        server.stop()
        world.play(job, completed={0, 1}, final="Complete")
        assert world.look("exp") is not None
        assert world.reason("exp") == "StorageUnavailable"
        assert "127.0.0.1" in world.condition("exp", "Succeeded")["message"]
        assert valid(world)[0] == "True"
        assert world.status("exp")["runs"]["summary"] == "1/2"
        assert world.job("exp")["metadata"]["uid"] == job["metadata"]["uid"]
        server.start()
        world.put_results(job, 1)
        world.to_the_end("exp")
        assert world.reason("exp") == "AllRunsSucceeded"
        assert len(world.jobs("exp", "train")) == 1
        world.close()


def test_an_api_server_error_is_raised_to_be_tried_again(world: World) -> None:
    broken = client.ApiClient(client.Configuration(host="http://127.0.0.1:1"))
    world.restart(type(world.cluster)(broken))
    with pytest.raises(ApiUnavailableError):
        world.look("exp")
    broken.close()


def test_a_result_of_another_shape_does_not_stop_the_operator(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp")
    job = world.job("exp")
    run = world.plan("exp").runs[0]
    world.store.put(ExperimentLayout(world.namespace, "exp").run("rte", run.run_id).result, b'{"torn":')
    world.play(job, completed={0}, final="Complete")
    world.look("exp")
    assert world.jobs("exp", "train")[-1]["metadata"]["name"].endswith("-r1")


def test_torn_progress_and_failure_reports_do_not_stop_the_operator(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 2}))
    world.look("exp")
    job = world.job("exp")
    layout = ExperimentLayout(world.namespace, "exp")
    for run in world.plan("exp").runs:
        files = layout.run("rte", run.run_id)
        world.store.put(files.progress, b"{")
        world.store.put(files.failure("a"), b"{")
    world.play(job, failed={0}, active=1)
    world.restart()
    world.look("exp")
    (told,) = world.status("exp")["failures"]
    assert told["reason"] == "Unknown"
    assert "failures/a.json" in told["message"]


def test_a_job_whose_plan_is_gone_is_replaced(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 2}))
    world.look("exp")
    job = world.job("exp")
    world.put_results(job, 0)
    world.core.delete_namespaced_config_map(job["metadata"]["annotations"]["finetune.dev/plan"], world.namespace)
    world.play(job, completed={0}, active=1, ready=0)
    world.restart()
    world.look("exp")
    assert world.reason("exp") == "ReplacingJob"
    world.play(job, completed={0})
    world.look("exp", times=2)
    new = world.job("exp")
    assert new["metadata"]["uid"] != job["metadata"]["uid"]
    assert len(world.job_plan(new).indexes) == 1
    world.to_the_end("exp")
    assert world.reason("exp") == "AllRunsSucceeded"


def test_a_look_at_volumes_that_waited_for_the_store_in_vain_is_tried_again_by_its_job(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}, model={"uri": "pvc://models/bert"}))
    world.look("exp")
    job = world.job("exp", "resolve")
    words = json.dumps({"reason": FailureReason.STORE, "message": "it said why"})
    ended = {"exitCode": ExitCode.STORE, "message": words, "startedAt": None, "finishedAt": None}
    container = {"name": "trainer", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    state = {**container, "state": {"terminated": ended}}
    world.pod(job, status={"phase": "Failed", "containerStatuses": [state]})
    world.play(job, active=0)
    assert world.look("exp") is not None
    assert world.reason("exp") == "StorageUnavailable"
    assert "it said why. It is tried again by itself" in world.condition("exp", "Succeeded")["message"]
    rules = job["spec"]["podFailurePolicy"]["rules"]
    assert [rule["action"] for rule in rules if ExitCode.STORE in rule.get("onExitCodes", {}).get("values", ())] == [
        "Ignore"
    ]
    world.play(job, active=1, ready=1)
    world.look("exp")
    assert world.reason("exp") == "ResolvingInputs"
