"""Where an object's results lie: by its spec, or by the status, where the operator's own storage is used."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from finetune_client.errors import NotFoundError, RefusedError
from finetune_client.stores import open_for, open_uri

Json = dict[str, Any]
KEYS = {"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}


STORAGE = {"bucket": "bucket", "prefix": "prefix", "secretRef": {"name": "keys"}}


@dataclass
class Cluster:
    """What `open_for` asks a cluster for."""

    namespace: str = "team"
    secrets: dict[str, Json] = field(default_factory=dict)

    def secret(self, name: str) -> Json | None:
        return self.secrets.get(name)


class Refusing(Cluster):
    """Secrets are not for everybody to read."""

    def secret(self, name: str) -> Json | None:
        raise RefusedError(f"you may not get secrets {name}")


def item(**spec: Any) -> Json:
    return {"metadata": {"name": "first", "namespace": "team"}, "spec": spec}


def encoded(**values: str) -> Json:
    return {"data": {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}}


CLUSTER = Cluster(secrets={"keys": encoded(**KEYS)})


def test_the_operators_own_storage_is_known_by_the_status() -> None:
    assert open_for(CLUSTER, item() | {"status": {"storage": STORAGE}}, environ={}).uri() == "s3://bucket/prefix"


def test_what_the_spec_says_now_wins_over_what_was_in_use() -> None:
    found = item(storage={"bucket": "spec"}) | {"status": {"storage": STORAGE}}
    assert open_for(CLUSTER, found, environ=KEYS).uri() == "s3://spec"


def test_before_the_operator_has_looked_it_is_said_what_to_do() -> None:
    with pytest.raises(NotFoundError, match=r"does not say yet where its results lie") as caught:
        open_for(CLUSTER, item(), environ=KEYS)
    assert "Is the operator running" in caught.value.remedy


def test_a_secret_that_is_missing_is_named() -> None:
    with pytest.raises(NotFoundError, match="Secret keys is not in namespace team"):
        open_for(Cluster(), item(storage=STORAGE), environ=KEYS)


def test_who_may_not_read_the_secret_can_bring_keys_of_their_own() -> None:
    assert open_for(Refusing(), item(storage=STORAGE), environ=KEYS).uri() == "s3://bucket/prefix"
    with pytest.raises(RefusedError, match="you may not get secrets keys") as caught:
        open_for(Refusing(), item(storage=STORAGE), environ={})
    assert "AWS_ACCESS_KEY_ID" in caught.value.remedy


def test_a_store_may_be_a_folders_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_uri("results").uri() == (tmp_path / "results").as_uri()
