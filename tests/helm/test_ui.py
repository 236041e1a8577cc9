"""The web page: off unless asked for, without a right of its own."""

from typing import Any

import pytest
from click import Context
from typer.main import get_command

from finetune_cli.app import build_app
from finetune_core.json_types import Json
from support.helm import environment, of_kind, pods, render

pytestmark = pytest.mark.apiserver

NAME = "ft-finetune-operator-ui"
STORAGE = {"endpoint": "https://s3.example.org", "bucket": "results", "secretRef": {"name": "keys"}}


def page(**values: object) -> list[Json]:
    return render(ui={"enabled": True}, **values)


def pod(**values: object) -> Json:
    return pods(page(**values))[NAME]


def test_it_is_off_unless_asked_for() -> None:
    assert NAME not in {manifest["metadata"]["name"] for manifest in render()}


def test_it_gets_no_token_no_keys_and_no_role() -> None:
    assert pod()["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod()
    (container,) = pod(storage=STORAGE)["containers"]
    assert "envFrom" not in container
    assert all("valueFrom" not in one for one in container["env"])
    named = {manifest["kind"] for manifest in page() if manifest["metadata"]["name"] == NAME}
    assert named == {"Deployment", "Service"}


def test_viewers_sign_in() -> None:
    (container,) = pod()["containers"]
    assert container["command"] == ["finetune"]
    assert "--auth=token" in container["args"]
    command: Any = get_command(build_app())
    assert container["args"][0] in command.list_commands(Context(command))


def test_it_knows_the_apis_authority() -> None:
    found = environment(pod(storage=STORAGE))
    (mount,) = [one for one in pod()["containers"][0]["volumeMounts"] if one["name"] == "api-authority"]
    assert found["FINETUNE_UI_CA"] == f"{mount['mountPath']}/ca.crt"


def test_the_service_leads_to_the_page_alone() -> None:
    manifests = page(store={"enabled": True})
    (service,) = [one for one in of_kind(manifests, "Service") if one["metadata"]["name"] == NAME]
    selector = service["spec"]["selector"]
    matching = [
        manifest["metadata"]["name"]
        for manifest in manifests
        if "template" in manifest.get("spec", {})
        and manifest["spec"]["template"]["metadata"]["labels"].items() >= selector.items()
    ]
    assert matching == [NAME]
    (port,) = service["spec"]["ports"]
    assert port["targetPort"] in {one["name"] for one in pod()["containers"][0]["ports"]}


def test_a_network_policy_lets_only_http_in() -> None:
    (policy,) = [
        one
        for one in of_kind(page(networkPolicy={"enabled": True}), "NetworkPolicy")
        if one["metadata"]["name"] == NAME
    ]
    assert policy["spec"]["ingress"] == [{"ports": [{"port": "http"}]}]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= the_labels().items()


def the_labels() -> dict[str, str]:
    (one,) = [one for one in of_kind(page(), "Deployment") if one["metadata"]["name"] == NAME]
    labels: dict[str, str] = one["spec"]["template"]["metadata"]["labels"]
    return labels
