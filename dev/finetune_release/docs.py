"""The documentation's site with one folder a version, by mike, as the branch gh-pages of a clone."""

import shutil
from pathlib import Path

from finetune_dev.paths import REPOSITORY
from finetune_dev.shell import run, step, succeeds
from finetune_release import tools
from finetune_release.facts import Facts

_BRANCH = "gh-pages"
_MIKE = "import sys; from mike.driver import main; sys.exit(main())"


def build(facts: Facts, clone: Path, folder: Path, repository: Path = REPOSITORY) -> Path:
    """Add this version to the site that the branch holds so far; the site as an archive in `folder`.

    `clone` is made anew: the tree's own branch is not touched. Its new commits are for whoever pushes them.
    """
    shutil.rmtree(clone, ignore_errors=True)
    with step("building the documentation's site"):
        run("git", "clone", "--quiet", repository, clone)
        for name in (f"refs/heads/{_BRANCH}", f"refs/remotes/origin/{_BRANCH}"):
            if succeeds("git", "-C", str(repository), "rev-parse", "--verify", "--quiet", name):
                run("git", "fetch", "--quiet", "origin", f"+{name}:{_BRANCH}", folder=clone)
        author = {"user.name": "make release", "user.email": "release@finetune.dev"}
        for key, value in author.items():
            run("git", "config", key, value, folder=clone)
        tools.python("-c", _MIKE, "deploy", "--update-aliases", facts.version, "latest", folder=clone)
        tools.python("-c", _MIKE, "set-default", "latest", folder=clone)
    archive = folder / f"docs-{facts.version}.tar.gz"
    run("git", "archive", "--format=tar.gz", f"--output={archive}", _BRANCH, folder=clone)
    return archive
