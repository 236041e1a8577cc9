"""All that is asked of a store ends by the deadline, however the server answers: real sockets, a server like tar."""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune_store import DeadlineError, S3Connection, Store, UnreachableError, deadline, open_store
from finetune_store._deadline import current_deadline
from store.scripted_server import Answer, s3_error, scripted, xml
from store.tls import make_tls_files
from support.tarpit import Tarpit

OpenStore = Callable[..., Store]
SHORT = 0.3
NEVER = 3600.0
TOLD = r"at http.*took longer than 0\.3 s; check storage\.endpoint"

ASKED: dict[str, Callable[[Store], object]] = {
    "get": lambda store: store.get("key"),
    "put": lambda store: store.put("key", b"content"),
    "stat": lambda store: store.stat("key"),
    "list": lambda store: store.list("folder"),
    "delete": lambda store: store.delete("key"),
    "check": lambda store: store.check(),
}


@pytest.fixture(scope="module", params=["plain", "tls"])
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """The folder of a server's certificate; None for plain HTTP."""
    return tmp_path_factory.mktemp("tls") if request.param == "tls" else None


@pytest.mark.parametrize("slow", ["status", "headers", "body"])
def test_a_server_that_sends_a_byte_at_a_time_is_left_at_the_deadline(slow: str, secured: Path | None) -> None:
    files = make_tls_files(secured) if secured else None
    context = None
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
    with Tarpit(slow, context) as server:
        connection = S3Connection(server.endpoint, "us-east-1", "key", "made-up", None, files and files.authority)
        store = open_store("s3://bucket/prefix", connection=connection, retry_seconds=NEVER, timeout_seconds=NEVER)
        with deadline(SHORT), pytest.raises(DeadlineError, match=TOLD):
            store.get("key")
        assert server.connections == 1


@pytest.mark.parametrize("name", ASKED)
def test_every_question_keeps_to_it(anyone: OpenStore, name: str) -> None:
    with Tarpit("headers") as server, deadline(SHORT), pytest.raises(DeadlineError, match=TOLD):
        ASKED[name](anyone(server.endpoint, timeout_seconds=NEVER))


def test_a_file_that_arrives_slowly_too_and_nothing_of_it_is_left(anyone: OpenStore, tmp_path: Path) -> None:
    with Tarpit() as server, deadline(SHORT), pytest.raises(DeadlineError, match=TOLD):
        anyone(server.endpoint, timeout_seconds=NEVER).download("key", tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_a_server_that_never_answers_is_left_too(anyone: OpenStore) -> None:
    with scripted(Answer(hang=True)) as server, deadline(SHORT), pytest.raises(DeadlineError, match=TOLD):
        anyone(server.endpoint, timeout_seconds=NEVER).get("key")


def test_trying_again_ends_by_the_deadline(anyone: OpenStore) -> None:
    with scripted(s3_error(503, "SlowDown")) as server, deadline(SHORT), pytest.raises(UnreachableError):
        anyone(server.endpoint, retry_seconds=NEVER).get("key")


def test_a_listing_without_an_end_is_left(anyone: OpenStore) -> None:
    page = xml(
        "<ListBucketResult><Name>bucket</Name><IsTruncated>true</IsTruncated><NextContinuationToken>more</NextContinuationToken>"
        "<Contents><Key>prefix/key</Key><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>e</ETag>"
        "<Size>1</Size></Contents></ListBucketResult>"
    )
    with scripted(page) as server, deadline(SHORT), pytest.raises(DeadlineError, match=TOLD):
        anyone(server.endpoint).list()


def test_many_quick_answers_count_together(anyone: OpenStore) -> None:
    def ask_for_ever(store: Store) -> None:
        while True:
            store.get("key")

    with scripted(Answer(200, b"content")) as server, deadline(SHORT), pytest.raises(DeadlineError, match=TOLD):
        ask_for_ever(anyone(server.endpoint))


def test_all_addresses_of_a_host_count_together(anyone: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host name with a hundred addresses that lead nowhere (RFC 5737) is one that a user can make."""
    nowhere = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{last}", 9)) for last in range(1, 101)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: nowhere)
    with deadline(SHORT), pytest.raises(UnreachableError):
        anyone("http://many.example.test", retry_seconds=NEVER, timeout_seconds=NEVER).get("key")


def test_without_a_deadline_and_after_one_nothing_is_bounded(anyone: OpenStore) -> None:
    with scripted(Answer(200, b"content")) as server:
        store = anyone(server.endpoint)
        with deadline(SHORT):
            assert store.get("key") == b"content"
        assert current_deadline() is None
        assert store.get("key") == b"content"
