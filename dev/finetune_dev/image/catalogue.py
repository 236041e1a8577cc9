"""The images that the local cluster runs, and what each is made of."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from finetune_dev.paths import REPOSITORY

_TAG = "dev"
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "operator/src", "trainer_image/src", ".dockerignore")


@dataclass(frozen=True)
class Image:
    """One image: `heavy` decides its slow layers, `light` (our own code) only the last ones.

    Both are files and folders below the repository; one that is not there counts as empty.
    """

    name: str
    dockerfile: str
    heavy: tuple[str, ...] = ()
    light: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """The name in the cluster; it stands for no registry, so a pod must not pull it always."""
        return f"localhost/{self.name}:{_TAG}"

    def heavy_digest(self, base: str, repository: Path = REPOSITORY) -> str:
        """Digest of what decides the slow layers; `base` identifies the base image."""
        return digest_of(repository, (self.dockerfile, *self.heavy), base)

    def digest(self, base: str, repository: Path = REPOSITORY) -> str:
        """Digest of everything that the image is made of."""
        return digest_of(repository, (self.dockerfile, *self.heavy, *self.light), base)


OPERATOR = Image(
    "finetune-operator", "operator/Dockerfile", ("requirements/operator.lock", "requirements/build.lock"), _SOURCES
)
TRAINER = Image(
    "finetune-trainer", "trainer_image/Dockerfile", ("requirements/trainer.lock", "requirements/build.lock"), _SOURCES
)
SEAWEEDFS = Image("finetune-seaweedfs", "dev/images/seaweedfs/Dockerfile", ("dev/images/seaweedfs/requirements.lock",))
PAUSE = Image("finetune-pause", "dev/images/pause/Dockerfile")
KUBERAY = Image("finetune-kuberay", "dev/images/kuberay/Dockerfile")
KUEUE = Image("finetune-kueue", "dev/images/kueue/Dockerfile")

PROJECT_IMAGES = (OPERATOR, SEAWEEDFS, TRAINER)


def digest_of(repository: Path, names: Iterable[str], *facts: str) -> str:
    """Digest of files' and folders' names and contents, and of `facts`; bytecode does not count."""
    total = hashlib.sha256("\0".join(facts).encode())
    for name in names:
        for path in _files(repository / name):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"\0{path.relative_to(repository)}\0{content}".encode())
    return total.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from sorted(each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
