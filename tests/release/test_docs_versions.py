"""The documentation's site keeps the versions that it had."""

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from finetune_release import docs
from finetune_release.facts import Facts


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a page."""
    folder = tmp_path / "repository"
    (folder / "docs").mkdir(parents=True)
    (folder / "docs/index.md").write_text("# Words of old\n")
    (folder / "mkdocs.yml").write_text("site_name: x\nuse_directory_urls: false\n")
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "words")


def read(archive: Path) -> dict[str, str]:
    with tarfile.open(archive) as site:
        files = {member.name: site.extractfile(member) for member in site if member.name.endswith((".html", ".json"))}
        return {name: file.read().decode() for name, file in files.items() if file}


def test_a_version_is_added_to_those_that_were_published(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    docs.build(Facts("1.0.0", "c"), clone, tmp_path, repository)
    assert git(repository, "branch", "--list", "gh-pages") == ""
    # As the workflow publishes it.
    git(repository, "fetch", "--quiet", str(clone), "gh-pages:gh-pages")
    (repository / "docs/index.md").write_text("# Words of today\n")
    commit(repository)
    site = read(docs.build(Facts("1.1.0", "c"), clone, tmp_path, repository))

    assert [version["version"] for version in json.loads(site["versions.json"])] == ["1.1.0", "1.0.0"]
    assert "Words of old" in site["1.0.0/index.html"]
    assert "Words of today" in site["1.1.0/index.html"]
    assert "latest/" in site["index.html"]
