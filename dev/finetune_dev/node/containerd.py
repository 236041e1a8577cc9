"""The cluster's containerd, by its own command line client `ctr`."""

import os
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from finetune_dev.errors import CommandError, DevError
from finetune_dev.image import oci
from finetune_dev.shell import run, say, succeeds

# Kubernetes' own: what the kubelet sees.
_NAMESPACE = "k8s.io"
_CONTENT = "io.containerd.content.v1.content"


@dataclass(frozen=True)
class Containerd:
    """containerd at a socket, with its root folder."""

    socket: Path
    root: Path

    def answers(self) -> bool:
        """Whether it serves requests."""
        return self.socket.exists() and succeeds("ctr", "--address", self.socket, "--timeout", "5s", "version")

    def has_image(self, reference: str, digest: str) -> bool:
        """Whether an image of that name has just that content."""
        rows = (line.split() for line in self._ctr("images", "list").splitlines()[1:])
        return any(row[0] == reference and digest in row for row in rows)

    def load(self, layout: Path, reference: str) -> None:
        """Import an image from an OCI layout on the same file system: only the blobs that are not there yet.

        The layout's blobs then become hard links to containerd's: both keep them by digest and never write to them
        again, so gigabytes need not lie there twice.
        """
        image = oci.find_image(layout, reference)
        before = self._untagged_of(reference)
        try:
            self._import(layout, image, oci.missing(image, self._digests()))
        except CommandError as error:
            # containerd's garbage collector can take the snapshot of a layer before the next one stands on it (seen
            # once: "parent snapshot ... does not exist"); what was imported counts at the second try.
            say(f"once more, after: {str(error).splitlines()[-1]}")
            self._import(layout, image, oci.missing(image, self._digests()))
        for digest in image.blobs:
            _share(oci.blob_path(self.root / _CONTENT, digest), oci.blob_path(layout, digest))
        if stale := before - self._untagged_of(reference):
            self._ctr("images", "remove", *sorted(stale))

    def forget_containers(self) -> None:
        """Remove all containers, with what they wrote, from its records; their processes must be dead."""
        for container in self._ctr("containers", "list", "--quiet").split():
            succeeds("ctr", *self._options(), "tasks", "delete", "--force", container)
            self._ctr("containers", "remove", container)

    def _import(self, layout: Path, image: oci.StoredImage, blobs: tuple[str, ...]) -> None:
        size = sum(oci.blob_path(layout, digest).stat().st_size for digest in blobs)
        say(f"loading {len(blobs)} of {len(image.blobs)} blobs ({size / 1e6:.1f} MB)")
        command = ["ctr", *self._options(), "images", "import", "-"]
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
            # Where ctr ends early, its exit code and output tell more than the broken pipe.
            with suppress(BrokenPipeError), cast("IO[bytes]", process.stdin) as pipe:
                oci.write_archive(layout, image, blobs, pipe)
            if process.wait():
                output.seek(0)
                raise CommandError(command, process.returncode, output.read().decode(errors="replace"))

    def _untagged_of(self, reference: str) -> set[str]:
        """The names `sha256:...` that the CRI gives to the content now behind a name; they would keep it for ever."""
        rows = [line.split() for line in self._ctr("images", "list").splitlines()[1:]]
        contents = {row[2] for row in rows if row[0] == reference}
        return {row[0] for row in rows if row[2] in contents and row[0].startswith("sha256:")}

    def _digests(self) -> set[str]:
        return set(self._ctr("content", "list", "--quiet").split())

    def _ctr(self, *arguments: str) -> str:
        return run("ctr", *self._options(), *arguments)

    def _options(self) -> tuple[str, ...]:
        return ("--address", str(self.socket), "--namespace", _NAMESPACE)


def _share(stored: Path, copy: Path) -> None:
    """Replace a copy by a hard link to the stored blob of the same digest."""
    if stored.stat().st_dev != copy.stat().st_dev:
        raise DevError(f"{stored} and {copy} must be on one file system: both belong below the cache folder")
    if not stored.samefile(copy):
        link = copy.with_name(f".{copy.name}")
        link.unlink(missing_ok=True)
        os.link(stored, link)
        link.replace(copy)
