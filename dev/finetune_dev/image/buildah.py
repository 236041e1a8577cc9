"""Building images with buildah, where no Docker daemon runs.

Storage of its own below the cache, with the overlay driver. A finished image is copied into an OCI layout as it is,
not compressed: only layers that the layout lacks are written, and no core is spent on packing gigabytes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finetune_dev.image import oci
from finetune_dev.image.base_image import debootstrap_into
from finetune_dev.image.catalogue import Image
from finetune_dev.node.mounts import unmount_below
from finetune_dev.paths import REPOSITORY, Paths
from finetune_dev.shell import run, step, succeeds

BASE_REFERENCE = "localhost/finetune-base:trixie"
HOST_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


class Builder:
    """Builds images into the layout `<cache>/images/oci`."""

    def __init__(self, paths: Paths) -> None:
        self._root = paths.images
        self._storage = self._root / "storage"
        self.layout = self._root / "oci"

    def base(self) -> str:
        """The base image's id; made from Debian's packages where it is not there yet."""
        if not self._has(BASE_REFERENCE):
            with step("making the base image (Debian trixie with Python 3.13) from Debian packages"):
                self._make_base()
        return self._buildah("images", "--no-trunc", "--quiet", BASE_REFERENCE).strip()

    def build(self, image: Image, context: Path, *, on_base: bool) -> None:
        """Build an image, on the base image or from nothing, and put it into the layout."""
        base = ("--build-arg", f"BASE_IMAGE={BASE_REFERENCE}") if on_base else ()
        self.tag(image.reference, REPOSITORY / image.dockerfile, context, *base)
        self._copy_to_layout(image)

    def tag(self, reference: str, dockerfile: Path, context: Path, *arguments: str) -> None:
        """Build an image and leave it in the storage under this name; `arguments` are buildah's own."""
        if HOST_AUTHORITIES.exists():
            arguments += ("--secret", f"id=ca-bundle,src={HOST_AUTHORITIES}")
        self._buildah("bud", "--layers", "--tag", reference, *arguments, "--file", str(dockerfile), str(context))

    def pack(self, reference: str, layout: Path, name: str) -> None:
        """Copy an image of the storage into an OCI layout, compressed, as it will be in a registry."""
        options = ("--quiet", "--format", "oci", "--dest-compress-format", "zstd")
        source, target = f"containers-storage:{reference}", f"oci:{layout}:{name}"
        run("nice", "skopeo", "copy", *options, source, target, environment=self._environment())

    @contextmanager
    def mounted(self, reference: str) -> Iterator[Path]:
        """The files of an image of the storage."""
        container = self._buildah("from", "--pull-never", reference).strip()
        try:
            yield Path(self._buildah("mount", container).strip())
        finally:
            self._buildah("umount", container)
            self._buildah("rm", container)

    def forget(self, image: Image) -> None:
        """Drop an image's old layers before it is built from other dependencies: they are gigabytes."""
        if self._has(image.reference):
            self._buildah("rmi", "--force", image.reference)
            self._buildah("rmi", "--prune", "--force")

    def release(self) -> None:
        """Unmount what buildah leaves mounted between builds."""
        unmount_below(self._storage)

    def _copy_to_layout(self, image: Image) -> None:
        self.layout.parent.mkdir(parents=True, exist_ok=True)
        source, target = f"containers-storage:{image.reference}", f"oci:{self.layout}:{image.reference}"
        command = ("skopeo", "copy", "--quiet", "--dest-oci-accept-uncompressed-layers", source, target)
        run(*command, environment=self._environment())
        oci.prune(self.layout)

    def _make_base(self) -> None:
        container = self._buildah("from", "scratch").strip()
        try:
            debootstrap_into(Path(self._buildah("mount", container).strip()))
            self._buildah("unmount", container)
            self._buildah("commit", "--quiet", container, BASE_REFERENCE)
        finally:
            self._buildah("rm", container)

    def _has(self, reference: str) -> bool:
        return succeeds("buildah", "inspect", "--type", "image", reference, environment=self._environment())

    def _buildah(self, *arguments: str) -> str:
        return run("nice", "buildah", *arguments, environment=self._environment())

    def _environment(self) -> dict[str, str]:
        configuration = self._root / "storage.conf"
        if not configuration.exists():
            self._root.mkdir(parents=True, exist_ok=True)
            places = f'runroot = "{self._root / "run"}"\ngraphroot = "{self._storage}"\n'
            configuration.write_text(f'[storage]\ndriver = "overlay"\n{places}')
        # crun or runc would want cgroups and seccomp of the host's liking; a chroot is enough to run pip in.
        return {"CONTAINERS_STORAGE_CONF": str(configuration), "BUILDAH_ISOLATION": "chroot"}
