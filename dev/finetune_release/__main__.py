"""`make release`: everything into build/release, then into the registry that RELEASE_REGISTRY names."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from finetune_core.problems import FinetuneError
from finetune_dev.errors import DevError
from finetune_dev.image.buildah import Builder
from finetune_dev.node.system import install_packages
from finetune_dev.paths import REPOSITORY, Paths
from finetune_dev.shell import run, say, step
from finetune_release import chart, docs, images, plugin, tools
from finetune_release.facts import Facts, gather, own_platform
from finetune_release.images import Archive
from finetune_release.signing import sign
from finetune_release.texts import notes, provenance
from finetune_store import file_sha256

_BUILD = REPOSITORY / "build"
_FOLDER = _BUILD / "release"


def main() -> int:
    """Make the release; returns the exit code."""
    try:
        _make(gather())
    except (DevError, FinetuneError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _make(facts: Facts) -> None:
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _FOLDER.mkdir(parents=True)
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    (_FOLDER / "NOTES.md").write_text(notes(changelog, facts.version, facts.home), encoding="utf-8")
    wheel = _project()
    install_packages("buildah", "skopeo", *(() if facts.base_image else ("debootstrap",)))
    builder = Builder(Paths.default())
    archives = images.build(builder, facts, _FOLDER)
    packed = chart.package(facts, archives, _FOLDER)
    plugin.pack(facts, wheel, _FOLDER)
    crds = [path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / "crds").glob("*.yaml"))]
    (_FOLDER / f"crds-{facts.version}.yaml").write_text("---\n".join(crds), encoding="utf-8")
    _bills(builder, facts, archives, wheel)
    builder.release()
    docs.build(facts, _BUILD / "docs-release", _FOLDER)
    attest(facts, archives, _FOLDER, os.environ)
    if facts.registry:
        for archive in archives:
            images.push(archive, facts.registry, facts.version)
        chart.push(packed, facts.registry)
    print(_FOLDER.relative_to(REPOSITORY))


def _project() -> Path:
    """Build sdist and wheel with the pinned build system; the wheel."""
    lock = ("--build-constraints", REPOSITORY / "requirements/build.lock", "--require-hashes")
    with step("building wheel and sdist"):
        run(tools.uv(), "build", "--quiet", "--python", sys.executable, *lock, "--out-dir", _FOLDER, REPOSITORY)
    (_FOLDER / ".gitignore").unlink(missing_ok=True)
    (wheel,) = _FOLDER.glob("*.whl")
    return wheel


def _bills(builder: Builder, facts: Facts, archives: Iterable[Archive], wheel: Path) -> None:
    """Write what is in each image, and what the wheel was tested with."""
    with step("writing bills of materials"):
        for archive in archives:
            for reference in archive.references:
                name = reference.rpartition("/")[2].replace(":", "-")
                with builder.mounted(reference) as root:
                    what = (archive.name, facts.version, root)
                    tools.python("-m", "finetune_release.bill", *what, _FOLDER / f"{name}.cdx.json")
        tools.python(
            *("-m", "cyclonedx_py", "requirements", "requirements/operator.lock", "--pyproject", "pyproject.toml"),
            *("--mc-type", "library", "--output-reproducible", "--output-format", "JSON"),
            *("--output-file", _FOLDER / f"{wheel.stem}.cdx.json"),
        )


def attest(facts: Facts, archives: Iterable[Archive], folder: Path, environment: Mapping[str, str]) -> None:
    """Write the sums of all files and where they come from, and sign both where there is something to sign with."""
    sums = {path.name: file_sha256(path) for path in sorted(folder.iterdir()) if path.is_file()}
    lines = [f"{digest}  {name}\n" for name, digest in sums.items()]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    # In the registry an image is its digest; its archive here is a file like others.
    in_registry = {archive.name: archive.digest.removeprefix("sha256:") for archive in archives}
    source = {"name": "source", "digest": {"gitCommit": facts.commit}}
    if facts.home:
        source["uri"] = f"git+{facts.home}@refs/tags/v{facts.version}"
    statement = provenance(sums | in_registry, source, _builder(environment))
    (folder / "provenance.json").write_text(json.dumps(statement, indent=1), encoding="utf-8")
    say(sign(folder, facts.signing_key))


def _builder(environment: Mapping[str, str]) -> dict[str, str]:
    """Who builds: the workflow on GitHub, or somebody's machine."""
    server = environment.get("GITHUB_SERVER_URL")
    if not server:
        return {"id": f"urn:finetune.dev:local:{own_platform()}"}
    run_id = f"{environment['GITHUB_REPOSITORY']}/actions/runs/{environment['GITHUB_RUN_ID']}"
    return {"id": f"{server}/{environment['GITHUB_WORKFLOW_REF']}", "run": f"{server}/{run_id}"}


if __name__ == "__main__":
    sys.exit(main())
