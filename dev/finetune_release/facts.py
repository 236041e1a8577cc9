"""What a release is of: version, commit, and what the environment says about where it goes."""

import os
import platform
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from finetune_dev.errors import DevError
from finetune_dev.paths import REPOSITORY
from finetune_dev.shell import run

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Registry:
    """Where images and charts go: a host and a folder, such as `registry.example.com/team`."""

    place: str
    plain: bool = False
    """Whether it speaks plain HTTP, as a registry on this machine does."""

    @classmethod
    def parse(cls, text: str) -> "Registry":
        """`http://` before the name stands for plain HTTP; names of images have no capitals."""
        return cls(text.removeprefix("http://").rstrip("/").lower(), plain=text.startswith("http://"))

    def image(self, name: str) -> str:
        """The repository of an image."""
        return f"{self.place}/{name}"

    @property
    def charts(self) -> str:
        """The folder of charts: one cannot have the name of an image."""
        return f"oci://{self.place}/charts"


@dataclass(frozen=True)
class Facts:
    """One release."""

    version: str
    commit: str
    registry: Registry | None = None
    home: str = ""
    """The address of the repository, of whose `releases/download/v<version>` the files will be."""

    base_image: str = ""
    """The image that both images are built on; empty: the one that is made here of Debian's packages."""

    platforms: tuple[str, ...] = ()
    signing_key: Path | None = None

    @property
    def downloads(self) -> str:
        """The folder that the files can be fetched from; empty where there is none."""
        return f"{self.home}/releases/download/v{self.version}" if self.home else ""


def gather(environment: Mapping[str, str] = os.environ, repository: Path = REPOSITORY) -> Facts:
    """The facts of the tree as it is committed; `DevError` where it is not what is committed."""
    if changed := run("git", "status", "--porcelain", folder=repository).strip():
        raise DevError(f"a release is of a commit, and these are not committed:\n{changed}")
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tag = environment.get("GITHUB_REF_NAME") if environment.get("GITHUB_REF_TYPE") == "tag" else None
    if tag not in (None, f"v{project['version']}"):
        raise DevError(f"the tag is {tag}, and pyproject.toml says {project['version']}: correct one of them")
    registry, key = environment.get("RELEASE_REGISTRY", ""), environment.get("RELEASE_SIGNING_KEY", "")
    platforms = environment.get("RELEASE_PLATFORMS") or "linux/amd64,linux/arm64"
    return Facts(
        version=project["version"],
        commit=run("git", "rev-parse", "HEAD", folder=repository).strip(),
        registry=Registry.parse(registry) if registry else None,
        home=environment.get("RELEASE_HOME", "").rstrip("/"),
        base_image=environment.get("RELEASE_BASE_IMAGE", ""),
        platforms=tuple(platforms.split(",")),
        signing_key=Path(key) if key else None,
    )


def own_platform() -> str:
    """The platform of this machine."""
    machine = platform.machine()
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"
