"""What the documentation's site has beyond docs/*.md: a hook of MkDocs, named in mkdocs.yml.

It adds the reference (from CRDs and command line), the examples, and pages that live elsewhere in the repository.
Links that leave docs/, right where the files are read as files, are made to lead to those pages in the site.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from finetune_cli.app import build_app
from finetune_dev.docs.reference import cli_page, crd_page

REPOSITORY = Path(__file__).resolve().parents[3]
DECISIONS = "decisions"
_NAV_DECISIONS = "Decisions"
_ELSEWHERE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "bench/RESULTS.md": "figures.md",
    "dev/README.md": "local-cluster.md",
}
"""File of the repository outside docs/ -> the page of the site that it is."""

_LINK = re.compile(r"(?<=\]\()(?P<path>[^)#\s:]+)(?=[)#])")
_FENCE = re.compile(r"(^(```|~~~).*?^\2[^\n]*$)", re.MULTILINE | re.DOTALL)


def generated_pages(repository: Path = REPOSITORY) -> dict[str, str]:
    """Place in the site -> Markdown, of every page that is not in docs/."""
    pages = {"reference/commands.md": cli_page(build_app())}
    for path in sorted((repository / "crds").glob("*.yaml")):
        crd = yaml.safe_load(path.read_text(encoding="utf-8"))
        pages[f"reference/{crd['spec']['names']['singular']}.md"] = crd_page(crd)
    for name, place in _ELSEWHERE.items():
        pages[place] = (repository / name).read_text(encoding="utf-8")
    pages["examples/index.md"] = _examples(repository)
    for path in _example_files(repository):
        pages[f"examples/{path.stem}.md"] = f"# {path.name}\n\n```yaml\n{path.read_text(encoding='utf-8')}```\n"
    pages[f"{DECISIONS}/index.md"] = _decisions(repository)
    return pages


def targets(repository: Path = REPOSITORY) -> dict[str, str]:
    """File or folder of the repository outside docs/ -> its page of the site."""
    examples = {f"examples/{path.name}": f"examples/{path.stem}.md" for path in _example_files(repository)}
    folders = {"examples": "examples/index.md", f"docs/{DECISIONS}": f"{DECISIONS}/index.md"}
    return {"README.md": "index.md", **_ELSEWHERE, **examples, **folders}


def relink(markdown: str, page: str, source: str, known: Mapping[str, str]) -> str:
    """The text with its links as they are from `page`, a place in the site, whose file in the repository is `source`.

    A link to a file that has no page stays as it is: the strict build names it.
    """

    def place(match: re.Match[str]) -> str:
        named = posixpath.normpath(posixpath.join(posixpath.dirname(source), match["path"]))
        target = known.get(named) or named.removeprefix("docs/")
        if target == named:
            return match["path"]
        return posixpath.relpath(target, posixpath.dirname(page) or ".")

    # Every second part is a fenced block, of which nothing is a link.
    parts = re.split(_FENCE, markdown)
    prose = [_LINK.sub(place, part) if index % 3 == 0 else part for index, part in enumerate(parts) if index % 3 != 2]
    return "".join(prose)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages, and the decisions to the navigation, so that a new one needs no entry."""
    for place, text in generated_pages().items():
        listed = _is_in(place, "examples") and not place.endswith("index.md")
        inclusion = InclusionLevel.NOT_IN_NAV if listed else InclusionLevel.UNDEFINED
        files.append(File.generated(config, place, content=text, inclusion=inclusion))
    decisions = (file.src_uri for file in files.documentation_pages() if _is_in(file.src_uri, DECISIONS))
    _fill(config.nav, _NAV_DECISIONS, sorted(decisions, key=lambda uri: (not uri.endswith("index.md"), uri)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links lead to pages of the site."""
    place = page.file.src_uri
    source = next((name for name, mirror in _ELSEWHERE.items() if mirror == place), f"docs/{place}")
    return relink(markdown, place, source, targets())


def _fill(nav: object, section: str, pages: list[str]) -> None:
    """Put pages into a section of the navigation, however deep it is."""
    for entry in nav if isinstance(nav, list) else ():
        for title, below in entry.items() if isinstance(entry, dict) else ():
            if title == section:
                entry[title] = pages
            else:
                _fill(below, section, pages)


def _is_in(uri: str, folder: str) -> bool:
    return PurePosixPath(uri).parent == PurePosixPath(folder)


def _example_files(repository: Path) -> list[Path]:
    return sorted((repository / "examples").glob("*.yaml"))


def _examples(repository: Path) -> str:
    """The list of examples, each with the first sentence of the comment at its head."""
    lines = [f"- [{path.stem}]({path.stem}.md): {_first_sentence(path)}" for path in _example_files(repository)]
    return "\n".join(["# Examples", "", "Manifests of the folder `examples/`, to begin with.", "", *lines, ""])


def _first_sentence(path: Path) -> str:
    comment: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.removeprefix("#").strip()
        if not line.startswith("#") or not words:
            break
        comment.append(words)
    return re.split(r"(?<=[.:])\s", " ".join(comment) + " ", maxsplit=1)[0].rstrip(":. ") + "."


def _decisions(repository: Path) -> str:
    found = sorted((repository / "docs" / DECISIONS).glob("[0-9]*.md"))
    lines = [f"- [{title}]({path.name})" for path in found for title in _titles(path)]
    return "\n".join(["# Decisions", "", "What cost something, and why it is so.", "", *lines, ""])


def _titles(path: Path) -> Iterator[str]:
    yield path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
