"""What is special about the directory store."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from finetune_store import (
    AccessDeniedError,
    InvalidKeyError,
    Store,
    StoreFullError,
    UnreachableError,
    UnsupportedError,
    open_store,
)

UPLOAD_FROM_PIPE = """
import sys
from pathlib import Path
from finetune_store import open_store
open_store(sys.argv[1]).upload("runs/result.json", Path(sys.argv[2]))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> Store:
    return open_store(root.as_uri())


def wait_until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_a_writer_killed_in_the_middle_leaves_no_half_object_visible(store: Store, root: Path, tmp_path: Path) -> None:
    store.put("runs/result.json", b"the version before")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = subprocess.Popen([sys.executable, "-c", UPLOAD_FROM_PIPE, root.as_uri(), str(pipe)])
    try:
        with pipe.open("wb") as feed:
            feed.write(b"n" * (3 << 20))
            feed.flush()
            wait_until(lambda: any(part.stat().st_size > 0 for part in (root / ".finetune-parts").iterdir()))
            writer.send_signal(signal.SIGKILL)
            writer.wait()
    finally:
        writer.kill()
        writer.wait()

    assert store.get("runs/result.json") == b"the version before"
    assert [info.key for info in store.list()] == ["runs/result.json"]
    store.put("runs/result.json", b"the next version")
    assert store.get("runs/result.json") == b"the next version"


def test_an_object_lies_where_its_key_says(store: Store, root: Path) -> None:
    store.put("runs/rte/result.json", b"{}")

    assert (root / "runs" / "rte" / "result.json").read_bytes() == b"{}"
    assert store.uri("runs/rte/a b") == (root / "runs" / "rte" / "a b").as_uri()


def test_reading_makes_nothing(store: Store, root: Path) -> None:
    assert list(store.list()) == []
    assert store.stat("a") is None
    store.delete("a")

    assert not root.exists()


def test_folders_that_become_empty_go_and_others_stay(store: Store, root: Path) -> None:
    store.put("a/b/c/x", b"")
    store.put("a/y", b"")

    store.delete("a/b/c/x")

    assert not (root / "a" / "b").exists()
    assert (root / "a" / "y").exists()
    store.delete("a/y")
    assert root.exists()


def test_writing_and_removing_in_the_same_folder_never_get_in_each_others_way(store: Store) -> None:
    done = threading.Event()

    def remove() -> None:
        while not done.is_set():
            store.put("folder/sub/other", b"")
            store.delete("folder/sub/other")

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        for _ in range(200):
            store.put("folder/sub/x", b"content")
            assert store.get("folder/sub/x") == b"content"
            store.delete("folder/sub/x")
            assert store.create("folder/sub/y", b"") is True
            store.delete("folder/sub/y")
    finally:
        done.set()
        remover.join()


def test_links_are_followed_and_loops_are_not(store: Store, root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "train.tsv").write_text("x")
    (root / "data").mkdir(parents=True)
    (root / "data" / "CoLA").symlink_to(elsewhere)
    (root / "data" / "one.tsv").symlink_to(elsewhere / "train.tsv")
    (root / "data" / "loop").symlink_to(root / "data")
    (root / "data" / "dangling").symlink_to(tmp_path / "absent")

    assert [info.key for info in store.list()] == ["data/CoLA/train.tsv", "data/one.tsv"]
    assert store.get("data/CoLA/train.tsv") == b"x"


def test_pipes_and_sockets_are_no_objects(store: Store, root: Path) -> None:
    root.mkdir()
    os.mkfifo(root / "pipe")

    assert list(store.list()) == []
    assert store.stat("pipe") is None


def test_an_object_cannot_be_a_folder_too(store: Store) -> None:
    store.put("a", b"")
    store.put("b/c", b"")

    for write in (
        lambda: store.put("a/x", b""),
        lambda: store.put("a/x/y", b""),
        lambda: store.create("a/x", b""),
        lambda: store.put("b", b""),
    ):
        with pytest.raises(InvalidKeyError, match="cannot also be a folder"):
            write()
    assert store.stat("a/x") is None


def test_the_folder_of_unfinished_files_is_out_of_bounds(store: Store) -> None:
    with pytest.raises(InvalidKeyError, match="unfinished"):
        store.put(".finetune-parts/x", b"")
    with pytest.raises(InvalidKeyError, match="unfinished"):
        store.list(".finetune-parts")


def test_a_part_of_a_key_that_is_too_long_for_the_file_system_is_refused(store: Store) -> None:
    with pytest.raises(InvalidKeyError, match="255 bytes"):
        store.put("x" * 256, b"")


def test_a_failed_write_leaves_the_old_object_and_no_rest(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StoreFullError, match="No space left"):
            store.put("a", b"new")

    assert store.get("a") == b"old"
    assert list((root / ".finetune-parts").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.EACCES, AccessDeniedError),
        (errno.EROFS, AccessDeniedError),
        (errno.EDQUOT, StoreFullError),
        (errno.ESTALE, UnreachableError),
        (errno.EIO, UnreachableError),
        (errno.EOPNOTSUPP, UnsupportedError),
        (errno.EPERM, UnsupportedError),
    ],
)
def test_errors_of_the_file_system_get_names(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Exception]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)

    with pytest.raises(kind, match="cannot create") as error:
        store.create("claim", b"")
    assert str(root / "claim") in str(error.value)


def test_a_folder_that_may_not_be_read_is_an_error_not_an_empty_store(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("secret/a", b"")
    iterdir = Path.iterdir

    def refuse(folder: Path) -> Iterator[Path]:  # not by chmod: modes do not bind the superuser
        if folder.name == "secret":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return iter(list(iterdir(folder)))

    monkeypatch.setattr(Path, "iterdir", refuse)

    with pytest.raises(AccessDeniedError, match=r"Permission denied.*owner and the mode"):
        store.list()


def test_the_digest_is_read_when_it_is_asked_for_not_when_listed(store: Store, root: Path) -> None:
    store.put("a", b"first")

    (info,) = store.list()
    (root / "a").unlink()

    assert info.md5 is None
    assert "md5" not in repr(info)


def test_the_digest_of_an_unchanged_file_is_read_once(store: Store, root: Path) -> None:
    store.put("a", b"content")
    hour_ago = time.time() - 3600
    os.utime(root / "a", (hour_ago, hour_ago))
    (first,) = store.list()
    assert first.md5 == "9a0364b9e99bb480dd25e1f0284c8555"

    with (root / "a").open("r+b") as stream:  # behind the store's back, with all that tells of a change put back
        stream.write(b"CONTENT")
    os.utime(root / "a", (hour_ago, hour_ago))

    (second,) = store.list()
    assert second.md5 == first.md5
