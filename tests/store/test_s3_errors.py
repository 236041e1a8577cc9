"""Errors of S3 stores: by name, with the place and the remedy, without secrets.

From a real server where it can show them, from a script (`scripted_server`) where it cannot.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from finetune_store import (
    AccessDeniedError,
    InvalidConfigurationError,
    InvalidCredentialsError,
    NoSuchBucketError,
    NotFoundError,
    S3Connection,
    Store,
    StoreError,
    StoreFullError,
    UnexpectedAnswerError,
    UnreachableError,
    UnsupportedError,
    WrongRegionError,
    creates_once,
    open_store,
)
from store.conftest import BUCKET
from store.scripted_server import Answer, s3_error, scripted
from support.seaweed import SeaweedS3

OpenStore = Callable[..., Store]
GOOD_LISTING = b"<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated></ListBucketResult>"


def operations(store: Store) -> dict[str, Callable[[], object]]:
    return {
        "get": lambda: store.get("key"),
        "put": lambda: store.put("key", b"x"),
        "create": lambda: store.create("key", b"x"),
        "stat": lambda: store.stat("key"),
        "list": lambda: store.list("folder"),
        "delete": lambda: store.delete("key"),
        "check": store.check,
    }


OPERATIONS = ["get", "put", "create", "stat", "list", "delete", "check"]


@pytest.mark.s3
@pytest.mark.parametrize("operation", OPERATIONS)
class TestRealServer:
    """Each operation names the same reason, also those whose answer has no body (HEAD)."""

    def test_an_unknown_access_key_is_named(self, seaweed: SeaweedS3, operation: str) -> None:
        connection = S3Connection(seaweed.endpoint, "us-east-1", "unknown", seaweed.secret_key)
        store = open_store(f"s3://{BUCKET}/p", connection=connection, retry_seconds=0)

        with pytest.raises(InvalidCredentialsError, match=r"access key is not known.*storage\.secretRef") as error:
            operations(store)[operation]()
        assert seaweed.secret_key not in str(error.value)

    def test_a_wrong_secret_is_named(self, seaweed: SeaweedS3, operation: str) -> None:
        connection = S3Connection(seaweed.endpoint, "us-east-1", seaweed.access_key, "a-wrong-secret")
        store = open_store(f"s3://{BUCKET}/p", connection=connection, retry_seconds=0)

        with pytest.raises(InvalidCredentialsError, match=r"secret key is wrong.*storage\.secretRef") as error:
            operations(store)[operation]()
        assert "a-wrong-secret" not in str(error.value)

    def test_anonymous_callers_are_denied(self, seaweed: SeaweedS3, operation: str) -> None:
        store = open_store(f"s3://{BUCKET}/p", connection=S3Connection(seaweed.endpoint), retry_seconds=0)

        with pytest.raises(AccessDeniedError, match=rf"{BUCKET}.*asked without any keys.*storage\.secretRef"):
            operations(store)[operation]()

    def test_a_missing_bucket_is_named(self, seaweed: SeaweedS3, operation: str) -> None:
        connection = S3Connection.from_env(seaweed.environment)
        store = open_store("s3://no-such-bucket/p", connection=connection, retry_seconds=0)

        with pytest.raises(NoSuchBucketError, match=r"s3://no-such-bucket/p.*storage\.bucket"):
            operations(store)[operation]()

    def test_a_closed_port_is_unreachable(self, anyone: OpenStore, operation: str) -> None:
        store = anyone("http://127.0.0.1:9")

        with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:9.*refused.*storage\.endpoint"):
            operations(store)[operation]()


@pytest.mark.s3
def test_a_reader_may_read_but_not_write(seaweed: SeaweedS3, s3_store: Store) -> None:
    s3_store.put("a", b"x")
    keys = replace(
        S3Connection.from_env(seaweed.environment),
        access_key=seaweed.reader_access_key,
        secret_key=seaweed.reader_secret_key,
    )
    reader = open_store(s3_store.uri(), connection=keys)

    assert reader.get("a") == b"x"
    assert [info.key for info in reader.list()] == ["a"]
    for write in (lambda: reader.put("a", b"y"), lambda: reader.create("b", b""), lambda: reader.delete("a")):
        with pytest.raises(AccessDeniedError, match="write, list and delete"):
            write()
    with pytest.raises(AccessDeniedError, match="write"):
        reader.check()
    assert s3_store.get("a") == b"x"


@pytest.mark.s3
def test_the_region_may_be_left_to_the_server(seaweed: SeaweedS3, s3_store: Store) -> None:
    connection = replace(S3Connection.from_env(seaweed.environment), region=None)

    open_store(s3_store.uri(), connection=connection).check()


def test_a_host_name_that_does_not_exist_is_named(anyone: OpenStore) -> None:
    with pytest.raises(UnreachableError, match=r"no-such-host\.invalid.*host name is not known.*DNS"):
        anyone("http://no-such-host.invalid").get("key")


def test_a_server_that_never_answers_is_unreachable(anyone: OpenStore) -> None:
    with (
        scripted(Answer(hang=True)) as server,
        pytest.raises(UnreachableError, match=r"no answer in time.*storage\.endpoint"),
    ):
        anyone(server.endpoint, timeout_seconds=0.3).get("key")


def test_a_wrong_region_is_named_with_what_the_server_expects(anyone: OpenStore) -> None:
    message = "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-3'"
    with scripted(s3_error(400, "AuthorizationHeaderMalformed", message)) as server:
        with pytest.raises(WrongRegionError, match=r"expecting 'eu-west-3'.*storage\.region"):
            anyone(server.endpoint).put("key", b"")
        assert len(server.requests) == 1


def test_a_redirect_without_a_body_names_the_region_of_its_header(anyone: OpenStore) -> None:
    answer = Answer(301, headers={"x-amz-bucket-region": "eu-west-3"})
    with scripted(answer) as server, pytest.raises(WrongRegionError, match=r"eu-west-3.*storage\.region"):
        anyone(server.endpoint).stat("key")


def test_a_page_that_is_not_s3_is_named(anyone: OpenStore) -> None:
    page = Answer(200, b"<html><body>Welcome<br></body></html>", {"Content-Type": "text/html"})
    with scripted(page) as server, pytest.raises(UnexpectedAnswerError, match=r"storage\.endpoint is an S3 server"):
        anyone(server.endpoint).list("")


def test_a_404_page_that_is_not_s3_is_not_taken_for_a_missing_object(anyone: OpenStore) -> None:
    page = Answer(404, b"<html>not found</html>", {"Content-Type": "text/html"})
    with scripted(page) as server, pytest.raises(UnexpectedAnswerError, match="HTTP status 404"):
        anyone(server.endpoint).get("key")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (s3_error(403, "RequestTimeTooSkewed"), InvalidCredentialsError),
        (s3_error(400, "ExpiredToken"), InvalidCredentialsError),
        (s3_error(507, "XMinioStorageFull"), StoreFullError),
        (s3_error(403, "SomethingNew"), AccessDeniedError),
        (s3_error(418, "SomethingNew"), UnexpectedAnswerError),
        (s3_error(503, "SomethingNew"), UnreachableError),
        (s3_error(500, "InternalError"), UnreachableError),
        (Answer(502, b"bad gateway", {"Content-Type": "text/plain"}), UnreachableError),
        (Answer(503), UnreachableError),
        (Answer(drop=True), UnreachableError),
    ],
)
def test_answers_are_told_apart(anyone: OpenStore, answer: Answer, kind: type[StoreError]) -> None:
    with scripted(answer) as server, pytest.raises(kind) as error:
        anyone(server.endpoint).get("key")
    assert type(error.value) is kind
    assert "s3://bucket/prefix/key" in str(error.value)
    assert "made-up-secret" not in str(error.value)


def test_a_server_without_conditional_writes_is_named_where_it_says_so(anyone: OpenStore) -> None:
    with scripted(s3_error(501, "NotImplemented")) as server, pytest.raises(UnsupportedError, match="cannot create"):
        anyone(server.endpoint).create("key", b"")


def test_a_server_that_ignores_the_condition_is_found_out(anyone: OpenStore) -> None:
    with scripted(Answer(200, headers={"ETag": '"x"'})) as server:
        assert creates_once(anyone(server.endpoint)) is False


def test_a_read_that_comes_back_otherwise_fails_the_check(anyone: OpenStore) -> None:
    listing = Answer(200, GOOD_LISTING, {"Content-Type": "application/xml"})
    with (
        scripted(listing, Answer(200), Answer(200, b"stale"), Answer(204)) as server,
        pytest.raises(UnexpectedAnswerError, match="otherwise than written"),
    ):
        anyone(server.endpoint).check()


def test_a_missing_object_costs_one_request_once_the_bucket_is_known(anyone: OpenStore) -> None:
    with scripted(Answer(200, b"x"), Answer(404)) as server:
        store = anyone(server.endpoint)
        store.get("there")

        assert store.stat("missing") is None
        assert [request.method for request in server.requests] == ["GET", "HEAD"]


def test_a_listing_asks_for_digests_of_parted_uploads_only_when_they_are_wanted(anyone: OpenStore) -> None:
    contents = "".join(
        f"<Contents><Key>prefix/{name}</Key><Size>1</Size><ETag>&quot;{etag}&quot;</ETag>"
        "<LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>"
        for name, etag in (("plain", "0" * 32), ("parted", "1" * 32 + "-2"), ("foreign", "2" * 32 + "-3"))
    )
    listing = GOOD_LISTING.replace(b"</ListBucketResult>", contents.encode() + b"</ListBucketResult>")
    with scripted(
        Answer(200, listing, {"Content-Type": "application/xml"}),
        Answer(200, headers={"ETag": '"' + "1" * 32 + '-2"', "x-amz-meta-md5": "a" * 32}),
        Answer(200, headers={"ETag": '"' + "2" * 32 + '-3"'}),
    ) as server:
        infos = {info.key: info for info in anyone(server.endpoint).list()}
        assert len(server.requests) == 1

        assert infos["plain"].md5 == "0" * 32
        assert infos["parted"].md5 == "a" * 32
        assert infos["foreign"].md5 is None
        assert [request.method for request in server.requests] == ["GET", "HEAD", "HEAD"]


def test_objects_that_stand_for_folders_are_not_listed(anyone: OpenStore) -> None:
    marker = (
        b"<Contents><Key>prefix/folder/</Key><Size>0</Size><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
        b"</Contents></ListBucketResult>"
    )
    listing = GOOD_LISTING.replace(b"</ListBucketResult>", marker)
    with scripted(Answer(200, listing, {"Content-Type": "application/xml"})) as server:
        assert list(anyone(server.endpoint).list()) == []


def test_errors_of_denied_requests_are_not_logged_as_retries(
    anyone: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING),
        scripted(s3_error(403, "AccessDenied")) as server,
        pytest.raises(AccessDeniedError),
    ):
        anyone(server.endpoint, retry_seconds=30).get("key")
    assert len(server.requests) == 1
    assert caplog.records == []


@pytest.mark.parametrize("endpoint", ["minio:9000", "ftp://host", "http://host/path", "http://u:p@host", "http://h:x"])
def test_an_endpoint_that_cannot_be_used_is_refused_at_once(endpoint: str) -> None:
    with pytest.raises(InvalidConfigurationError, match=r"storage\.endpoint"):
        open_store("s3://bucket", connection=S3Connection(endpoint))


@pytest.mark.parametrize("bucket", ["", "x", "under score space", "a..b", "10.0.0.1"])
def test_a_bucket_name_that_cannot_be_is_refused_at_once(bucket: str) -> None:
    with pytest.raises(InvalidConfigurationError, match=r"storage\.bucket"):
        open_store(f"s3://{bucket}/p", connection=S3Connection("http://h"))


def test_a_missing_or_broken_ca_bundle_is_refused_at_once(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    for bundle in (tmp_path / "absent.pem", broken):
        with pytest.raises(InvalidConfigurationError, match=r"storage\.caBundle"):
            open_store("s3://bucket", connection=S3Connection("https://h", ca_bundle=bundle))
    for text in ("", "no certificate", "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n"):
        with pytest.raises(InvalidConfigurationError, match=r"storage\.caBundle must name a PEM"):
            open_store("s3://bucket", connection=S3Connection("https://h", authorities=text))


def test_a_missing_object_on_get_is_not_taken_for_a_missing_bucket(anyone: OpenStore) -> None:
    with scripted(s3_error(404, "NoSuchKey")) as server, pytest.raises(NotFoundError, match="no such object"):
        anyone(server.endpoint).get("key")
