"""The embedded store: off unless asked for, reachable only with keys, its bucket always there."""

from base64 import b64decode

import pytest

from finetune_core.json_types import Json
from support.helm import of_kind, pods, render, the

pytestmark = pytest.mark.apiserver


def store(**values: object) -> list[Json]:
    return render(store={"enabled": True, **values})


def container(**values: object) -> Json:
    (one,) = pods(store(**values))["ft-store"]["containers"]
    return one


def test_it_is_off_unless_asked_for() -> None:
    names = {manifest["metadata"]["name"] for manifest in render()}

    assert "ft-store" not in names


def test_its_parts_go_by_the_release() -> None:
    named = {manifest["kind"] for manifest in store() if manifest["metadata"]["name"] == "ft-store"}

    assert named == {"Secret", "Service", "StatefulSet"}


def test_the_service_leads_to_the_pod_and_not_to_the_operator() -> None:
    manifests = store()
    selector = the(manifests, "Service")["spec"]["selector"]

    assert the(manifests, "StatefulSet")["spec"]["template"]["metadata"]["labels"] == selector
    assert not the(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"].items() >= selector.items()
    assert the(manifests, "Service")["spec"]["ports"] == [{"name": "s3", "port": 8333, "targetPort": "s3"}]


def test_it_has_random_keys() -> None:
    first, second = (the(store(), "Secret")["data"] for _ in range(2))

    assert first.keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert len(b64decode(first["AWS_SECRET_ACCESS_KEY"])) == 40
    assert first != second


def test_its_only_identity_is_that_of_the_secret() -> None:
    assert container()["envFrom"] == [{"secretRef": {"name": "ft-store"}}]


def test_keys_of_ones_own_are_used() -> None:
    manifests = store(existingSecret="mine")
    (one,) = pods(manifests)["ft-store"]["containers"]

    assert of_kind(manifests, "Secret") == []
    assert one["envFrom"] == [{"secretRef": {"name": "mine"}}]


def test_only_s3_listens_to_the_outside() -> None:
    arguments = container()["args"]

    assert "-ip.bind=127.0.0.1" in arguments
    assert [argument for argument in arguments if "0.0.0.0" in argument] == ["-s3.ip.bind=0.0.0.0"]


def test_nothing_is_reported_to_anyone() -> None:
    assert "-master.telemetry=false" in container()["args"]


def test_its_bucket_is_made_at_every_start() -> None:
    script = container(bucket="my-bucket")["lifecycle"]["postStart"]["exec"]["command"][-1]

    assert script.startswith("until echo 's3.bucket.create -name my-bucket'")
    assert "already exists" in script


def test_another_image_can_have_seaweedfs_elsewhere() -> None:
    image = {"repository": "my/weed", "tag": "1"}
    one = container(image=image, command=["/usr/local/bin/weed"])

    assert one["image"] == "my/weed:1"
    assert one["command"] == ["/usr/local/bin/weed"]
    assert "/usr/local/bin/weed shell" in one["lifecycle"]["postStart"]["exec"]["command"][-1]


def test_data_outlives_the_pod() -> None:
    spec = the(store(persistence={"size": "5Gi", "storageClass": "fast"}), "StatefulSet")["spec"]
    (claim,) = spec["volumeClaimTemplates"]

    assert claim["spec"]["resources"]["requests"] == {"storage": "5Gi"}
    assert claim["spec"]["storageClassName"] == "fast"
    assert "data" not in [volume["name"] for volume in spec["template"]["spec"]["volumes"]]


def test_data_goes_with_the_pod_where_that_is_asked_for() -> None:
    spec = the(store(persistence={"enabled": False, "size": "5Gi"}), "StatefulSet")["spec"]

    assert "volumeClaimTemplates" not in spec
    assert {"name": "data", "emptyDir": {"sizeLimit": "5Gi"}} in spec["template"]["spec"]["volumes"]


def test_an_upgrade_of_the_chart_alone_does_not_restart_it() -> None:
    labels = the(store(), "StatefulSet")["spec"]["template"]["metadata"]["labels"]

    assert not [name for name in labels if "version" in name or "chart" in name]


def test_policies_let_in_only_what_is_meant_to_come_in() -> None:
    policies = of_kind(render(store={"enabled": True}, networkPolicy={"enabled": True}), "NetworkPolicy")
    ports = {
        policy["metadata"]["name"]: [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]]
        for policy in policies
    }

    assert ports == {"ft-finetune-operator": ["health", "metrics"], "ft-store": ["s3"]}


def test_there_are_no_policies_unless_asked_for() -> None:
    assert of_kind(render(store={"enabled": True}), "NetworkPolicy") == []
