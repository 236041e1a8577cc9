"""Images of a release: for each platform that this machine can build, in one OCI archive an image.

Layers are compressed by zstd, which containerd and CRI-O of every Kubernetes that the chart allows read, and are pushed
as they are: the digest that the chart names is known before anything is pushed.
"""

import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from finetune_dev.errors import DevError
from finetune_dev.image import oci
from finetune_dev.image.buildah import BASE_REFERENCE, Builder
from finetune_dev.image.catalogue import OPERATOR, TRAINER, Image
from finetune_dev.paths import REPOSITORY
from finetune_dev.shell import run, say, step
from finetune_release.facts import Facts, Registry, own_platform

_INTERPRETERS = Path("/proc/sys/fs/binfmt_misc")
_EMULATORS = {"linux/arm64": "qemu-aarch64", "linux/amd64": "qemu-x86_64"}

CHART_BLOCKS = {OPERATOR.name: "image", TRAINER.name: "trainerImage"}
"""Image -> the block of the chart's values that names it."""


@dataclass(frozen=True)
class Archive:
    """An image in a file, with the digest that a registry will name it by."""

    name: str
    path: Path
    digest: str
    references: tuple[str, ...] = ()
    """Its names in the builder's storage, one a platform."""


def reason_against(platform: str, base_image: str, interpreters: Path = _INTERPRETERS) -> str | None:
    """Why this machine cannot build for a platform, and what to do; None where it can."""
    if platform == own_platform():
        return None
    if not base_image:
        return "the base image made of Debian's packages is this machine's: name one with RELEASE_BASE_IMAGE"
    emulator = _EMULATORS.get(platform)
    if emulator is None or not (interpreters / emulator).exists():
        return f"the kernel knows no {emulator or 'emulator for it'} (binfmt_misc): install qemu-user-static"
    return None


def possible(facts: Facts) -> tuple[str, ...]:
    """The platforms that are built; what is left out is said. `DevError` where none is left."""
    reasons = {platform: reason_against(platform, facts.base_image) for platform in facts.platforms}
    for platform, reason in reasons.items():
        if reason:
            say(f"{platform} is left out: {reason}")
    able = tuple(platform for platform, reason in reasons.items() if reason is None)
    if not able:
        raise DevError(f"this machine builds for none of {', '.join(facts.platforms)}")
    return able


def build(builder: Builder, facts: Facts, folder: Path) -> list[Archive]:
    """Build both images into `folder`."""
    platforms = possible(facts)
    if not facts.base_image:
        builder.base()
    return [_archive(builder, image, facts, platforms, folder) for image in (OPERATOR, TRAINER)]


def _archive(builder: Builder, image: Image, facts: Facts, platforms: tuple[str, ...], folder: Path) -> Archive:
    names = {platform: f"{facts.version}-{platform.replace('/', '-')}" for platform in platforms}
    references = {platform: f"localhost/{image.name}:{name}" for platform, name in names.items()}
    layout = folder / f".{image.name}"
    for platform, reference in references.items():
        with step(f"building {image.name} for {platform}"):
            builder.tag(reference, REPOSITORY / image.dockerfile, REPOSITORY, *_arguments(facts, platform))
            builder.pack(reference, layout, names[platform])
    return pack(layout, names, f"{image.name}:{facts.version}", folder, tuple(references.values()))


def _arguments(facts: Facts, platform: str) -> tuple[str, ...]:
    labels = {"version": facts.version, "revision": facts.commit, "licenses": "Apache-2.0"}
    given = [f"--label=org.opencontainers.image.{key}={value}" for key, value in labels.items()]
    # Said only where it is another one: it would make the storage forget the layers that it has.
    foreign = [] if platform == own_platform() else [f"--platform={platform}"]
    return (f"--build-arg=BASE_IMAGE={facts.base_image or BASE_REFERENCE}", *given, *foreign)


def pack(
    layout: Path, names: dict[str, str], reference: str, folder: Path, references: tuple[str, ...] = ()
) -> Archive:
    """Make a layout with one image a platform an archive, and remove it."""
    digest = oci.join_platforms(layout, names, reference)
    name, _, version = reference.partition(":")
    path = folder / f"{name}-{version}.oci.tar"
    with tarfile.open(path, "w") as archive:
        for part in ("oci-layout", "index.json", "blobs"):
            archive.add(layout / part, arcname=part)
    shutil.rmtree(layout)
    return Archive(name, path, digest, references)


def push(archive: Archive, registry: Registry, version: str) -> None:
    """Push an archive as it is, so that its digest stays."""
    target = f"docker://{registry.image(archive.name)}:{version}"
    options = ("--all", "--preserve-digests", "--quiet", f"--dest-tls-verify={str(not registry.plain).lower()}")
    with step(f"pushing {archive.name}"):
        run("skopeo", "copy", *options, f"oci-archive:{archive.path}", target)
