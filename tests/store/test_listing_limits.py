"""A listing that was given a limit asks for no more pages than it needs, in either kind of store."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler

import pytest

from finetune_core.problems import InvalidInputError
from finetune_store import S3Connection, Store, TooManyObjectsError, UnreachableError, open_store
from finetune_store.folders import MOST_FILES
from finetune_work.sources import FolderSources
from support.serving import served

PAGE = 1000
TOTAL = 1_000_000


class _Endless(BaseHTTPRequestHandler):
    """A bucket of a million objects, listed page by page."""

    pages = 0

    def do_GET(self) -> None:
        type(self).pages += 1
        first = int(self.path.partition("continuation-token=")[2].partition("&")[0] or 0)
        objects = "".join(
            f"<Contents><Key>{number:07d}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"{number:032x}"</ETag></Contents>'
            for number in range(first, first + PAGE)
        )
        after = first + PAGE
        body = (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>data-lake</Name><IsTruncated>{str(after < TOTAL).lower()}</IsTruncated>"
            f"<NextContinuationToken>{after}</NextContinuationToken>{objects}</ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _Flood(BaseHTTPRequestHandler):
    """A page of half a gigabyte, or as much of it as is taken."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.end_headers()
        with suppress(OSError):
            for _ in range(500):
                self.wfile.write(b" " * (1 << 20))

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def opened(handler: type[BaseHTTPRequestHandler]) -> Iterator[Store]:
    with served(handler) as endpoint:
        yield open_store("s3://data-lake", connection=S3Connection(endpoint, "us-east-1"), retry_seconds=0)


@pytest.fixture
def lake() -> Iterator[Store]:
    _Endless.pages = 0
    with opened(_Endless) as store:
        yield store


def test_an_answer_without_an_end_is_cut_off() -> None:
    with opened(_Flood) as store:
        tracemalloc.start()
        try:
            with pytest.raises(UnreachableError, match="the answer has more than 4,194,304 bytes"):
                store.list("")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 32 << 20


def test_what_is_within_the_limit_is_listed(store: Store) -> None:
    for name in ("a", "b", "folder/c"):
        store.put(name, b"x")
    assert [info.key for info in store.list("", limit=3)] == ["a", "b", "folder/c"]
    assert [info.key for info in store.list("folder", limit=1)] == ["folder/c"]


def test_more_than_the_limit_is_refused_with_the_place(store: Store) -> None:
    for name in ("a", "b", "folder/c"):
        store.put(name, b"x")
    with pytest.raises(TooManyObjectsError, match=f"more than 2 objects lie at {store.uri()}: name the folder"):
        store.list("", limit=2)


def test_no_more_is_asked_for_than_it_takes_to_know(lake: Store) -> None:
    with pytest.raises(TooManyObjectsError):
        lake.list("", limit=2500)
    assert _Endless.pages == 3


def test_a_whole_bucket_as_model_is_refused_with_its_field(lake: Store) -> None:
    sources = FolderSources(open_uri=lambda _: lake, http=None, volume=None)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=r"^spec.model.uri: more than 10,000 objects lie at s3://data-lake"):
        sources.look("s3://data-lake", field="spec.model.uri", kind="model")
    assert _Endless.pages <= MOST_FILES // PAGE + 1
