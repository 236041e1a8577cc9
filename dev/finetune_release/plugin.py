"""The plugin of kubectl for krew: a small program that installs the wheel beside it, and the manifest that names it."""

import tarfile
from pathlib import Path

import yaml

from finetune_dev.paths import REPOSITORY
from finetune_release.facts import Facts
from finetune_release.texts import PLUGIN, krew_manifest
from finetune_store import file_sha256

_PROGRAM = Path(__file__).with_name(f"kubectl-{PLUGIN}")


def pack(facts: Facts, wheel: Path, folder: Path) -> Path:
    """Write archive and manifest into `folder`; the manifest's path."""
    archive = folder / f"kubectl-{PLUGIN}-{facts.version}.tar.gz"
    lock = REPOSITORY / "requirements/operator.lock"
    with tarfile.open(archive, "w:gz") as target:
        for path, name in (
            (_PROGRAM, _PROGRAM.name),
            (wheel, wheel.name),
            (lock, "requirements.lock"),
            (REPOSITORY / "LICENSE", "LICENSE"),
        ):
            target.add(path, arcname=name)
    digest = file_sha256(archive)
    # Without a home, krew installs it by --manifest and --archive.
    uri = f"{facts.downloads}/{archive.name}" if facts.downloads else archive.as_uri()
    manifest = folder / f"{PLUGIN}.yaml"
    content = krew_manifest(facts.version, uri, digest, facts.home)
    manifest.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return manifest
