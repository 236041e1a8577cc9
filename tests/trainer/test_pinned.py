"""What a run fetches from a bucket is what its plan pinned, or the run fails with both digests."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from finetune_core.planning.identity import FileEntry, content_digest
from finetune_core.planning.plan import ResolvedData
from finetune_core.tasks.data_files import DataLayout, SplitFiles
from finetune_store import DirectoryStore, ObjectInfo, S3Connection, Store, every
from finetune_trainer.errors import UserError
from finetune_trainer.inputs import Inputs

URI = "s3://bucket/folder"
FILES = {"config.json": b"{}", "model.safetensors": b"weights"}


class Bucket(DirectoryStore):
    """A folder as a bucket; `etags` in place of the MD5s that a listing gives."""

    etags: dict[str, str | None]

    def list(
        self, prefix: str = "", *, limit: int | None = None, wanted: Callable[[str], bool] = every
    ) -> Iterator[ObjectInfo]:
        for info in super().list(prefix, limit=limit, wanted=wanted):
            plain = ObjectInfo(info.key, info.size, info.md5, info.modified)
            yield replace(plain, md5=self.etags[info.key]) if info.key in self.etags else plain


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    made = Bucket(tmp_path / "bucket")
    made.etags = {}
    for name, content in FILES.items():
        made.put(name, content)
    return made


@pytest.fixture
def inputs(tmp_path: Path, bucket: Store, monkeypatch: pytest.MonkeyPatch) -> Inputs:
    def opened(*_: Any, **__: Any) -> Store:
        return bucket

    monkeypatch.setattr("finetune_trainer.inputs.open_store", opened)
    return Inputs(tmp_path / "work", connection=S3Connection(), retry_seconds=0, pvc_root=tmp_path)


def digest_of(files: dict[str, bytes], **etags: str | None) -> str:
    """By the definition: MD5s and sizes, or what the bucket said in their place."""
    known = {name.replace("_", "."): etag for name, etag in etags.items()}
    return content_digest(
        FileEntry(name, known.get(name, md5(content).hexdigest()) or "", len(content))
        for name, content in files.items()
    )


def test_a_model_that_is_as_it_was_is_used(inputs: Inputs) -> None:
    folder = inputs.model(URI, digest_of(FILES))
    assert (folder / "model.safetensors").read_bytes() == b"weights"


@pytest.mark.parametrize("key", ["model.safetensors", "added.safetensors"])
def test_a_model_that_was_overwritten_fails_the_run_with_both_digests(inputs: Inputs, bucket: Bucket, key: str) -> None:
    bucket.put(key, b"WEIGHTS")
    planned, found = digest_of(FILES), digest_of({**FILES, key: b"WEIGHTS"})
    with pytest.raises(UserError, match=f"its content is {found}, the plan's {planned}.*execution.retryToken"):
        inputs.model(URI, planned)


def test_what_was_put_back_is_fetched_again(inputs: Inputs, bucket: Bucket) -> None:
    bucket.put("model.safetensors", b"other")
    with pytest.raises(UserError):
        inputs.model(URI, digest_of(FILES))
    bucket.put("model.safetensors", b"weights")
    assert (inputs.model(URI, digest_of(FILES)) / "model.safetensors").read_bytes() == b"weights"


def test_etags_that_are_no_digests_of_the_content_are_compared_with_the_bucket(inputs: Inputs, bucket: Bucket) -> None:
    bucket.etags = {"model.safetensors": "0" * 32}  # a bucket that encrypts with KMS keys
    planned = digest_of(FILES, model_safetensors="0" * 32)
    inputs.model(URI, planned)


def test_a_file_without_a_digest_is_compared_by_its_size(inputs: Inputs, bucket: Bucket) -> None:
    bucket.etags = {"model.safetensors": None}  # another program uploaded it in parts
    planned = digest_of(FILES, model_safetensors=None)
    inputs.model(URI, planned)
    bucket.put("model.safetensors", b"longer weights")
    with pytest.raises(UserError, match="no longer what was planned with"):
        Inputs(inputs._work / "2", connection=S3Connection(), retry_seconds=0, pvc_root=inputs._work).model(
            URI, planned
        )


def test_processes_of_a_pod_fetch_a_model_once_and_what_one_left_half_done_anew(
    inputs: Inputs, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def download(key: str, path: Path) -> None:
        fetched.append(key)
        if len(fetched) == 2:
            raise InterruptedError("killed")
        DirectoryStore.download(bucket, key, path)

    monkeypatch.setattr(bucket, "download", download)
    with pytest.raises(InterruptedError):
        inputs.model(URI, digest_of(FILES))
    for _ in range(3):
        another = Inputs(inputs._work, connection=S3Connection(), retry_seconds=0, pvc_root=inputs._work)
        assert (another.model(URI, digest_of(FILES)) / "model.safetensors").read_bytes() == b"weights"

    assert sorted(fetched) == sorted([*FILES, *FILES])


DATA = {"train.csv": b"a,b", "dev.csv": b"c,d", "test.csv": b"e,f"}
DECISIVE = {"train.csv", "dev.csv"}


def data() -> ResolvedData:
    splits = SplitFiles(layout=DataLayout.CUSTOM, files={name[:-4]: (name,) for name in DATA})
    return ResolvedData(uri=URI, digest=digest_of({name: DATA[name] for name in DECISIVE}), splits=splits)


def test_training_and_dev_files_are_what_was_pinned(inputs: Inputs, bucket: Bucket) -> None:
    for name, content in DATA.items():
        bucket.put(name, content)
    (path,) = inputs.data_files(data(), ["train.csv"], DECISIVE)
    assert path.read_bytes() == b"a,b"


@pytest.mark.parametrize("asked", ["train.csv", "test.csv"])
def test_a_dev_file_that_was_overwritten_fails_the_run(inputs: Inputs, bucket: Bucket, asked: str) -> None:
    for name, content in (DATA | {"dev.csv": b"x,y"}).items():
        bucket.put(name, content)
    with pytest.raises(UserError, match=f"is no longer what was planned with: .* the plan's {data().digest}"):
        inputs.data_files(data(), [asked], DECISIVE)


def test_a_test_file_may_be_replaced(inputs: Inputs, bucket: Bucket) -> None:
    for name, content in (DATA | {"test.csv": b"other"}).items():
        bucket.put(name, content)
    (path,) = inputs.data_files(data(), ["test.csv"], DECISIVE)
    assert path.read_bytes() == b"other"
