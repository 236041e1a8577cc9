"""Where an object's results lie: by its spec, or by the status, where the operator's own storage is used."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from finetune_client.errors import NotFoundError, RefusedError
from finetune_client.stores import open_for, open_uri
from finetune_core.json_types import Json

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


THEIRS = {key: value for key, value in KEYS.items() if key != "AWS_ENDPOINT_URL"}
ELSEWHERE = {"bucket": "bucket", "endpoint": "http://10.0.0.1:9"}


def test_ones_own_keys_are_not_sent_where_the_author_of_a_spec_says() -> None:
    for kube, found in (
        (CLUSTER, item(storage=ELSEWHERE)),
        (Refusing(), item(storage=ELSEWHERE | {"secretRef": {"name": "keys"}})),
    ):
        with pytest.raises(RefusedError, match=r"your own keys are not sent to http://10.0.0.1:9") as caught:
            open_for(kube, found, environ=THEIRS)
        assert "AWS_ENDPOINT_URL=http://10.0.0.1:9" in caught.value.remedy


@pytest.mark.parametrize(
    "role", [{"AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://a"}]
)
def test_a_role_of_ones_own_is_ones_own(role: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match="your own keys are not sent to"):
        open_for(CLUSTER, item(storage=ELSEWHERE), environ=role)


def test_ones_own_keys_go_where_one_says_to_aws_or_to_the_operators_storage() -> None:
    for found in (
        item(storage=ELSEWHERE | {"endpoint": None}),
        item() | {"status": {"storage": ELSEWHERE}},
        item()
        | {"status": {"storage": ELSEWHERE, "observedGeneration": 2}, "metadata": {"name": "a", "generation": 2}},
    ):
        assert open_for(CLUSTER, found, environ=THEIRS).uri() == "s3://bucket"
    assert open_for(CLUSTER, item(storage=ELSEWHERE), environ=KEYS).uri() == "s3://bucket"


def test_a_status_of_an_older_spec_is_not_the_operators_word() -> None:
    found = {"metadata": {"name": "first", "generation": 3}, "spec": {}}
    found["status"] = {"storage": ELSEWHERE, "observedGeneration": 2}
    with pytest.raises(RefusedError, match="your own keys are not sent to"):
        open_for(CLUSTER, found, environ=THEIRS)


def test_who_has_no_keys_looks_as_nobody() -> None:
    assert open_for(CLUSTER, item(storage=ELSEWHERE), environ={}).uri() == "s3://bucket"


def test_a_secret_says_no_more_than_keys(tmp_path: Path) -> None:
    steering = encoded(AWS_CA_BUNDLE=str(tmp_path / "none"), AWS_WEB_IDENTITY_TOKEN_FILE="/t", AWS_ENDPOINT_URL="x:")
    both = {"data": CLUSTER.secrets["keys"]["data"] | steering["data"]}
    assert open_for(Cluster(secrets={"keys": both}), item(storage=STORAGE), environ={}).uri() == "s3://bucket/prefix"
    with pytest.raises(NotFoundError, match="Secret keys lacks AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"):
        open_for(Cluster(secrets={"keys": steering}), item(storage=STORAGE), environ={})


def test_an_author_opens_no_way_into_another_namespace_by_the_rights_of_who_reads() -> None:
    """`finetune` would forward a port to any Service that a spec names, also where only the reader may."""
    there = {"bucket": "bucket", "endpoint": "http://database.kube-system.svc:5432"}
    with pytest.raises(RefusedError, match=r"no port is forwarded to .* in namespace kube-system") as caught:
        open_for(CLUSTER, item(storage=there), environ={})
    assert "AWS_ENDPOINT_URL" in caught.value.remedy
    named = {"AWS_ENDPOINT_URL": "http://localhost:8333"}
    assert open_for(CLUSTER, item(storage=there), environ=named).uri() == "s3://bucket"
