"""Names and keys on a real API server: what it takes and what it refuses, with the field."""

from typing import Any

import pytest
from kubernetes import client

from support.experiments import errors, experiment
from support.hostile import HOSTILE

pytestmark = pytest.mark.apiserver

REQUIRED = {"bucket": "abc"}
NAMES: dict[str, Any] = {
    "storage.secretRef.name": lambda name: {"storage": {**REQUIRED, "secretRef": {"name": name}}},
    "storage.caBundle.name": lambda name: {"storage": {**REQUIRED, "caBundle": {"name": name, "key": "ca.crt"}}},
    "hyperparametersFrom.hpSearchRef.name": lambda name: {"hyperparametersFrom": {"hpSearchRef": {"name": name}}},
    "hyperparametersFrom.configMapRef.name": lambda name: {
        "hyperparametersFrom": {"configMapRef": {"name": name, "key": "a"}}
    },
    "tracking.secretRef.name": lambda name: {"tracking": {"reportTo": ["wandb"], "secretRef": {"name": name}}},
    "notifications[0].urlSecretRef.name": lambda name: {
        "notifications": [{"name": "chat", "urlSecretRef": {"name": name, "key": "url"}}]
    },
    "publish[0].secretRef.name": lambda name: {
        "publish": [{"name": "place", "to": "oci://registry.test/{task}", "secretRef": {"name": name}}]
    },
    "publish[0].signingSecretRef.name": lambda name: {
        "publish": [{"name": "p", "to": "oci://registry.test/{task}", "signingSecretRef": {"name": name, "key": "k"}}]
    },
    "execution.queueName": lambda name: {"execution": {"queueName": name}},
    **{
        f"execution.podTemplate.{field}": lambda name, field=field: {"execution": {"podTemplate": {field: name}}}
        for field in ("serviceAccountName", "priorityClassName", "runtimeClassName")
    },
}
KEYS: dict[str, Any] = {
    "storage.caBundle.key": lambda key: {"storage": {**REQUIRED, "caBundle": {"name": "ca", "key": key}}},
    "notifications[0].urlSecretRef.key": lambda key: {
        "notifications": [{"name": "chat", "urlSecretRef": {"name": "hook", "key": key}}]
    },
    "publish[0].signingSecretRef.key": lambda key: {
        "publish": [{"name": "p", "to": "oci://registry.test/{task}", "signingSecretRef": {"name": "k", "key": key}}]
    },
    "hyperparametersFrom.configMapRef.key": lambda key: {
        "hyperparametersFrom": {"configMapRef": {"name": "tuned", "key": key}}
    },
}
QUANTITIES: dict[str, Any] = {
    "execution.resources.limits": lambda amount: {"execution": {"resources": {"limits": {"cpu": amount}}}},
    "execution.ray.headResources.requests": lambda amount: {
        "execution": {"ray": {"headResources": {"requests": {"cpu": amount}}}}
    },
}
# The wire has no NUL in a key, and a text of 100,000 characters is refused by its length as one of 254 is.
REFUSED = [text for text in HOSTILE if len(text) < 1000]


def refusals(api: client.ApiClient, namespace: str, spec: dict[str, Any]) -> str:
    return "\n".join([errors(api, experiment(**spec), namespace) or ""])


@pytest.mark.parametrize("field", NAMES)
def test_a_name_is_a_dns_subdomain(api_client: client.ApiClient, namespace: str, field: str) -> None:
    for name in ("a", "a.b-1.c", "0" * 63):
        assert refusals(api_client, namespace, NAMES[field](name)) == ""
    for name in REFUSED:
        assert f"spec.{field}" in refusals(api_client, namespace, NAMES[field](name)), name


@pytest.mark.parametrize("field", KEYS)
def test_a_key_is_a_file_name(api_client: client.ApiClient, namespace: str, field: str) -> None:
    for key in ("a", "ca.crt", ".hidden", "A_b-c", "a..", "-a", "a" * 253):
        assert refusals(api_client, namespace, KEYS[field](key)) == ""
    for key in [text for text in REFUSED if text not in {"A", "-a", "a."}]:
        assert f"spec.{field}" in refusals(api_client, namespace, KEYS[field](key)), key


@pytest.mark.parametrize("field", QUANTITIES)
def test_a_quantity_is_one_that_exists(api_client: client.ApiClient, namespace: str, field: str) -> None:
    for amount in (1, "1", "500m", "4Gi", "1.5", "1e3"):
        assert refusals(api_client, namespace, QUANTITIES[field](amount)) == ""
    for amount in ("{{", "1e999999999", "4 Gi", "-", ""):
        assert f"spec.{field}" in refusals(api_client, namespace, QUANTITIES[field](amount)), amount


@pytest.mark.parametrize("uri", ["pvc://claim", "pvc://my.claim/folder/../x", "hf://../x"])
def test_a_claim_that_can_be_is_taken(api_client: client.ApiClient, namespace: str, uri: str) -> None:
    assert refusals(api_client, namespace, {"model": {"uri": uri}}) == ""


@pytest.mark.parametrize("uri", ["pvc://../victim", "pvc:///x", "pvc://A/x", "pvc://a%2fb/x", "pvc://a\n/x"])
@pytest.mark.parametrize("where", ["model", "data"])
def test_a_claim_that_cannot_be_is_refused(api_client: client.ApiClient, namespace: str, uri: str, where: str) -> None:
    said = refusals(api_client, namespace, {where: {"uri": uri}})
    assert f"spec.{where}.uri" in said
    assert "PersistentVolumeClaim" in said
