"""What pods fetch into a volume is fetched once, is what was pinned, and is never in the way of a run."""

import errno
import fcntl
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from finetune_core.planning.identity import FileEntry, content_digest
from finetune_store import DirectoryStore, S3Connection
from finetune_trainer import cached
from finetune_trainer.cached import Cache
from finetune_trainer.errors import UserError
from finetune_trainer.inputs import Inputs
from support.model_hub import Repository, running_model_hub

URI = "s3://bucket/model"
FILES = {"config.json": b"{}", "model.safetensors": b"weights"}
DIGEST = content_digest(FileEntry(name, md5(content).hexdigest(), len(content)) for name, content in FILES.items())


class Bucket(DirectoryStore):
    """A folder as a bucket that counts what is fetched from it; `before` is called with each file's place."""

    fetched: list[str]
    before: Callable[[Path], None]

    def download(self, key: str, path: Path) -> None:
        self.fetched.append(key)
        self.before(path)
        super().download(key, path)


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    made = Bucket(tmp_path / "bucket")
    made.fetched, made.before = [], lambda _: None
    for name, content in FILES.items():
        made.put(name, content)

    def opened(*_: Any, **__: Any) -> Bucket:
        return made

    monkeypatch.setattr("finetune_trainer.inputs.open_store", opened)
    return made


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    monkeypatch.setenv("FINETUNE_CACHE", str(folder))
    return folder


def pod(tmp_path: Path, name: str) -> Inputs:
    """The inputs of a pod of its own."""
    work = tmp_path / name
    return Inputs(work, connection=S3Connection(), retry_seconds=0, pvc_root=tmp_path, cache=Cache.from_env())


def weights(inputs: Inputs, digest: str = DIGEST) -> bytes:
    return (inputs.model(URI, digest) / "model.safetensors").read_bytes()


def test_a_model_is_fetched_once_for_all_pods(tmp_path: Path, bucket: Bucket, volume: Path) -> None:
    assert [weights(pod(tmp_path, name)) for name in "abc"] == [b"weights"] * 3
    assert sorted(bucket.fetched) == sorted(FILES)
    assert [path for name in "abc" for path in (tmp_path / name).rglob("*")] == []


def test_pods_that_begin_together_fetch_it_once(tmp_path: Path, bucket: Bucket, volume: Path) -> None:
    together = Barrier(4)

    def begin(name: str) -> bytes:
        inputs = pod(tmp_path, name)
        together.wait()
        return weights(inputs)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(begin, "abcd")) == [b"weights"] * 4
    assert sorted(bucket.fetched) == sorted(FILES)


@pytest.mark.parametrize("damage", [b"WEIGHTS", b"", None], ids=["changed", "cut", "gone"])
def test_what_is_damaged_there_is_fetched_again(
    tmp_path: Path, bucket: Bucket, volume: Path, damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    kept = pod(tmp_path, "a").model(URI, DIGEST) / "model.safetensors"
    kept.unlink() if damage is None else kept.write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        assert weights(pod(tmp_path, "b")) == b"weights"
    assert f"what was kept in {kept.parent} is damaged, it is fetched again" in caplog.text


def test_what_the_user_has_overwritten_fails_as_without_a_cache(tmp_path: Path, bucket: Bucket, volume: Path) -> None:
    bucket.put("model.safetensors", b"WEIGHTS")
    with pytest.raises(UserError, match="no longer what was planned with"):
        weights(pod(tmp_path, "a"))
    # Nor does a damaged cache hide it.
    bucket.put("model.safetensors", b"weights")
    (pod(tmp_path, "b").model(URI, DIGEST) / "config.json").write_bytes(b"[]")
    bucket.put("model.safetensors", b"WEIGHTS")
    with pytest.raises(UserError, match="no longer what was planned with"):
        weights(pod(tmp_path, "c"))


def test_a_bucket_that_has_changed_does_not_matter_to_what_is_kept(
    tmp_path: Path, bucket: Bucket, volume: Path
) -> None:
    weights(pod(tmp_path, "a"))
    bucket.put("model.safetensors", b"WEIGHTS")
    assert weights(pod(tmp_path, "b")) == b"weights"


def test_what_no_digest_names_is_not_shared(tmp_path: Path, bucket: Bucket, volume: Path) -> None:
    assert weights(pod(tmp_path, "a"), "") == weights(pod(tmp_path, "b"), "") == b"weights"
    assert len(bucket.fetched) == 2 * len(FILES)
    assert list(volume.iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE])
def test_a_volume_that_takes_no_more_is_done_without(
    tmp_path: Path, bucket: Bucket, volume: Path, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path) -> None:
        if path.is_relative_to(volume) and path.name == "model.safetensors":
            raise OSError(code, "no", str(path))

    bucket.before = refuse
    inputs = pod(tmp_path, "a")
    with caplog.at_level(logging.WARNING):
        assert inputs.model(URI, DIGEST).is_relative_to(tmp_path / "a")
    assert "execution.cache is not used" in caplog.text
    # What was begun takes no room.
    assert [path for path in volume.rglob("*") if path.is_file() and path.stat().st_size] == []


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch], ids=["gone", "a file"])
def test_a_volume_that_cannot_be_written_is_done_without(
    tmp_path: Path,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = tmp_path / "place"
    make(place)
    monkeypatch.setenv("FINETUNE_CACHE", str(place if place.is_file() else place / "missing"))
    with caplog.at_level(logging.WARNING):
        assert pod(tmp_path, "a").model(URI, DIGEST).is_relative_to(tmp_path / "a")
    assert "must be able to write it" in caplog.text


def test_an_error_of_the_network_is_not_the_volumes(tmp_path: Path, bucket: Bucket, volume: Path) -> None:
    def cut(_: Path) -> None:
        raise ConnectionError("cut")

    bucket.before = cut
    with pytest.raises(ConnectionError):
        weights(pod(tmp_path, "a"))
    bucket.before = lambda _: None
    assert weights(pod(tmp_path, "b")) == b"weights"
    assert list(volume.rglob("model.safetensors")) != []


def test_a_pod_that_hangs_while_it_fetches_is_not_waited_for_for_ever(
    tmp_path: Path, bucket: Bucket, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = pod(tmp_path, "a").model(URI, DIGEST)
    monkeypatch.setattr(cached, "_PATIENCE", 0.0)
    with kept.with_name(f"{kept.name}.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert weights(pod(tmp_path, "b")) == b"weights"


def test_a_volume_without_locks_serves_too(
    tmp_path: Path, bucket: Bucket, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert weights(pod(tmp_path, "a")) == weights(pod(tmp_path, "b")) == b"weights"
    assert sorted(bucket.fetched) == sorted(FILES)


def test_what_the_hub_sends_is_kept_and_compared_with_the_hubs_hashes(
    tmp_path: Path, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    with running_model_hub() as hub:
        hub.is_the_hub(monkeypatch, own)
        hub.repositories["org/model"] = Repository(private=False)
        uri = f"hf://org/model@{hub.repositories['org/model'].commit('main', FILES)}"
        kept = pod(tmp_path, "a").model(uri)
        assert kept.is_relative_to(volume)
        # One file lies in LFS, with a SHA-256, the other is a git blob.
        for name, content in FILES.items():
            (kept / name).resolve().write_bytes(b"damaged")
            assert (pod(tmp_path, f"after {name}").model(uri) / name).read_bytes() == content
    assert not own.exists()
    # Nothing was left to ask.
    assert pod(tmp_path, "z").model(uri) == kept
