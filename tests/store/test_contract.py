"""What every store does; each test runs on a real S3 server and on a folder."""

import hashlib
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune_store import (
    InvalidKeyError,
    NotFoundError,
    Store,
    StoreError,
    creates_once,
    delete_tree,
    download_tree,
    upload_tree,
)

ODD_KEYS = [
    "sp ace",
    "pl+us",
    "per%20cent",
    "q?x=1&y=2",
    "h#ash",
    "q'uo\"te<>",
    "ü/漢字/😀",
    "e\u0301",
    "~*:;,@=$!()[]{}",
]
LARGE = 40 << 20
"""Bytes: more than one part, and not a whole number of them."""


def keys_of(store: Store, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


def test_an_object_reads_back_as_written(store: Store) -> None:
    store.put("runs/rte/result.json", b'{"value": 0.7}', content_type="application/json")

    assert store.get("runs/rte/result.json") == b'{"value": 0.7}'


def test_an_object_may_be_empty(store: Store) -> None:
    store.put("empty", b"")

    info = store.stat("empty")

    assert store.get("empty") == b""
    assert info is not None
    assert (info.size, info.md5) == (0, hashlib.md5(b"").hexdigest())
    assert keys_of(store) == ["empty"]


def test_folders_are_told_by_name_and_objects_are_not(store: Store) -> None:
    for key in ("team/b/runs/rte/result.json", "team/b/plan.json", "team/a/plan.json", "team/table.md", "other/x/y"):
        store.put(key, b"x")
    for odd in ODD_KEYS:
        store.put(f"odd/{odd}/x", b"x")

    assert list(store.folders("team")) == ["a", "b"]
    assert list(store.folders("team/b")) == ["runs"]
    assert list(store.folders()) == ["odd", "other", "team"]
    assert list(store.folders("team/b/runs/rte")) == list(store.folders("missing")) == []
    assert list(store.folders("odd")) == sorted(odd.partition("/")[0] for odd in ODD_KEYS)


def test_put_replaces_the_whole_object(store: Store) -> None:
    store.put("progress.json", b"a long first version")
    store.put("progress.json", b"short")

    assert store.get("progress.json") == b"short"


@pytest.mark.parametrize("key", ODD_KEYS)
def test_keys_with_odd_characters_are_kept_as_they_are(store: Store, key: str) -> None:
    store.put(key, key.encode())

    assert keys_of(store) == [key]
    assert store.get(key) == key.encode()
    assert store.stat(key) is not None
    store.delete(key)
    assert keys_of(store) == []


part = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=12)
key_parts = part.filter(lambda text: text not in {".", ".."})


@given(parts=st.lists(key_parts, min_size=1, max_size=3), data=st.binary(max_size=64))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_valid_key_is_listed_and_read_back(store: Store, parts: list[str], data: bytes) -> None:
    key = "/".join(parts)
    delete_tree(store, "")

    store.put(key, data)

    assert keys_of(store) == [key]
    assert store.get(key) == data


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\\b", "a\nb", "a\0b", "k" * 1025])
def test_keys_outside_the_rules_are_refused_before_anything_is_done(store: Store, key: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")

    for operation in (
        lambda: store.get(key),
        lambda: store.put(key, b""),
        lambda: store.create(key, b""),
        lambda: store.stat(key),
        lambda: store.delete(key),
        lambda: store.upload(key, file),
        lambda: store.download(key, tmp_path / "out"),
    ):
        with pytest.raises(InvalidKeyError, match="cannot be used"):
            operation()
    assert not (tmp_path / "out").exists()


def test_a_missing_object_is_not_found(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing/here"):
        store.get("nothing/here")
    with pytest.raises(NotFoundError, match="nothing/here"):
        store.download("nothing/here", tmp_path / "out")
    assert store.stat("nothing/here") is None
    assert list(tmp_path.glob("*.part")) == []
    assert not (tmp_path / "out").exists()


def test_a_folder_of_objects_is_no_object(store: Store) -> None:
    store.put("folder/sub/x", b"x")

    assert store.stat("folder/sub") is None
    with pytest.raises(NotFoundError):
        store.get("folder/sub")
    store.delete("folder/sub")
    assert keys_of(store) == ["folder/sub/x"]


def test_delete_removes_and_may_be_repeated(store: Store) -> None:
    store.put("a/b", b"x")

    store.delete("a/b")
    store.delete("a/b")

    assert store.stat("a/b") is None
    assert keys_of(store) == []


def test_a_key_whose_objects_below_are_gone_may_become_an_object(store: Store) -> None:
    store.put("a/b/c", b"x")
    store.delete("a/b/c")

    store.put("a", b"y")

    assert store.get("a") == b"y"


def test_stat_tells_size_digest_and_time(store: Store) -> None:
    store.put("a", b"content")

    info = store.stat("a")

    assert info is not None
    assert (info.key, info.size, info.md5) == ("a", 7, hashlib.md5(b"content").hexdigest())
    assert abs(info.modified - datetime.now(UTC)) < timedelta(minutes=5)
    assert info.modified.tzinfo is not None


def test_the_digest_follows_the_content(store: Store) -> None:
    for content in (b"one", b"two"):
        store.put("a", content)
        info = store.stat("a")
        assert info is not None
        assert info.md5 == hashlib.md5(content).hexdigest()


def test_list_goes_down_all_folders_in_the_order_of_keys(store: Store) -> None:
    for key in ("b", "a/z", "a-b", "a/b/c", "a0", "é"):
        store.put(key, key.encode())

    infos = list(store.list())

    assert [info.key for info in infos] == sorted(["b", "a/z", "a-b", "a/b/c", "a0", "é"])
    assert [info.size for info in infos] == [len(info.key.encode()) for info in infos]
    assert [info.md5 for info in infos] == [hashlib.md5(info.key.encode()).hexdigest() for info in infos]


@pytest.mark.parametrize("prefix", ["runs/cola", "runs/cola/"])
def test_list_takes_a_folder_not_the_beginning_of_a_name(store: Store, prefix: str) -> None:
    for key in ("runs/cola/1", "runs/cola/2/x", "runs/cola-2/1", "runs/cola2", "other"):
        store.put(key, b"")

    assert keys_of(store, prefix) == ["runs/cola/1", "runs/cola/2/x"]


def test_a_folder_that_is_not_there_is_empty(store: Store) -> None:
    assert keys_of(store) == []
    assert keys_of(store, "nowhere/at/all") == []


def test_list_goes_on_after_a_thousand_objects(store: Store) -> None:
    expected = [f"many/{number:04}" for number in range(1100)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: store.put(key, b"x"), expected))

    assert keys_of(store, "many") == expected


def test_create_makes_an_object_once(store: Store) -> None:
    assert store.create("claims/shard-0", b"first") is True
    assert store.create("claims/shard-0", b"second") is False
    assert store.get("claims/shard-0") == b"first"


def test_create_works_again_after_delete(store: Store) -> None:
    store.create("claim", b"first")
    store.delete("claim")

    assert store.create("claim", b"second") is True
    assert store.get("claim") == b"second"


def test_of_many_creates_at_once_exactly_one_wins(store: Store) -> None:
    with ThreadPoolExecutor(16) as threads:
        for round_ in range(5):
            key, claims = f"claims/{round_}", [f"claimant {number}".encode() for number in range(16)]

            won = list(threads.map(lambda data, key=key: store.create(key, data), claims))  # type: ignore[misc]

            assert won.count(True) == 1
            assert store.get(key) == claims[won.index(True)]


def test_the_store_honours_conditional_creation(store: Store) -> None:
    assert creates_once(store) is True
    assert creates_once(store, "team") is True
    assert keys_of(store) == []


def test_readers_never_see_a_torn_object(store: Store) -> None:
    size = 300_000
    store.put("shared", b"0" * size)

    def write(digit: int) -> None:
        for _ in range(15):
            store.put("shared", str(digit).encode() * size)

    def read(_: int) -> bool:
        seen = [store.get("shared") for _ in range(30)]
        return all(len(data) == size and len(set(data)) == 1 for data in seen)

    with ThreadPoolExecutor(6) as threads:
        writers = [threads.submit(write, digit) for digit in (1, 2, 3)]
        whole = list(threads.map(read, range(3)))
        for writer in writers:
            writer.result()

    assert whole == [True, True, True]


def test_a_large_file_goes_up_and_down_whole_with_the_same_digest_in_every_store(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "model.safetensors"
    content = bytes(range(256)) * (LARGE // 256) + b"tail"
    source.write_bytes(content)
    digest = hashlib.md5(content).hexdigest()

    store.upload("model/model.safetensors", source)
    store.download("model/model.safetensors", tmp_path / "back" / "model.safetensors")

    assert (tmp_path / "back" / "model.safetensors").read_bytes() == content
    assert [(info.size, info.md5) for info in store.list("model")] == [(len(content), digest)]
    info = store.stat("model/model.safetensors")
    assert info is not None
    assert info.md5 == digest


def test_files_are_streamed_not_held_in_memory(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "large"
    with source.open("wb") as stream:
        stream.truncate(160 << 20)

    tracemalloc.start()
    try:
        store.upload("large", source)
        store.download("large", tmp_path / "back")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (tmp_path / "back").stat().st_size == 160 << 20
    assert peak < 48 << 20


def test_download_replaces_a_file_and_makes_folders(store: Store, tmp_path: Path) -> None:
    store.put("a", b"new")
    target = tmp_path / "some" / "folder" / "file"
    store.download("a", target)
    target.write_bytes(b"an older, longer one")

    store.download("a", target)

    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_uploading_a_file_that_is_not_there_is_the_file_systems_error(store: Store, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        store.upload("a", tmp_path / "absent")
    assert keys_of(store) == []


def test_check_passes_and_leaves_nothing_behind(store: Store) -> None:
    store.check()

    assert keys_of(store) == []


def test_uri_names_the_object(store: Store) -> None:
    assert store.uri("runs/a").endswith("/runs/a")
    assert store.uri("runs/a").startswith(store.uri())


def test_a_folder_goes_up_and_comes_back(store: Store, tmp_path: Path) -> None:
    files = {"config.json": b"{}", "nested/deep/weights": b"w" * 1000, "empty": b""}
    for name, content in files.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(content)
    store.put("best/model-2/other", b"a neighbour whose name begins alike")

    assert upload_tree(store, tmp_path / "model", "best/model") == 3
    assert download_tree(store, "best/model", tmp_path / "back") == 3

    assert {name: (tmp_path / "back" / name).read_bytes() for name in files} == files
    assert sum(path.is_file() for path in (tmp_path / "back").rglob("*")) == 3


def test_a_folder_may_go_to_the_root(store: Store, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").write_bytes(b"x")

    upload_tree(store, tmp_path / "data", "")

    assert keys_of(store) == ["x"]


def test_downloading_nothing_is_an_error_that_names_the_place(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no/model/here"):
        download_tree(store, "no/model/here", tmp_path / "back")


def test_uploading_a_folder_that_is_not_there_is_an_error(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="absent"):
        upload_tree(store, tmp_path / "absent", "model")


def test_a_tree_can_be_removed(store: Store) -> None:
    for key in ("checkpoint/1/a", "checkpoint/1/b", "checkpoint/latest.json", "kept"):
        store.put(key, b"")

    assert delete_tree(store, "checkpoint") == 3
    assert keys_of(store) == ["kept"]


def test_every_error_of_a_store_is_a_store_error() -> None:
    assert issubclass(NotFoundError, StoreError)
    assert issubclass(InvalidKeyError, StoreError)


def test_a_copy_is_an_object_of_its_own(store: Store) -> None:
    store.put("a/model.safetensors", b"weights")

    store.copy("a/model.safetensors", "b/ü 1/model.safetensors")

    store.put("a/model.safetensors", b"others")
    assert store.get("b/ü 1/model.safetensors") == b"weights"
    store.delete("a/model.safetensors")
    assert keys_of(store) == ["b/ü 1/model.safetensors"]


def test_a_copy_replaces_what_is_there_and_keeps_the_digest_of_a_large_object(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(b"x" * LARGE)
    store.upload("large", file)
    store.put("copy", b"before")

    store.copy("large", "copy")

    (copied, original) = store.list()
    assert (copied.size, copied.md5) == (original.size, original.md5)


def test_what_is_not_there_is_not_copied(store: Store) -> None:
    with pytest.raises(NotFoundError, match="nothing/here"):
        store.copy("nothing/here", "target")
    assert keys_of(store) == []
