"""Images: what makes one out of date, and which of its blobs an import must carry."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from finetune_dev.errors import DevError
from finetune_dev.image import oci
from finetune_dev.image.base_image import mirror
from finetune_dev.image.catalogue import Image

IMAGE = Image("app", "app/Dockerfile", heavy=("app.lock",), light=("src", "pyproject.toml"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("app/Dockerfile", "app.lock", "src/package/module.py", "pyproject.toml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def _store(layout: Path, content: bytes) -> str:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    path = oci.blob_path(layout, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest


def _add_image(layout: Path, reference: str, layers: tuple[bytes, ...]) -> oci.StoredImage:
    """Put an image of these layers under a name; only one name at a time is needed here."""
    manifest = {
        "config": {"digest": _store(layout, b"config of " + reference.encode())},
        "layers": [{"digest": _store(layout, layer)} for layer in layers],
    }
    entry = {
        "digest": _store(layout, json.dumps(manifest).encode()),
        "annotations": {"org.opencontainers.image.ref.name": reference},
    }
    (layout / "index.json").write_text(json.dumps({"manifests": [entry]}))
    return oci.find_image(layout, reference)


def test_changed_source_makes_the_image_out_of_date_but_not_its_dependencies(tree: Path) -> None:
    before, heavy_before = IMAGE.digest("base", tree), IMAGE.heavy_digest("base", tree)
    (tree / "src/package/module.py").write_text("changed")
    assert IMAGE.digest("base", tree) != before
    assert IMAGE.heavy_digest("base", tree) == heavy_before


@pytest.mark.parametrize("name", ["app.lock", "app/Dockerfile"])
def test_changed_lock_or_dockerfile_makes_the_dependencies_out_of_date(tree: Path, name: str) -> None:
    before = IMAGE.heavy_digest("base", tree)
    (tree / name).write_text("changed")
    assert IMAGE.heavy_digest("base", tree) != before


def test_other_base_image_makes_everything_out_of_date(tree: Path) -> None:
    assert IMAGE.digest("base", tree) != IMAGE.digest("other", tree)
    assert IMAGE.heavy_digest("base", tree) != IMAGE.heavy_digest("other", tree)


def test_renamed_source_makes_the_image_out_of_date(tree: Path) -> None:
    before = IMAGE.digest("base", tree)
    (tree / "src/package/module.py").rename(tree / "src/package/renamed.py")
    assert IMAGE.digest("base", tree) != before


def test_bytecode_does_not_make_the_image_out_of_date(tree: Path) -> None:
    before = IMAGE.digest("base", tree)
    (tree / "src/package/__pycache__").mkdir()
    (tree / "src/package/__pycache__/module.pyc").write_bytes(b"\0")
    assert IMAGE.digest("base", tree) == before


def test_import_carries_the_blobs_that_are_missing_and_always_the_manifest(tmp_path: Path) -> None:
    image = _add_image(tmp_path, "app:dev", (b"dependencies", b"code"))
    manifest, config, dependencies, code = image.blobs
    assert oci.missing(image, {dependencies}) == (manifest, config, code)
    assert oci.missing(image, set(image.blobs)) == (manifest,)


def test_layer_that_occurs_twice_is_carried_once(tmp_path: Path) -> None:
    image = _add_image(tmp_path, "app:dev", (b"empty", b"empty"))
    assert len(oci.missing(image, ())) == 3


def test_archive_holds_the_index_and_only_the_named_blobs(tmp_path: Path) -> None:
    image = _add_image(tmp_path, "app:dev", (b"dependencies", b"code"))
    target = io.BytesIO()
    oci.write_archive(tmp_path, image, [image.digest, image.blobs[3]], target)
    target.seek(0)
    with tarfile.open(fileobj=target) as archive:
        blobs = [f"blobs/sha256/{digest.removeprefix('sha256:')}" for digest in (image.digest, image.blobs[3])]
        assert archive.getnames() == ["oci-layout", "index.json", *blobs]
        index = archive.extractfile("index.json")
        assert index is not None
        assert json.load(index)["manifests"] == [image.entry]


def test_pruning_removes_only_what_no_image_refers_to(tmp_path: Path) -> None:
    old = _add_image(tmp_path, "app:dev", (b"dependencies", b"old code"))
    new = _add_image(tmp_path, "app:dev", (b"dependencies", b"new code"))
    oci.prune(tmp_path)
    assert all(oci.blob_path(tmp_path, digest).exists() for digest in new.blobs)
    assert [oci.blob_path(tmp_path, digest).exists() for digest in old.blobs] == [False, True, True, False]


def test_image_that_the_layout_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(DevError, match=r"holds no image app:dev"):
        oci.find_image(tmp_path, "app:dev")


def test_mirror_is_the_one_that_holds_a_whole_debian() -> None:
    sources = (
        "http://mirror.example/debian-security/ main\n"
        "http://packages.example/node main\n"
        "http://mirror.example/debian/ non-free\n"
        "http://mirror.example/debian/ main\n"
    )
    assert mirror(sources) == "http://mirror.example/debian/"


def test_no_debian_mirror_says_where_to_look() -> None:
    with pytest.raises(DevError, match=r"sources\.list"):
        mirror("http://packages.example/node main\n")
