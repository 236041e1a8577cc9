"""Documents of a store: one policy for what is missing, unreadable or too large, and no memory for what is none."""

import json
import logging
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from finetune_core.planning.plan import Plan
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.planning.volumes import VolumeLooks
from finetune_core.results.run import Progress, RunResult
from finetune_core.results.schema import ResultsDocument
from finetune_core.results.search.summary import SearchSummary
from finetune_core.results.search.trial import TrialResult
from finetune_operator.telemetry.metering import MeteredStore
from finetune_store import DirectoryStore, NotFoundError, Store, TooLargeError, UnreadableError, documents
from store.scripted_server import Answer, scripted
from support.hostile_text import JSON_BOMBS
from support.results import plan_of

KEY = "team/demo/plan.json"
HUGE = 1_500_000_000
"""Bytes."""
KINDS = tuple(documents._KINDS)

OpenStore = Callable[..., Store]


@pytest.fixture
def folder(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path)


def make_huge(store: DirectoryStore, key: str) -> None:
    """An object of 1.5 GB that takes no room on the disk."""
    store.put(key, b"{")
    os.truncate(Path(store.uri(key).removeprefix("file://")), HUGE)


@contextmanager
def no_memory(most: int = 8 << 20) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def test_what_is_there_is_read(folder: DirectoryStore) -> None:
    plan = plan_of({"rte": 2})
    folder.put(KEY, plan.to_bytes())
    for look in (documents.read, documents.find, documents.find_or_warn):
        assert look(folder, KEY, Plan, "team/demo") == plan


def test_what_is_missing_is_an_error_or_none(folder: DirectoryStore) -> None:
    with pytest.raises(NotFoundError):
        documents.read(folder, KEY, Plan)
    assert documents.find(folder, KEY, Plan) is None
    assert documents.find_or_warn(folder, KEY, Plan) is None
    assert documents.evaluations(folder, KEY) is None


@pytest.mark.parametrize(
    "content",
    [*JSON_BOMBS.values(), plan_of({"rte": 2}).model_copy(update={"namespace": "victim"}).to_bytes()],
    ids=[*JSON_BOMBS, "of another"],
)
def test_what_is_unreadable_is_an_error_that_says_what_to_do_or_a_warning(
    folder: DirectoryStore, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    folder.put(KEY, content)
    for look in (documents.read, documents.find):
        with pytest.raises(UnreadableError) as caught:
            look(folder, KEY, Plan, "team/demo")
        assert not caught.value.transient
        assert caught.value.problem.startswith(f"{folder.uri(KEY)} is no plan of this version (")
        assert str(caught.value) == f"{caught.value.problem}: {caught.value.remedy}"
    assert caplog.records == []
    assert documents.find_or_warn(folder, KEY, Plan, "team/demo") is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert folder.uri(KEY) in caplog.text


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_an_object_of_any_size_takes_no_memory(folder: DirectoryStore, kind: type[BaseModel]) -> None:
    make_huge(folder, KEY)
    with no_memory(), pytest.raises(UnreadableError, match=r"it has more than [0-9,]+ bytes"):
        documents.read(folder, KEY, kind)


def test_a_folder_gives_what_is_within_the_limit(folder: DirectoryStore) -> None:
    folder.put(KEY, b"12345")
    metered = MeteredStore(folder, lambda _: None)
    for store in (folder, metered):
        assert store.get(KEY, limit=5) == b"12345"
        with pytest.raises(TooLargeError, match="more than 4 bytes"):
            store.get(KEY, limit=4)


@pytest.mark.s3
def test_a_real_bucket_gives_what_is_within_the_limit(s3_store: Store) -> None:
    s3_store.put(KEY, b"12345")
    assert s3_store.get(KEY, limit=5) == b"12345"
    with pytest.raises(TooLargeError, match="more than 4 bytes"):
        s3_store.get(KEY, limit=4)
    with pytest.raises(NotFoundError):
        s3_store.get("absent", limit=4)


def test_a_bucket_that_announces_too_much_is_not_read(anyone: OpenStore) -> None:
    with scripted(Answer(200, b"{", {"Content-Length": str(HUGE)})) as server, no_memory():
        with pytest.raises(UnreadableError, match="it has more than 8,388,608 bytes"):
            documents.read(anyone(server.endpoint), KEY, Plan)
        assert len(server.requests) == 1


def test_a_bucket_that_announces_nothing_is_read_up_to_the_limit(anyone: OpenStore) -> None:
    """Chunks, without an end: a reader of all of it would wait for ever."""
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    endless = Answer(200, chunk * 3, {"Transfer-Encoding": "chunked", "Content-Length": ""})
    with scripted(endless) as server, pytest.raises(TooLargeError):
        anyone(server.endpoint).get(KEY, limit=2 << 20)


def test_content_is_read_as_it_was_sent(anyone: OpenStore) -> None:
    """Compressed content of a megabyte may unfold to a gigabyte."""
    answer = Answer(200, b"{}", {"Content-Encoding": "gzip"})
    with scripted(answer) as server:
        assert anyone(server.endpoint).get(KEY, limit=10) == b"{}"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Plan, ("runs", "quarantined", "tasks")),
        (SearchPlan, ("order", "tasks")),
        (ResultsDocument, ("runs", "tasks", "files")),
        (SearchSummary, ("tasks", "files")),
        (RunResult, ("metrics", "predictions", "resumedFrom")),
        (TrialResult, ("history", "metrics", "seeds")),
        (VolumeLooks, ("",)),
    ],
)
@pytest.mark.parametrize("item", [0, {}, []])
def test_what_is_malformed_many_times_over_is_told_a_few_times(
    kind: type[BaseModel], fields: tuple[str, ...], item: object
) -> None:
    """Each error takes half a kilobyte: a plan of 4 MB took 1 GiB and 30 s of the operator."""
    for field in fields:
        for many in ([item] * 20_000, {f"a{number}": item for number in range(20_000)}):
            content: Any = {field: many} if field else many
            with pytest.raises(ValidationError) as caught:
                kind.model_validate(content)
            assert caught.value.error_count() < 50


def test_more_values_than_any_document_has_are_not_parsed(folder: DirectoryStore) -> None:
    folder.put(KEY, b"[" + b"{}," * 300_000 + b"{}]")
    with no_memory(), pytest.raises(UnreadableError, match="more than 500,000 values"):
        documents.read(folder, KEY, Plan)


def test_a_reader_of_its_own_is_told_the_limit(folder: DirectoryStore) -> None:
    told = []

    def get(key: str, limit: int) -> bytes:
        told.append((key, limit))
        return json.dumps({"step": 1}).encode()

    assert documents.find_or_warn(folder, KEY, Progress, get=get) is None
    assert told == [(KEY, 65_536)]
