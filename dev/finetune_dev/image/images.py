"""The cluster's images: built only where what they are made of changed, loaded only where the cluster lacks them."""

import json
from dataclasses import dataclass
from pathlib import Path

from finetune_dev import binaries
from finetune_dev.image import oci
from finetune_dev.image.buildah import Builder
from finetune_dev.image.catalogue import PAUSE, PROJECT_IMAGES, Image
from finetune_dev.node.containerd import Containerd
from finetune_dev.paths import REPOSITORY, Paths
from finetune_dev.shell import one_at_a_time, say, step


@dataclass(frozen=True)
class Stamp:
    """What an image in the layout was built from, and the digest of its manifest."""

    heavy: str
    inputs: str
    manifest: str


class ImageStore:
    """Images of a cluster of this machine's own."""

    def __init__(self, paths: Paths, containerd: Containerd) -> None:
        self._stamps = paths.images / "stamps"
        self._builder = Builder(paths)
        self._containerd = containerd

    def build_project(self) -> dict[Image, Stamp]:
        """Have the project's images of the tree's present state built; needs no cluster."""
        with one_at_a_time(self._stamps):
            base = self._builder.base()
            built = {image: self._current(image, base) for image in PROJECT_IMAGES}
            self._builder.release()
        return built

    def load_project(self) -> None:
        """Have the project's images of the tree's present state in the cluster."""
        for image, stamp in self.build_project().items():
            self._load(image, stamp)

    def load_program(self, image: Image, program: Path) -> None:
        """Have an image in the cluster that holds one built program and nothing else."""
        inputs = str(program)
        with one_at_a_time(self._stamps):
            stamp = self._stamp(image)
            if stamp is None or stamp.inputs != inputs:
                self._builder.build(image, program.parent, on_base=False)
                self._builder.release()
                stamp = self._write_stamp(image, inputs, inputs)
        self._load(image, stamp)

    def _current(self, image: Image, base: str) -> Stamp:
        stamp = self._stamp(image)
        if stamp is None or stamp.inputs != image.digest(base):
            return self._build(image, base, stamp)
        return stamp

    def _build(self, image: Image, base: str, before: Stamp | None) -> Stamp:
        # Taken before the build: what changes during it makes the image out of date.
        heavy, inputs = image.heavy_digest(base), image.digest(base)
        if before is not None and before.heavy != heavy:
            say(f"{image.name}: its dependencies changed, so its old layers are dropped")
            self._builder.forget(image)
        first = "" if before else " (with all its dependencies)"
        with step(f"building {image.reference}{first}"):
            self._builder.build(image, REPOSITORY, on_base=True)
        return self._write_stamp(image, heavy, inputs)

    def _load(self, image: Image, stamp: Stamp) -> None:
        if self._containerd.has_image(image.reference, stamp.manifest):
            say(f"{image.reference} is up to date")
            return
        with step(f"loading {image.reference} into the cluster"):
            self._containerd.load(self._builder.layout, image.reference)

    def _stamp(self, image: Image) -> Stamp | None:
        path = self._stamp_path(image)
        return Stamp(**json.loads(path.read_text())) if path.exists() else None

    def _write_stamp(self, image: Image, heavy: str, inputs: str) -> Stamp:
        stamp = Stamp(heavy, inputs, oci.find_image(self._builder.layout, image.reference).digest)
        self._stamp_path(image).write_text(json.dumps(vars(stamp)))
        return stamp

    def _stamp_path(self, image: Image) -> Path:
        return self._stamps / f"{image.name}.json"


def load_pause(paths: Paths, containerd: Containerd) -> None:
    """Build the pause program and its image where they are not there yet, and load it."""
    ImageStore(paths, containerd).load_program(PAUSE, binaries.ensure("pause", paths))
