"""Where an object's results lie, by its spec, or by what the operator told of its own storage."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from finetune_client.errors import NotFoundError
from finetune_client.stores import open_for, open_uri

Json = dict[str, Any]
KEYS = {"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}


@dataclass
class Cluster:
    """What `open_for` asks a cluster for."""

    namespace: str = "team"
    secrets: dict[str, Json] = field(default_factory=dict)

    def secret(self, name: str) -> Json | None:
        return self.secrets.get(name)


def item(**status: Any) -> Json:
    return {"metadata": {"name": "first", "namespace": "team"}, "spec": {}, "status": status}


def place(found: Json, **more: Any) -> str:
    return open_for(Cluster(), found, environ=KEYS, **more).uri()


def best(uri: str) -> Json:
    return {"name": "rte", "best": {"uri": uri}}


def test_the_operators_own_storage_is_known_by_the_first_best_run_or_the_report() -> None:
    inside = "s3://bucket/prefix/team/first"
    assert place(item(tasks=[{"name": "cola"}, best(f"{inside}/runs/rte/1")])) == "s3://bucket/prefix"
    assert place(item(results={"json": f"{inside}/results.json"})) == "s3://bucket/prefix"


@pytest.mark.parametrize("found", [item(), item(tasks=[best("s3://bucket/team/another/runs/rte/1")])])
def test_before_any_run_has_ended_it_is_said_what_to_do(found: Json) -> None:
    with pytest.raises(NotFoundError, match=r"does not say yet where its results lie[^$]*--store"):
        place(found)


def test_the_operators_storage_where_it_is_known_is_as_one_in_the_spec() -> None:
    storage = {"bucket": "own", "prefix": "finetune", "secretRef": {"name": "keys"}}
    secret = {"data": {name: base64.b64encode(value.encode()).decode() for name, value in KEYS.items()}}
    found = open_for(Cluster(secrets={"keys": secret}), item(), environ={}, default=storage)
    assert found.uri() == "s3://own/finetune"
    with pytest.raises(NotFoundError, match="Secret keys is not in namespace team"):
        open_for(Cluster(), item(), environ=KEYS, default=storage)


def test_a_store_may_be_a_folders_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_uri("results").uri() == (tmp_path / "results").as_uri()
