"""A registry of images and charts on this machine, and images of a few bytes to put into it."""

import hashlib
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetune_dev import binaries
from finetune_dev.image import oci
from finetune_release import images
from finetune_release.facts import Registry
from finetune_release.images import Archive

PLATFORMS = ("linux/amd64", "linux/arm64")


@contextmanager
def running_registry() -> Iterator[Registry]:
    """A registry that keeps what it is given until it ends."""
    command = [str(binaries.ensure("registry")), "-port=0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = re.search(r"serving on port (\d+)", process.stderr.readline())
        assert said
        try:
            yield Registry.parse(f"http://localhost:{said[1]}/team")
        finally:
            process.terminate()


def small_archive(name: str, version: str, folder: Path) -> Archive:
    """An image of two platforms, each with one file, as a release packs it."""
    layout = folder / f"layout-{name}"
    entries = [_image(layout, f"{name} for {platform}", platform) for platform in PLATFORMS]
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    (layout / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    return images.pack(layout, {platform: platform for platform in PLATFORMS}, f"{name}:{version}", folder)


def _image(layout: Path, text: str, platform: str) -> dict[str, Any]:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        member = tarfile.TarInfo("text")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    system, _, architecture = platform.partition("/")
    diff = f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"
    config = {"architecture": architecture, "os": system, "rootfs": {"type": "layers", "diff_ids": [diff]}}
    manifest = {
        "schemaVersion": 2,
        "config": _blob(layout, json.dumps(config).encode(), "config.v1+json"),
        "layers": [_blob(layout, layer.getvalue(), "layer.v1.tar")],
    }
    entry = _blob(layout, json.dumps(manifest).encode(), "manifest.v1+json")
    return {**entry, "annotations": {"org.opencontainers.image.ref.name": platform}}


def _blob(layout: Path, content: bytes, kind: str) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    path = oci.blob_path(layout, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": len(content)}
