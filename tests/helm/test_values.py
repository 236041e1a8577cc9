"""values.schema.json: what does not fit is refused by name, before anything is installed."""

import json
import subprocess
from typing import Any

import pytest

from finetune_core.api import Storage
from support.helm import CHART, helm, template

pytestmark = pytest.mark.apiserver

SCHEMA = json.loads((CHART / "values.schema.json").read_text())

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a key that there is not": ({"trainerImages": {}}, "trainerImages"),
    "a key that there is not, further in": ({"store": {"enabld": True}}, "enabld"),
    "a pull policy": ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
    "a tag that YAML reads as a number": ({"image": {"tag": 1.2}}, "tag"),
    "a log format": ({"logFormat": "xml"}, "logFormat"),
    "namespaces as a text": ({"watchNamespaces": "a,b"}, "watchNamespaces"),
    "a namespace": ({"watchNamespaces": ["My Namespace"]}, "watchNamespaces"),
    "a namespace twice": ({"watchNamespaces": ["a", "a"]}, "watchNamespaces"),
    "a store without a bucket": ({"storage": {"endpoint": "https://s3.example.org"}}, "bucket"),
    "an endpoint without its scheme": ({"storage": {"bucket": "results", "endpoint": "s3:9000"}}, "endpoint"),
    "keys among the values": ({"storage": {"bucket": "results", "secretKey": "x"}}, "secretKey"),
    "no replicas": ({"replicas": 0}, "replicas"),
    "a bucket": ({"store": {"bucket": "My_Bucket"}}, "bucket"),
    "an interval": ({"podMonitor": {"interval": "often"}}, "interval"),
    "a switch": ({"store": {"enabled": "yes"}}, "enabled"),
    "a digest": ({"image": {"digest": "sha256:abc"}}, "digest"),
    "root": ({"podSecurityContext": {"runAsUser": 0}}, "runAsUser"),
    "a policy": ({"pods": {"templatePolicy": "Some"}}, "templatePolicy"),
    "a resource of pods": ({"pods": {"report": {"limit": {}}}}, "limit"),
    "a host with a path": ({"notifications": {"allowedHosts": ["chat.example.org/hook"]}}, "allowedHosts"),
    "a pattern without TLS": ({"notifications": {"allowedHosts": ["http://*"]}}, "allowedHosts"),
    "a resource": ({"resources": {"request": {}}}, "request"),
}


@pytest.mark.parametrize(("values", "name"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_refused_by_name(values: dict[str, Any], name: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        template(**values)

    assert "values don't meet the specifications of the schema" in refusal.value.stderr
    assert name in refusal.value.stderr


def test_the_default_store_has_the_fields_of_the_api() -> None:
    fields = Storage.model_json_schema(by_alias=True)["properties"]

    assert SCHEMA["properties"]["storage"]["properties"].keys() == fields.keys()


@pytest.mark.parametrize(
    "values",
    [{}, {"store": {"enabled": True}}, {"podMonitor": {"enabled": True}, "networkPolicy": {"enabled": True}}],
    ids=["defaults", "store", "extras"],
)
def test_helm_lint_finds_nothing(values: dict[str, Any]) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), values=values)
