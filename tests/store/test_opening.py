"""From URIs and environment variables to stores."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from finetune_store import InvalidConfigurationError, InvalidCredentialsError, InvalidKeyError, S3Connection, open_store
from store.conftest import BUCKET
from store.scripted_server import Answer, scripted
from support.seaweed import SeaweedS3

HERE = S3Connection("http://127.0.0.1:9")


@pytest.mark.parametrize(
    "uri", ["s3://bucket", "s3://bucket/", "s3://bucket/prefix", "s3://bucket/a/b/", "s3://bucket/p q"]
)
def test_an_s3_uri_names_bucket_and_prefix(uri: str) -> None:
    store = open_store(uri, connection=HERE)

    assert store.uri() == uri.rstrip("/")
    assert store.uri("k") == uri.rstrip("/") + "/k"


@pytest.mark.parametrize("folder", ["plain", "with space", "per%cent", "ha#sh", "ünïcode"])
def test_a_file_uri_names_a_folder_and_is_read_back_from_what_a_store_says(tmp_path: Path, folder: str) -> None:
    store = open_store((tmp_path / folder).as_uri())
    store.put("k", b"x")

    assert (tmp_path / folder / "k").read_bytes() == b"x"
    assert open_store(store.uri()).get("k") == b"x"


def test_the_host_of_a_file_uri_may_be_localhost(tmp_path: Path) -> None:
    open_store(f"file://localhost{tmp_path}").put("k", b"x")

    assert (tmp_path / "k").exists()


@pytest.mark.parametrize("uri", ["", "/plain/path", "bucket/prefix", "gs://bucket", "s3:/bucket", "S3", "file:/x"])
def test_what_is_no_store_is_refused_with_the_forms_that_are(uri: str) -> None:
    with pytest.raises(InvalidConfigurationError, match="write s3://bucket/prefix or file:///folder"):
        open_store(uri)


@pytest.mark.parametrize("uri", ["file://host/folder", "file://relative", "file:///a?b", "file:///a#b"])
def test_file_uris_that_are_no_absolute_folder_are_refused(uri: str) -> None:
    with pytest.raises(InvalidConfigurationError, match="file:///absolute/path"):
        open_store(uri)


@pytest.mark.parametrize("prefix", ["../up", "a//b", "/a", "a/./b"])
def test_a_prefix_follows_the_rules_of_keys(prefix: str) -> None:
    with pytest.raises(InvalidKeyError, match="cannot be used"):
        open_store(f"s3://bucket/{prefix}", connection=HERE)


def test_a_key_may_not_outgrow_the_limit_with_its_prefix() -> None:
    store = open_store("s3://bucket/" + "p" * 600, connection=HERE, retry_seconds=0)

    with pytest.raises(InvalidKeyError, match="longer than 1024 bytes"):
        store.get("k" * 600)


def test_a_connection_is_read_from_the_standard_variables() -> None:
    assert S3Connection.from_env(
        {
            "AWS_ENDPOINT_URL": "http://general",
            "AWS_ENDPOINT_URL_S3": "http://special",
            "AWS_REGION": "eu-west-3",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_CA_BUNDLE": "/ca.pem",
        }
    ) == S3Connection("http://special", "eu-west-3", "id", "secret", "token", Path("/ca.pem"))


def test_nothing_set_means_anonymous_at_aws() -> None:
    assert S3Connection.from_env({}) == S3Connection()
    assert (
        S3Connection.from_env({"AWS_REGION": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
        == S3Connection()
    )


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_pair_of_keys_is_refused(name: str) -> None:
    with pytest.raises(InvalidCredentialsError, match=r"belong together.*storage\.secretRef"):
        S3Connection.from_env({name: "x"})


def test_keys_come_before_a_workload_identity() -> None:
    token = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}

    assert S3Connection.from_env(token).workload_identity is True
    assert S3Connection.from_env(
        token | {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
    ) == S3Connection(access_key="id", secret_key="secret")


def test_a_connection_shows_no_secrets() -> None:
    shown = repr(S3Connection(access_key="the-id", secret_key="the-secret", session_token="the-token"))

    assert "the-" not in shown


@pytest.mark.s3
def test_a_workload_identity_gets_its_keys_from_the_nodes_service(
    seaweed: SeaweedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key service is a scripted fake, the S3 server is real."""
    expiry = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    keys = {"AccessKeyId": seaweed.access_key, "SecretAccessKey": seaweed.secret_key, "Token": None}
    answer = Answer(200, json.dumps(keys | {"Expiration": expiry}).encode(), {"Content-Type": "application/json"})
    with scripted(answer) as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.endpoint}/v1/credentials")
        connection = S3Connection.from_env(
            {"AWS_ENDPOINT_URL": seaweed.endpoint, "AWS_CONTAINER_CREDENTIALS_FULL_URI": service.endpoint}
        )

        open_store(f"s3://{BUCKET}/identity", connection=connection, retry_seconds=0).check()

        assert [request.path for request in service.requests] == ["/v1/credentials"]


def test_an_identity_without_a_role_is_named_and_its_token_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The key service is a scripted fake."""
    (tmp_path / "token").write_text("the-pods-token")
    with scripted(Answer(403)) as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.endpoint)
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
        store = open_store("s3://bucket", connection=S3Connection("http://127.0.0.1:9", workload_identity=True))

        with pytest.raises(InvalidCredentialsError, match=r"execution\.podTemplate\.serviceAccountName") as error:
            store.get("k")
        assert service.requests[0].headers["authorization"] == "the-pods-token"
    assert "the-pods-token" not in str(error.value)
    assert error.value.__suppress_context__
