"""The documentation's site: it builds without a warning, and its pages fetch nothing from elsewhere."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from finetune_dev.docs.hook import REPOSITORY, generated_pages

FETCHED = re.compile(
    r"""<(?:script|img|iframe)[^>]*\ssrc=["']?https?:|<link[^>]*\srel=["']?stylesheet[^>]*href=["']?https?:"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = {"PYTHONPATH": "dev", "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_built(site: Path):
    written = {path.relative_to(REPOSITORY / "docs") for path in (REPOSITORY / "docs").rglob("*.md")}
    pages = {Path(place) for place in generated_pages()} | written
    assert sorted(str(one) for one in pages if not (site / one.with_suffix(".html")).is_file()) == []


def test_no_page_fetches_anything_from_elsewhere(site: Path):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    assert [str(path.relative_to(site)) for path in pages if FETCHED.search(path.read_text())] == []


def test_the_decisions_are_in_the_navigation(site: Path):
    home = (site / "index.html").read_text()
    decisions = sorted((REPOSITORY / "docs/decisions").glob("*.md"))
    assert len(decisions) > 5
    assert [path.stem for path in decisions if f'href="decisions/{path.stem}.html"' not in home] == []


@pytest.mark.parametrize(
    ("word", "page"),
    [
        ("llama", "models.html"),
        ("roberta", "models.html"),
        ("lora", "how-to/lora.html"),
        ("katib", "how-to/moving.html"),
        ("trainjob", "how-to/moving.html"),
        ("nupic", "how-to/moving.html"),
        ("gpu-hours", "how-to/costs.html"),
    ],
)
def test_the_sites_search_finds_what_people_look_for(site: Path, word: str, page: str):
    index = json.loads((site / "search/search_index.json").read_text())["docs"]
    found = {one["location"].partition("#")[0] for one in index if word in f"{one['title']} {one['text']}".lower()}
    assert page in found


def test_links_between_the_repositorys_files_lead_to_pages(site: Path):
    assert 'href="../examples/custom-task.html"' in (site / "how-to/fine-tune.html").read_text()
    assert 'href="figures.html"' in (site / "sparse.html").read_text()


@pytest.mark.parametrize(
    "html", ['<script src="https://x.org/a.js">', "<link rel=stylesheet href=https://x.org/a.css>"]
)
def test_a_page_that_fetches_something_is_found(html: str):
    assert FETCHED.search(html)
