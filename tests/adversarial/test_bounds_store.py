"""What a server of the user's own may answer: the operator's memory is bounded, whatever the listing has promised.

The server is tests/support/hostile_store.py; tests/operator/test_hostile_tenants.py has all of it at once.
"""

import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from finetune_core.api import HyperparametersFrom
from finetune_core.planning.plan import Plan
from finetune_core.problems import InvalidInputError
from finetune_store import (
    DirectoryStore,
    S3Connection,
    Store,
    TooLargeError,
    TooManyObjectsError,
    UnreachableError,
    UnreadableError,
    documents,
    open_store,
)
from finetune_store.documents import parsed
from finetune_work.sources import FolderSources
from finetune_work.tuned import TunedReader
from support.hostile_store import PLAN_BYTES, Server, short_texts

MOST = 32 << 20


class EnoughError(Exception):
    """The listing has gone on for long enough."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    short_texts(PLAN_BYTES)  # made once, and not while memory is measured
    with Server(("127.0.0.1", 0)) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{made.server_address[1]}"
        made.shutdown()
        thread.join()


def bucket(server: str, name: str) -> Store:
    return open_store(f"s3://{name}", connection=S3Connection(server, "us-east-1"), retry_seconds=0)


@contextmanager
def little_memory(most: int = MOST) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def test_a_plan_of_short_texts_is_none_at_the_cost_of_its_bytes(server: str) -> None:
    with little_memory(), pytest.raises(UnreadableError, match="it has more than 500,000 values"):
        documents.read(bucket(server, "values"), "team/one/plan.json", Plan)


def test_as_many_values_as_documents_have_are_read() -> None:
    assert len(parsed(b"[" + b"1," * 400_000 + b"1]")) == 400_001
    with pytest.raises(ValueError, match="more than 500,000 values"):
        parsed(short_texts(PLAN_BYTES))


def test_a_page_of_elements_is_refused_before_it_unfolds(server: str) -> None:
    with little_memory(), pytest.raises(UnreachableError, match="the answer unfolds to more than it has"):
        bucket(server, "elements").list("team/one/runs")


def test_what_is_not_wanted_of_a_folder_without_an_end_takes_no_memory(server: str) -> None:
    seen = 0

    def wanted(_key: str) -> bool:
        nonlocal seen
        seen += 1
        if seen > 6_000:
            raise EnoughError
        return False

    with little_memory(16 << 20), pytest.raises(EnoughError):
        bucket(server, "runs").list("team/one/runs", wanted=wanted)


def test_the_same_object_again_and_again_is_too_many(server: str) -> None:
    with little_memory(), pytest.raises(TooManyObjectsError, match="more than 10 objects"):
        bucket(server, "runs").list("team/one/runs", wanted=lambda key: key.endswith("5"), limit=10)


def test_only_what_is_wanted_of_a_folder_is_listed(tmp_path: object, server: str) -> None:
    for store in (DirectoryStore(tmp_path), bucket(server, "kept")):  # type: ignore[arg-type]
        for name in ("folder/a", "folder/b", "folder/c/a"):
            store.put(name, b"x")
        found = store.list("folder", wanted=lambda key: key.endswith("/a"), limit=2)
        assert [info.key for info in found] == ["folder/a", "folder/c/a"]


def test_a_config_of_a_model_that_is_not_as_small_as_listed_is_left(server: str) -> None:
    sources = FolderSources(open_uri=lambda _: bucket(server, "config/model"), http=None, volume=None)  # type: ignore[arg-type]
    with little_memory(), pytest.raises(InvalidInputError, match=r"^spec.model.uri: .* has more than 4,194,304 bytes"):
        sources.look("s3://config/model", field="spec.model.uri", kind="model")


def test_tuned_values_that_are_not_as_small_as_listed_are_left(server: str) -> None:
    store = bucket(server, "tuned/hps")
    store.put("rte.yaml", b"seed: 1")
    source = HyperparametersFrom.model_validate({"uri": "s3://tuned/hps"})
    reader = TunedReader(lambda: None, lambda _: store)  # type: ignore[arg-type,return-value]
    with little_memory(), pytest.raises(InvalidInputError, match=r"^spec.hyperparametersFrom.uri: .* has more than"):
        reader.read(source)


def test_the_proof_of_a_store_does_not_read_back_what_it_has_not_written(server: str) -> None:
    with little_memory(), pytest.raises(TooLargeError):
        bucket(server, "probe").check("team")
