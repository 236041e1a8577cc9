"""Signs of life of a process without progress: as long as any of its threads works, and no longer."""

import threading
from pathlib import Path
from typing import cast

import pytest

from finetune_store import DirectoryStore, Store, UnreachableError, open_store, signs
from finetune_store.signs import signs_of_life

KEY = "ns/exp/signs/uid"


class Signs:
    """A store that notes each sign; `away` for so many of them."""

    def __init__(self, away: int = 0) -> None:
        self.asked = threading.Semaphore(0)
        self.given: list[bytes] = []
        self._away = away

    def put(self, _key: str, data: bytes) -> None:
        self.asked.release()
        if self._away:
            self._away -= 1
            raise UnreachableError("the store is away")
        self.given.append(data)

    def delete(self, _key: str) -> None:
        self.given.append(b"removed")


def work_until_asked(store: Signs, times: int) -> None:
    for _ in range(times):
        while not store.asked.acquire(blocking=False):
            sum(range(10_000))


def test_a_process_that_works_renews_its_sign_and_removes_it_at_the_end() -> None:
    store = Signs()
    with signs_of_life(cast(Store, store), KEY, every=0.001):
        work_until_asked(store, 5)
    assert len(set(store.given)) == len(store.given)
    assert store.given[-1] == b"removed"


def test_a_thread_of_a_pool_that_works_while_the_main_one_waits_is_a_sign() -> None:
    store = Signs()
    with signs_of_life(cast(Store, store), KEY, every=0.001):
        worker = threading.Thread(target=work_until_asked, args=(store, 5))
        worker.start()
        worker.join()
    assert len(store.given) > 5


def test_a_process_that_does_nothing_gives_no_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    store, looks, seconds = Signs(), threading.Semaphore(0), signs._seconds_of_others

    def seen() -> float:
        looks.release()
        return seconds()

    monkeypatch.setattr(signs, "_seconds_of_others", seen)
    with signs_of_life(cast(Store, store), KEY, every=0.0001):
        # Waiting for a look is all that this thread does, which takes some millionths of a second.
        for _ in range(200):
            looks.acquire()
    assert len(store.given) < 50


def test_a_store_that_is_away_ends_nothing_and_the_next_sign_is_given() -> None:
    store = Signs(away=2)
    with signs_of_life(cast(Store, store), KEY, every=0.001):
        work_until_asked(store, 3)
    assert len(store.given) >= 2


def test_in_a_folder_the_sign_is_there_meanwhile(tmp_path: Path) -> None:
    store = open_store(tmp_path.as_uri())
    assert isinstance(store, DirectoryStore)
    with signs_of_life(store, KEY, every=0.001):
        while store.stat(KEY) is None:
            sum(range(10_000))
    assert store.stat(KEY) is None
