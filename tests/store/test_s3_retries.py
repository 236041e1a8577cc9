"""When and how often an S3 store tries again. The servers are scripted fakes unless a test says otherwise."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from finetune_store import NotFoundError, S3Connection, Store, StoreError, UnreachableError, open_store
from store.scripted_server import Answer, s3_error, scripted, xml
from support.seaweed import SeaweedS3

OpenStore = Callable[..., Store]
BUSY = s3_error(503, "SlowDown")
PATIENT = 60
STARTED = xml("<InitiateMultipartUploadResult><UploadId>id-1</UploadId></InitiateMultipartUploadResult>")
PART_DONE = Answer(200, headers={"ETag": '"part"'})
FINISHED = xml("<CompleteMultipartUploadResult><ETag>whole</ETag></CompleteMultipartUploadResult>")
TWO_PARTS = (16 << 20) + 1


@pytest.fixture
def two_parts(tmp_path: Path) -> Path:
    """A file that goes up in two parts."""
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(TWO_PARTS)
    return path


def test_a_server_busy_twice_then_fine_is_no_error(anyone: OpenStore) -> None:
    with scripted(BUSY, Answer(503), Answer(200, b"content")) as server:
        assert anyone(server.endpoint, retry_seconds=PATIENT).get("key") == b"content"
        assert len(server.requests) == 3


def test_a_connection_that_breaks_off_is_tried_again(anyone: OpenStore) -> None:
    with scripted(Answer(drop=True), Answer(200)) as server:
        anyone(server.endpoint, retry_seconds=PATIENT).put("key", b"content")

        assert [request.body for request in server.requests] == [b"content", b"content"]


def test_without_time_for_retries_there_is_one_request_and_one_only(anyone: OpenStore) -> None:
    with scripted(BUSY) as server:
        with pytest.raises(UnreachableError, match="SlowDown"):
            anyone(server.endpoint, retry_seconds=0).get("key")
        assert len(server.requests) == 1


def test_retries_end_when_their_time_is_over_and_leave_the_last_reason(anyone: OpenStore) -> None:
    with scripted(BUSY) as server:
        with pytest.raises(UnreachableError, match="SlowDown"):
            anyone(server.endpoint, retry_seconds=2).put("key", b"")
        # Full jitter from 0.2 s on: a handful fits into two seconds, and nothing below multiplies them.
        assert 2 <= len(server.requests) <= 40


def test_each_retry_is_logged_with_its_reason(anyone: OpenStore, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "finetune_store"), scripted(BUSY, Answer(200)) as server:
        anyone(server.endpoint, retry_seconds=PATIENT).delete("key")
    assert [("SlowDown" in record.getMessage()) for record in caplog.records] == [True]
    assert "made-up-secret" not in caplog.text


def test_a_download_that_breaks_off_in_the_middle_starts_again(anyone: OpenStore, tmp_path: Path) -> None:
    cut = Answer(200, b"only half", {"Content-Length": "18"})
    with scripted(cut, Answer(200, b"the whole content!")) as server:
        # The fake keeps the connection open after half of the body: the client's timeout ends the wait.
        store = anyone(server.endpoint, retry_seconds=PATIENT, timeout_seconds=0.5)
        store.download("key", tmp_path / "out")

    assert (tmp_path / "out").read_bytes() == b"the whole content!"


def test_a_download_that_fails_leaves_no_file_and_no_rest(anyone: OpenStore, tmp_path: Path) -> None:
    with scripted(Answer(200, b"only half", {"Content-Length": "18"})) as server, pytest.raises(UnreachableError):
        anyone(server.endpoint, timeout_seconds=0.3).download("key", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_creation_whose_answer_was_lost_is_recognised_as_ours(anyone: OpenStore) -> None:
    with scripted(Answer(drop=True), s3_error(412, "PreconditionFailed"), Answer(200, b"me")) as server:
        assert anyone(server.endpoint, retry_seconds=PATIENT).create("claim", b"me") is True
        assert [request.headers.get("if-none-match") for request in server.requests] == ["*", "*", None]


def test_a_creation_that_another_won_meanwhile_is_not_ours(anyone: OpenStore) -> None:
    with scripted(Answer(drop=True), s3_error(412, "PreconditionFailed"), Answer(200, b"other")) as server:
        assert anyone(server.endpoint, retry_seconds=PATIENT).create("claim", b"me") is False


def test_a_refused_creation_is_not_questioned(anyone: OpenStore) -> None:
    with scripted(s3_error(412, "PreconditionFailed")) as server:
        assert anyone(server.endpoint, retry_seconds=PATIENT).create("claim", b"me") is False
        assert len(server.requests) == 1


def test_a_creation_in_conflict_with_another_is_tried_again(anyone: OpenStore) -> None:
    with scripted(s3_error(409, "ConditionalRequestConflict"), s3_error(412, "PreconditionFailed"), Answer()) as server:
        assert anyone(server.endpoint, retry_seconds=PATIENT).create("claim", b"me") is False


def test_one_part_that_fails_is_sent_again_alone(anyone: OpenStore, two_parts: Path) -> None:
    with scripted(STARTED, PART_DONE, BUSY, PART_DONE, FINISHED) as server:
        anyone(server.endpoint, retry_seconds=PATIENT).upload("large", two_parts)

        sent = [(request.method, len(request.body)) for request in server.requests]
        assert sent[:-1] == [("POST", 0), ("PUT", 16 << 20), ("PUT", 1), ("PUT", 1)]
        assert b"<PartNumber>2</PartNumber>" in server.requests[-1].body


def test_an_upload_that_fails_drops_its_parts(anyone: OpenStore, two_parts: Path) -> None:
    with scripted(STARTED, PART_DONE, s3_error(403, "AccessDenied"), Answer(204)) as server:
        with pytest.raises(StoreError, match="upload part 2"):
            anyone(server.endpoint).upload("large", two_parts)
        assert server.requests[-1].method == "DELETE"
        assert "uploadId=id-1" in server.requests[-1].path


def test_parts_that_cannot_be_dropped_are_told_and_the_first_reason_is_kept(
    anyone: OpenStore, two_parts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING, "finetune_store"),
        scripted(STARTED, s3_error(507, "XMinioStorageFull"), BUSY) as server,
        pytest.raises(StoreError, match="upload part 1"),
    ):
        anyone(server.endpoint).upload("large", two_parts)
    assert "lifecycle rule" in caplog.text


def test_an_upload_whose_last_answer_was_lost_is_recognised(anyone: OpenStore, two_parts: Path) -> None:
    with scripted(STARTED, PART_DONE, PART_DONE, Answer(drop=True), s3_error(404, "NoSuchUpload"), Answer(404)) as gone:
        with pytest.raises(NotFoundError, match="no longer known"):
            anyone(gone.endpoint, retry_seconds=PATIENT).upload("large", two_parts)
        digest = gone.requests[0].headers["x-amz-meta-md5"]
    there = Answer(200, headers={"ETag": '"x-2"', "x-amz-meta-md5": digest})
    with scripted(STARTED, PART_DONE, PART_DONE, Answer(drop=True), s3_error(404, "NoSuchUpload"), there) as server:
        anyone(server.endpoint, retry_seconds=PATIENT).upload("large", two_parts)


def test_a_file_that_changes_while_it_goes_up_is_refused(anyone: OpenStore, two_parts: Path) -> None:
    with scripted(STARTED, PART_DONE, BUSY, PART_DONE, Answer(204)) as server:

        class Meddler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                two_parts.write_bytes(b"another content")

        meddler, log = Meddler(), logging.getLogger("finetune_store")
        log.addHandler(meddler)  # the retry of part 2 is logged: a moment in the middle
        try:
            with pytest.raises(StoreError, match="changed while"):
                anyone(server.endpoint, retry_seconds=PATIENT).upload("large", two_parts)
        finally:
            log.removeHandler(meddler)
        assert [request.method for request in server.requests][-1] == "DELETE"


@pytest.mark.s3
class TestRealOutage:
    """The real server goes down and comes back."""

    def test_a_write_waits_for_a_server_that_is_down_and_then_succeeds(
        self, seaweed: SeaweedS3, s3_store: Store
    ) -> None:
        store = open_store(
            s3_store.uri(), connection=S3Connection.from_env(seaweed.environment), retry_seconds=2 * PATIENT
        )
        store.put("before", b"kept")
        retried, handler = _retry_signal()
        log = logging.getLogger("finetune_store")
        log.addHandler(handler)
        seaweed.stop()
        try:
            with ThreadPoolExecutor(1) as thread:
                try:
                    writing = thread.submit(store.put, "during", b"written")
                    assert retried.wait(PATIENT)
                finally:
                    seaweed.start()
                writing.result(PATIENT)
        finally:
            log.removeHandler(handler)

        assert (store.get("before"), store.get("during")) == (b"kept", b"written")

    def test_without_retries_a_server_that_is_down_is_told_at_once(self, seaweed: SeaweedS3, s3_store: Store) -> None:
        connection = S3Connection.from_env(seaweed.environment)
        store = open_store(s3_store.uri(), connection=connection, retry_seconds=0)
        store.put("a", b"x")
        seaweed.stop()
        try:
            for request in (lambda: store.get("a"), lambda: store.stat("a"), store.list):
                with pytest.raises(UnreachableError, match=r"storage\.endpoint|broke off"):
                    request()
        finally:
            seaweed.start()
        assert store.get("a") == b"x"


def _retry_signal() -> tuple[threading.Event, logging.Handler]:
    retried = threading.Event()

    class Signal(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            retried.set()

    return retried, Signal()
