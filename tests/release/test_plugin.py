"""The plugin of kubectl, unpacked as krew does it, and the wheel that it installs."""

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from finetune_dev.paths import REPOSITORY
from finetune_release import plugin, tools
from finetune_release.facts import Facts

PROJECT_VERSION = "0.1.0"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel, the plugin's archive and its manifest."""
    folder = tmp_path_factory.mktemp("release")
    build = [tools.uv(), "build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", str(folder)]
    subprocess.run(
        [*build, "--build-constraints", "requirements/build.lock", "--require-hashes"], cwd=REPOSITORY, check=True
    )
    (wheel,) = folder.glob("*.whl")
    plugin.pack(Facts(PROJECT_VERSION, "c0ffee", home="https://example.com/a"), wheel, folder)
    return folder


def test_the_manifest_names_the_archive_by_its_sum(release: Path) -> None:
    spec = yaml.safe_load((release / "finetune.yaml").read_text())["spec"]
    (platform,) = spec["platforms"]
    archive = release / f"kubectl-finetune-{PROJECT_VERSION}.tar.gz"
    assert spec["version"] == f"v{PROJECT_VERSION}"
    assert platform["uri"] == f"https://example.com/a/releases/download/v{PROJECT_VERSION}/{archive.name}"
    assert platform["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    with tarfile.open(archive) as content:
        assert {platform["bin"], "requirements.lock", "LICENSE"} <= set(content.getnames())


def test_the_first_call_installs_the_program_and_the_next_ones_start_it(release: Path, tmp_path: Path) -> None:
    unpacked, links = tmp_path / "store", tmp_path / "bin"
    with tarfile.open(release / f"kubectl-finetune-{PROJECT_VERSION}.tar.gz") as archive:
        archive.extractall(unpacked, filter="data")
    links.mkdir()
    (links / "kubectl-finetune").symlink_to("../store/kubectl-finetune")
    path = f"{links}:{Path(tools.uv()).parent}:{os.environ['PATH']}"
    place = {**os.environ, "PATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    # uv's own cache has what the environment of the tests was installed from.
    place["UV_CACHE_DIR"] = subprocess.run(
        [tools.uv(), "cache", "dir"], capture_output=True, text=True, check=True
    ).stdout.strip()

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["kubectl-finetune", *arguments], env=place, capture_output=True, text=True, check=False)

    first, second, wrong = call("--version"), call("--version"), call("sumbit")
    assert first.stdout == second.stdout == f"finetune {PROJECT_VERSION}\n"
    assert "installing its packages" in first.stderr
    assert second.stderr == ""
    assert wrong.returncode == 2
    assert [path.name for path in (tmp_path / "cache/finetune").iterdir()] == [
        f"finetune_operator-{PROJECT_VERSION}-py3-none-any"
    ]
