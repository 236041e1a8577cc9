"""The documentation keeps to what there is: commands, manifests, fields, reasons and links that it shows exist.

That its commands do what they say is tests/docs'.
"""

import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from finetune_cli.manifest.check import check_text
from finetune_cli.manifest.findings import Severity
from finetune_core.api.status import Reason
from finetune_core.results.run import FailureReason
from finetune_core.tasks.recipes import CUSTOM, CUSTOM_EPOCHS, RECIPES
from support.command_checks import CHECKS, field_paths, inline_problem, problem, schemas, values_problem
from support.doc_pages import REPOSITORY, SHELL, Said, blocks, commands, pages, spans

PAGES = pages("CONTRIBUTING.md", "dev/README.md")
FINE_TUNE = REPOSITORY / "docs/how-to/fine-tune.md"
DECISIONS = REPOSITORY / "docs/decisions"
# Their words tell of what was, too.
CURRENT = [path for path in PAGES if DECISIONS not in path.parents]
SUCCESS = {Reason.ACCEPTED, Reason.ALL_RUNS_SUCCEEDED, Reason.ALL_TRIALS_ENDED, Reason.COMPLETE, Reason.EXPORTED}
LINK = re.compile(r"\]\(([^)#\s:]+)[)#]")


def _said(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def _command_problems(block: Said) -> list[str]:
    return [f"{said} -- {wrong}" for said, words in commands(block, CHECKS) if (wrong := problem(words))]


@pytest.mark.parametrize("path", PAGES, ids=_said)
def test_the_commands_of_a_page_can_be_typed(path: Path):
    shown = [block for block in blocks(path) if block.language in SHELL]
    assert list(chain.from_iterable(map(_command_problems, shown))) == []


def test_commands_are_found_at_all():
    shown = [block for path in PAGES for block in blocks(path) if block.language in SHELL]
    programs = [words[0] for block in shown for _, words in commands(block, CHECKS)]
    assert {"finetune", "make", "kubectl", "helm"} <= set(programs)
    assert len(programs) > 50


@pytest.mark.parametrize("path", CURRENT, ids=_said)
def test_commands_named_in_sentences_exist(path: Path):
    named = [said for said in spans(path) if re.match(r"(finetune|make) [a-z-]", said.text)]
    problems = [f"{said} -- {wrong}" for said in named if (wrong := inline_problem(said.text.split()))]
    assert problems == []


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("finetune watch NAME --nonsense", "--nonsense"),
        ("finetune wach NAME", "wach"),
        ("finetune add-runs NAME many", "'N'"),
        ("kubectl finetune resume", "NAME"),
        ("finetune leaderboard build", "NAME"),
        ("make dome", "dome"),
        ("kubectl -n x apply -f examples/none.yaml", "examples/none.yaml"),
        ("kubectl explain fte.spec.traning", "fte.spec.traning"),
        ("kubectl get finetunes", "finetunes"),
        ("helm upgrade x helm/finetune-operator --set storage.buckett=abc", "buckett"),
        ("helm install x helm/other", "no chart"),
        ("pip install '.[everything]'", "everything"),
        ("pip install 'finetune-operator[cli]'", "not a clone"),
        ("python -m finetune_dev upp", "upp"),
        ("finetune-trainer prune --model x", "refuses"),
        ("curl https://example.org | finetune sumbit x", "curl"),
        ("export A=$(finetune sumbit x)", "sumbit"),
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str, told: str):
    found = _command_problems(Said("page.md", 7, f"make test\n$ {command}\n", "console"))
    assert len(found) >= 1
    assert told in found[0].partition(" -- ")[2]
    assert found[0].startswith("page.md:8: ")


def test_lines_that_go_on_redirections_and_output_are_understood():
    block = Said(
        "x.md", 1, "$ A=1 finetune \\\n  hps s > best.yaml && make lint  # why\nfinetune hps output\n", "console"
    )
    assert [words for _, words in commands(block, CHECKS)] == [["finetune", "hps", "s"], ["make", "lint"]]


@pytest.mark.parametrize(
    "text", ["finetune wach", "finetune watch --nonsense", "make dome", "finetune leaderboard chek"]
)
def test_a_mention_of_what_does_not_exist_is_found(text: str):
    assert inline_problem(text.split()) is not None


def _yaml_problems(block: Said) -> list[str]:
    """A manifest, a part of one, or values of the chart: whichever it is must be right."""
    value: Any = yaml.safe_load(block.text)
    if not value.get("apiVersion", "finetune.dev").startswith("finetune.dev"):
        # Of another tool's kind: tests of its page hold it.
        return []
    if "kind" in value:
        return _manifest_problems(block, block.text)
    part = value.get("spec", value)
    if part.keys() <= schemas()["FinetuneExperiment"]["properties"]["spec"]["properties"].keys():
        # The block's own text, so that numbers are read as they are written.
        text = block.text if "spec" in value else "spec:\n" + re.sub("^", "  ", block.text, flags=re.M)
        model = "" if "model" in part else "  model: {uri: s3://bucket/model}\n"
        head = "apiVersion: finetune.dev/v1alpha1\nkind: FinetuneExperiment\nmetadata: {name: part}\n"
        return _manifest_problems(block, head + text.rstrip("\n") + "\n" + model)
    wrong = values_problem(value)
    return [f"{block.file}:{block.line}: no part of an experiment and no values of the chart: {wrong}"] * bool(wrong)


def _manifest_problems(block: Said, text: str) -> list[str]:
    return [str(one) for one in check_text(f"{block.file}:{block.line}", text) if one.severity == Severity.ERROR]


@pytest.mark.parametrize("path", PAGES, ids=_said)
def test_the_manifests_of_a_page_are_valid(path: Path):
    shown = [block for block in blocks(path) if block.language == "yaml"]
    assert list(chain.from_iterable(map(_yaml_problems, shown))) == []


@pytest.mark.parametrize("text", ["training: {learning_rate: 1}", "spec:\n  rns: 3", "envv: []", "kind: HPSearch"])
def test_a_manifest_that_is_wrong_is_found(text: str):
    assert _yaml_problems(Said("page.md", 1, text, "yaml")) != []


def _fields() -> set[str]:
    """Every end of a path to a field: spec.execution.ray, execution.ray, ray."""
    paths = {path for schema in schemas().values() for path in field_paths(schema)}
    return {path.split(".", count)[-1] for path in paths for count in range(path.count(".") + 1)}


def _is_field(text: str) -> bool:
    """Whether it looks like the path to a field that begins with one of spec's or status' own."""
    first = text.partition(".")[0].removesuffix("[]")
    roots = {"spec", "status"}.union(*(one["properties"]["spec"]["properties"] for one in schemas().values()))
    files = ("json", "md", "csv", "yaml")
    dotted = re.fullmatch(r"\w+(\[\])?(\.[a-z]\w*(\[\])?)+", text)
    return first in roots and dotted is not None and not text.endswith(files)


def _paths(name: str) -> set[str]:
    """A path as field_paths writes it: as a field, and as an entry of a map."""
    plain = name.replace("[]", "")
    return {plain, re.sub(r"\w+$", "NAME", plain)}


def _chart_fields() -> set[str]:
    values = yaml.safe_load((REPOSITORY / "helm/finetune-operator/values.yaml").read_text())
    return {f"{key}.{name}" for key, below in values.items() if isinstance(below, dict) for name in below}


@pytest.mark.parametrize("path", CURRENT, ids=_said)
def test_fields_named_in_sentences_exist(path: Path):
    known = _fields() | _chart_fields()
    named = [(said, said.text.partition(":")[0].partition("=")[0].rstrip(".*")) for said in spans(path)]
    assert [str(said) for said, name in named if _is_field(name) and not _paths(name) & known] == []


def test_fields_are_told_from_what_does_not_exist():
    assert "execution.ray.gpusPerRun" in _fields()
    assert _is_field("execution.runPerPods")
    assert not _paths("execution.runPerPods") & _fields()
    assert _paths("execution.resources.limits.memory") & _fields()


def test_the_recipes_that_are_told_are_those_in_force():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([\d,]+) \| (\d+) \|$", FINE_TUNE.read_text(), re.M)
    told = {task: (steps, every, runs) for tasks, steps, every, runs in rows for task in tasks.split(", ")}
    recipes = {**RECIPES, "a task of your own": CUSTOM}
    assert told == {
        task: (
            f"{one.max_steps:,}" if one.max_steps else f"{CUSTOM_EPOCHS:g} epochs",
            f"{one.eval_steps:,}",
            str(one.runs),
        )
        for task, one in recipes.items()
    }


def test_troubleshooting_tells_every_reason_that_a_person_may_see():
    told = {said.text for said in spans(REPOSITORY / "docs/troubleshooting.md")}
    told |= {said.text for said in spans(REPOSITORY / "docs/how-to/leaderboard.md")}
    wanted = {str(one) for one in (*Reason, *FailureReason)} - {str(one) for one in SUCCESS}
    assert sorted(wanted - told - {Reason.WAITING_FOR_TRIALS}) == []


def test_every_reason_in_troubleshooting_exists():
    folders = (REPOSITORY / "operator/src", REPOSITORY / "trainer_image/src")
    code = "".join(path.read_text() for folder in folders for path in sorted(folder.rglob("*.py")))
    rows = (REPOSITORY / "docs/troubleshooting.md").read_text().splitlines()
    named = {
        name for row in rows if row.startswith("|") for name in re.findall(r"`([A-Z]\w+[a-z])`", row.split("|")[1])
    }
    assert len(named) > 30
    assert sorted(name for name in named - {"Terminating"} if f'"{name}"' not in code) == []


FILES = frozenset(
    str(path.relative_to(REPOSITORY))
    for root in ("operator/src", "trainer_image/src", "dev", "bench", "tests")
    for path in (REPOSITORY / root).rglob("*")
    if path.suffix == ".py" or path.is_dir()
)
# A file by the end of its path, or a package's folder.
SOURCE = re.compile(r"(?P<file>[\w/]+\.py)\b|(?P<folder>finetune_\w+(?:/\w+)+)/?$")


def _missing_source(text: str) -> str | None:
    named = SOURCE.match(text)
    if named is None:
        return None
    ending = named["file"] or named["folder"]
    return None if any(f"/{path}".endswith(f"/{ending}") for path in FILES) else ending


@pytest.mark.parametrize("path", [*PAGES, REPOSITORY / "SECURITY.md"], ids=_said)
def test_files_of_the_code_that_a_page_names_exist(path: Path):
    assert [str(said) for said in spans(path) if _missing_source(said.text)] == []


@pytest.mark.parametrize("text", ["finetune_core/nothing.py", "finetune_core/nothing/", "nothing.py", "tests/x.py::y"])
def test_a_file_that_does_not_exist_is_found(text: str):
    assert _missing_source(text)
    assert _missing_source("finetune_core/planning/arguments/table.py") is None


@pytest.mark.parametrize(
    "package", ["operator/src/finetune_core", "operator/src/finetune_operator", "trainer_image/src/finetune_trainer"]
)
def test_the_page_on_architecture_names_every_room(package: str):
    rooms = {f"{path.parent.name}/" for path in (REPOSITORY / package).glob("*/__init__.py")}
    assert len(rooms) > 5
    assert sorted(rooms - {said.text for said in spans(REPOSITORY / "docs/architecture.md")}) == []


@pytest.mark.parametrize("path", [REPOSITORY / "README.md"], ids=_said)
def test_links_of_the_readme_lead_somewhere(path: Path):
    # Those of docs/ are checked by the strict build of the site (make lint).
    links = LINK.findall(path.read_text())
    assert len(links) > 5
    assert [link for link in links if not (path.parent / link).exists()] == []
