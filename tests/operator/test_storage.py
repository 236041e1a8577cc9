"""From a storage block to a connection: Secret and certificate, shared clients, what is missing."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finetune_core.api import Storage
from finetune_core.problems import InvalidInputError
from finetune_operator.storage import StorageConnector
from finetune_store import DirectoryStore, InvalidKeyError, S3Connection, Store, open_store

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


class Objects:
    """Secrets and ConfigMaps by name, where the connector expects the cluster."""

    def __init__(self) -> None:
        self.secrets: dict[str, dict[str, str]] = {"keys": dict(KEYS)}
        self.config_maps: dict[str, dict[str, str]] = {}

    def get_secret(self, _namespace: str, name: str) -> dict[str, Any] | None:
        if name not in self.secrets:
            return None
        return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in self.secrets[name].items()}}

    def get_config_map(self, _namespace: str, name: str) -> dict[str, Any] | None:
        return {"data": self.config_maps[name]} if name in self.config_maps else None


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture
def connector(objects: Objects) -> Iterator[StorageConnector]:
    connector = StorageConnector(objects)  # type: ignore[arg-type]
    yield connector
    connector.close()


def storage(**fields: Any) -> Storage:
    return Storage.model_validate({"endpoint": "http://s3.example.test:9000", "bucket": "results", **fields})


def test_a_missing_secret_is_named_with_the_remedy(connector: StorageConnector) -> None:
    with pytest.raises(InvalidInputError, match="Secret none is not in namespace team: create it with AWS_ACCESS_KEY"):
        connector.connect("team", storage(secretRef={"name": "none"}))


@pytest.mark.parametrize("missing", sorted(KEYS))
def test_a_secret_that_lacks_a_key_is_named(connector: StorageConnector, objects: Objects, missing: str) -> None:
    del objects.secrets["keys"][missing]
    with pytest.raises(InvalidInputError, match=f"spec.storage.secretRef: Secret keys lacks {missing}: add it to its"):
        connector.connect("team", storage(secretRef={"name": "keys"}))


def test_a_final_newline_in_a_secret_is_no_part_of_the_key(connector: StorageConnector, objects: Objects) -> None:
    plain = connector.connect("team", storage(secretRef={"name": "keys"}))
    objects.secrets["files"] = {key: f"{value}\n" for key, value in KEYS.items()}
    assert connector.connect("team", storage(secretRef={"name": "files"})) is plain


def test_what_else_is_in_a_secret_does_not_matter(connector: StorageConnector, objects: Objects) -> None:
    objects.secrets["keys"] |= {"notes": "x"}
    connector.connect("team", storage(secretRef={"name": "keys"}))


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ({}, "ConfigMap ca is not in namespace team: create it with the certificates under the key ca.pem"),
        ({"ca": {"other.pem": "x"}}, "ConfigMap ca in namespace team has no key ca.pem: add the certificates under it"),
        ({"ca": {"ca.pem": ""}}, "ConfigMap ca in namespace team has no key ca.pem: add the certificates under it"),
    ],
)
def test_a_missing_certificate_is_named_with_the_remedy(
    connector: StorageConnector, objects: Objects, there: dict[str, dict[str, str]], told: str
) -> None:
    objects.config_maps |= there
    with pytest.raises(InvalidInputError, match=f"spec.storage.caBundle: {told}"):
        connector.connect("team", storage(caBundle={"name": "ca", "key": "ca.pem"}))


def test_certificates_are_no_files_and_a_path_in_a_secret_is_not_read(
    connector: StorageConnector, objects: Objects
) -> None:
    objects.secrets["keys"]["AWS_CA_BUNDLE"] = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    objects.config_maps["ca"] = {"ca.pem": "certificates"}
    found = connector.connect("team", storage(secretRef={"name": "keys"}, caBundle={"name": "ca", "key": "ca.pem"}))
    assert (found._connection.ca_bundle, found._connection.authorities) == (None, "certificates")


def test_the_same_keys_share_one_connection_and_its_stores(connector: StorageConnector) -> None:
    one = connector.connect("team", storage(secretRef={"name": "keys"}))
    two = connector.connect("other-team", storage(secretRef={"name": "keys"}))
    assert one is two
    assert one.open("s3://results/out") is two.open("s3://results/out")


def test_renewed_keys_make_another_connection(connector: StorageConnector, objects: Objects) -> None:
    one = connector.connect("team", storage(secretRef={"name": "keys"}))
    objects.secrets["keys"]["AWS_SECRET_ACCESS_KEY"] = "renewed"
    assert connector.connect("team", storage(secretRef={"name": "keys"})) is not one


OWN = storage(prefix="out")
IDENTITY = {"AWS_ACCESS_KEY_ID": "operators", "AWS_SECRET_ACCESS_KEY": "own", "AWS_SESSION_TOKEN": "token"}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> dict[str, S3Connection]:
    """URI -> what it was last opened with."""
    seen: dict[str, S3Connection] = {}

    def open_there(uri: str, *, connection: S3Connection, **_: Any) -> Store:
        seen[uri] = connection
        return open_store("file:///none")

    monkeypatch.setattr("finetune_operator.storage.open_store", open_there)
    return seen


@pytest.fixture
def own(objects: Objects) -> StorageConnector:
    return StorageConnector(objects, own=OWN, environ=IDENTITY)  # type: ignore[arg-type]


def test_the_operators_identity_is_for_its_own_storage(own: StorageConnector, opened: dict[str, S3Connection]) -> None:
    own.connect("team", storage(prefix="out")).open("s3://results/out")
    made = opened["s3://results/out"]
    assert (made.access_key, made.session_token, made.endpoint) == ("operators", "token", "http://s3.example.test:9000")


@pytest.mark.parametrize(
    "chosen",
    [
        {"endpoint": "http://10.0.0.1:9"},
        {"endpoint": None},
        {"bucket": "other"},
        {"prefix": None},
        {"prefix": "out/deeper"},
        {"region": "elsewhere"},
        {"caBundle": {"name": "ca", "key": "ca.pem"}},
    ],
)
def test_it_is_for_nothing_that_a_spec_chose(
    own: StorageConnector, objects: Objects, opened: dict[str, S3Connection], chosen: dict[str, Any]
) -> None:
    objects.config_maps["ca"] = {"ca.pem": "x"}
    own.connect("team", storage(**{"prefix": "out", **chosen})).open("s3://results/out")
    assert not opened["s3://results/out"].has_identity


@pytest.mark.parametrize(
    ("uri", "signed"),
    [
        ("s3://results/out/team/first/runs", True),
        ("s3://results/out/team", True),
        ("s3://results/out/team-2/first", False),
        ("s3://results/out/victim/first", False),
        ("s3://results/out", False),
        ("s3://results", False),
        ("s3://data-lake/model", False),
    ],
)
def test_inputs_are_read_with_it_in_the_namespaces_own_folder_alone(
    own: StorageConnector, opened: dict[str, S3Connection], uri: str, signed: bool
) -> None:
    connection = own.connect("team", OWN)
    connection.open("s3://results/out")
    connection.open_input(uri)
    assert opened[uri].has_identity is signed


def test_a_uri_does_not_climb_out_of_the_namespaces_folder(own: StorageConnector) -> None:
    for uri in ("s3://results/out/team/../victim", "s3://results/out/team//x", "s3://results/out/team/./../victim"):
        with pytest.raises(InvalidKeyError):
            own.connect("team", OWN).open_input(uri)


def test_namespaces_do_not_share_what_is_opened_with_it(own: StorageConnector) -> None:
    assert own.connect("team", OWN) is own.connect("team", OWN)
    assert own.connect("team", OWN) is not own.connect("other", OWN)


def test_the_keys_of_the_namespace_win(own: StorageConnector, opened: dict[str, S3Connection]) -> None:
    connection = own.connect("team", storage(prefix="out", secretRef={"name": "keys"}))
    connection.open_input("s3://data-lake/model")
    assert (opened["s3://data-lake/model"].access_key, opened["s3://data-lake/model"].session_token) == ("key", None)


def test_a_secret_says_no_more_than_keys(own: StorageConnector, objects: Objects) -> None:
    plain = own.connect("team", storage(secretRef={"name": "keys"}))
    objects.secrets["keys"] |= {"AWS_ENDPOINT_URL_S3": "http://10.0.0.1", "AWS_CA_BUNDLE": "/etc/passwd"}
    assert own.connect("team", storage(secretRef={"name": "keys"})) is plain


def test_a_bundle_of_authorities_has_a_bound(own: StorageConnector, objects: Objects) -> None:
    objects.config_maps["ca"] = {"ca.pem": "x" * (600 << 10)}
    with pytest.raises(InvalidInputError, match=r"spec.storage.caBundle: .* more than 524,288 bytes: keep the"):
        own.connect("team", storage(caBundle={"name": "ca", "key": "ca.pem"}))


class Promise(DirectoryStore):
    """A store that keeps its promise, or does not."""

    kept = True
    tried: list[str]

    def create(self, key: str, data: bytes) -> bool:
        """See Store."""
        self.tried.append(key)
        if self.kept:
            return super().create(key, data)
        self.put(key, data)
        return True


@pytest.fixture
def promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Promise:
    made = Promise(tmp_path)
    made.tried = []
    monkeypatch.setattr("finetune_operator.storage.open_store", lambda *_, **__: made)
    return made


def test_whether_a_store_creates_once_is_tried_once_for_a_namespace_and_in_its_folder(
    connector: StorageConnector, promise: Promise
) -> None:
    for _ in range(3):
        connection = connector.connect("team", storage())
        assert connection.creates_once("s3://results/out", "team")
    assert len(promise.tried) == 2
    assert all(key.startswith("team/.finetune-check/") for key in promise.tried)
    assert list(promise.list()) == []
    assert connection.creates_once("s3://results/out", "other")
    assert connection.creates_once("s3://results/else", "team")
    assert len(promise.tried) == 6


def test_a_store_that_does_not_is_tried_again_after_a_while(
    connector: StorageConnector, promise: Promise, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("finetune_operator.storage.time.monotonic", lambda: now[0])
    promise.kept = False
    connection = connector.connect("team", storage())
    assert not connection.creates_once("s3://results/out", "team")
    promise.kept = True
    now[0] += 299
    assert not connection.creates_once("s3://results/out", "team")
    assert len(promise.tried) == 2
    now[0] += 2
    assert connection.creates_once("s3://results/out", "team")
