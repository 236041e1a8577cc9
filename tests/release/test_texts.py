"""Texts of a release, and what a machine can build."""

import subprocess
from pathlib import Path

import pytest

from finetune_dev.errors import DevError
from finetune_dev.paths import REPOSITORY
from finetune_release import facts, texts
from finetune_release.facts import Facts, Registry
from finetune_release.images import possible, reason_against

CHANGELOG = "# Changelog\n\n## Unreleased\n\nNew.\n\n## 1.0.0\n\nFirst.\n\n### Detail\n\n- one\n"
VALUES = '# -- Ours.\nimage:\n  repository: here\n  # -- A tag.\n  tag: \'\'\n  digest: ""\nother:\n  digest: ""\n'
FOREIGN = "linux/arm64" if facts.own_platform() == "linux/amd64" else "linux/amd64"


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.0.0", "# 1.0.0\n\nFirst.\n\n### Detail\n\n- one\n"), ("1.1.0", "# 1.1.0\n\nNew.\n")],
)
def test_notes_are_the_part_of_the_changelog_about_a_version(version: str, expected: str) -> None:
    assert texts.notes(CHANGELOG, version) == expected


def test_links_of_the_notes_lead_to_the_version_in_the_repository() -> None:
    changelog = "## 1.0.0\n\n[a](docs/a.md), [b](https://example.com/b)\n"
    expected = "[a](https://example.com/r/blob/v1.0.0/docs/a.md), [b](https://example.com/b)"
    assert expected in texts.notes(changelog, "1.0.0", "https://example.com/r")


def test_a_version_of_which_the_changelog_says_nothing_is_refused() -> None:
    with pytest.raises(DevError, match=r"nothing of 1\.1\.0: write a section `## 1\.1\.0`"):
        texts.notes(CHANGELOG.replace("New.", ""), "1.1.0")


def test_this_version_has_notes() -> None:
    version = texts.notes((REPOSITORY / "CHANGELOG.md").read_text(), "0.1.0")
    assert len(version.splitlines()) > 50


def test_values_are_pinned_where_they_are_and_nowhere_else() -> None:
    pinned = texts.pinned_values(VALUES, {"image": ("r/x", "sha256:1")})
    assert pinned == VALUES.replace("here", "r/x").replace('digest: ""\nother', 'digest: "sha256:1"\nother')


@pytest.mark.parametrize("values", [VALUES.replace("image:", "picture:"), VALUES.replace("repository", "place")])
def test_values_without_the_block_are_refused(values: str) -> None:
    with pytest.raises(DevError, match="no block `image`"):
        texts.pinned_values(values, {"image": ("r/x", "sha256:1")})


def test_a_registry_of_plain_http_says_so() -> None:
    assert Registry.parse("http://localhost:5000/A/") == Registry("localhost:5000/a", plain=True)
    assert Registry.parse("r.example.com/a").charts == "oci://r.example.com/a/charts"


def test_a_platform_is_left_out_with_its_reason(tmp_path: Path) -> None:
    assert reason_against(facts.own_platform(), "") is None
    assert "RELEASE_BASE_IMAGE" in (reason_against(FOREIGN, "") or "")
    assert "install qemu-user-static" in (reason_against(FOREIGN, "python:3.13-slim", tmp_path) or "")
    for name in ("qemu-aarch64", "qemu-x86_64"):
        (tmp_path / name).touch()
    assert reason_against(FOREIGN, "python:3.13-slim", tmp_path) is None
    assert "no emulator" in (reason_against("linux/s390x", "python:3.13-slim", tmp_path) or "")


def test_a_machine_that_builds_for_no_platform_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DevError, match=f"none of {FOREIGN}"):
        possible(Facts("1", "c", platforms=(FOREIGN,)))
    assert f"{FOREIGN} is left out" in capsys.readouterr().err


def test_a_tree_with_changes_is_no_release(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(tmp_path))
    subprocess.run([*git, "init", "--quiet"], check=True)
    with pytest.raises(DevError, match=r"not committed:\n.*pyproject\.toml"):
        facts.gather({}, tmp_path)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "one"], check=True)
    found = facts.gather({"RELEASE_HOME": "https://example.com/a/", "RELEASE_PLATFORMS": "linux/amd64"}, tmp_path)
    assert (found.version, found.registry, found.platforms) == ("1.2.3", None, ("linux/amd64",))
    with pytest.raises(DevError, match=r"the tag is v1\.2\.4, and pyproject\.toml says 1\.2\.3"):
        facts.gather({"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1.2.4"}, tmp_path)
    assert found.downloads == "https://example.com/a/releases/download/v1.2.3"
