"""The documentation's generated pages hold what the CRDs and the command line say, and their links lead somewhere."""

from pathlib import Path
from typing import Annotated

import pytest
import typer
import yaml

from finetune_dev.docs.hook import REPOSITORY, generated_pages, relink, targets
from finetune_dev.docs.reference import cli_page, crd_page

CRDS = sorted((REPOSITORY / "crds").glob("*.yaml"))


def _crd(spec: dict[str, object]) -> dict[str, object]:
    properties = {"spec": spec, "status": {"type": "object", "description": "What is.", "properties": {}}}
    version = {"name": "v1", "schema": {"openAPIV3Schema": {"description": "A thing.", "properties": properties}}}
    names = {"kind": "Thing", "singular": "thing", "shortNames": ["th"]}
    return {"spec": {"group": "example.org", "names": names, "versions": [version]}}


def _object(**fields: object) -> dict[str, object]:
    return {"type": "object", "description": "An object.", "properties": fields}


def test_a_field_is_shown_with_type_default_limits_and_meaning():
    size = {"type": "integer", "default": 3, "minimum": 1, "maximum": 1000, "description": "How <big> | small."}
    assert "| `size` | integer | `3` | ≥ 1; ≤ 1,000 | How &lt;big> \\| small. |" in crd_page(_crd(_object(size=size)))


def test_limits_of_texts_lists_and_open_ranges_are_told():
    share = {"type": "number", "minimum": 0, "exclusiveMinimum": True}
    names = {"type": "array", "minItems": 2, "items": {"type": "string", "maxLength": 9, "pattern": "^a"}}
    page = crd_page(_crd(_object(share=share, names=names)))
    assert "| `share` | number |  | > 0 |" in page
    assert "| list of string |  | at least 2 entries; each: at most 9 characters; matches `^a` |" in page


def test_a_required_field_is_bold_and_choices_are_listed():
    spec = {**_object(mode={"type": "string", "enum": ["A", "B"]}), "required": ["mode"]}
    assert "| **`mode`** | `A`, `B` |" in crd_page(_crd(spec))


def test_a_rule_is_shown_by_its_message():
    spec = {**_object(a={"type": "string"}), "x-kubernetes-validations": [{"rule": "x", "message": "a is wrong: mend"}]}
    assert "- a is wrong: mend" in crd_page(_crd(spec))


def test_equal_objects_are_shown_once_at_the_shallower_place():
    arguments = _object(rate={"type": "number", "description": "Fast."})
    page = crd_page(_crd(_object(list={"type": "array", "items": _object(args=arguments)}, args=arguments)))
    assert page.count("Fast.") == 1
    assert "Fields and rules are those of [spec.args](#spec-args)." in page
    assert page.index("spec.list[].args {") < page.index("those of [spec.args]") < page.index("Fast.")


def _described(schema: dict[str, object]) -> set[str]:
    """Every name of a field, and every rule's message, anywhere in a schema."""
    found = {f"- {rule['message']}".replace("<", "&lt;") for rule in schema.get("x-kubernetes-validations", [])}
    for name, child in schema.get("properties", {}).items():
        found |= {f"`{name}`", *_described(child)}
    below = (schema.get("items"), schema.get("additionalProperties"))
    return found.union(*(_described(one) for one in below if isinstance(one, dict)))


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.stem)
def test_every_field_and_rule_of_our_kinds_is_in_its_page(path: Path):
    crd = yaml.safe_load(path.read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    wanted = _described({"properties": schema["properties"]["spec"]["properties"]}) | _described(
        schema["properties"]["status"]
    )
    page = generated_pages()[f"reference/{crd['spec']['names']['singular']}.md"]
    assert len(wanted) > 60
    assert sorted(one for one in wanted if one not in page) == []


def test_descriptions_and_rules_of_the_experiment_are_there_in_words():
    page = generated_pages()["reference/finetuneexperiment.md"]
    assert "How often a run saves the state that an interrupted run goes on from." in page
    assert "- maxSteps and numTrainEpochs exclude each other: set one of them" in page


def test_commands_are_shown_with_arguments_options_and_whole_sentences():
    app = typer.Typer()

    @app.command()
    def first(file: Annotated[str, typer.Argument(metavar="FILE|DIR")], loud: bool = False) -> None:
        """A sentence that is a good deal longer than the forty-five characters that a list of commands takes."""

    app.command()(test_a_rule_is_shown_by_its_message)
    page = cli_page(app)
    assert "`first`: A sentence that is a good deal longer than the forty-five characters that a list of" in page
    assert "$ finetune first [OPTIONS] FILE|DIR" in page
    assert "--loud / --no-loud" in page


def test_our_commands_are_in_their_page_with_their_options():
    page = generated_pages()["reference/commands.md"]
    assert "## `finetune add-runs`" in page
    assert "### `finetune leaderboard check`" in page
    assert "* `--store URI`: s3://bucket/prefix" in page


def test_the_examples_have_pages_and_a_list():
    pages = generated_pages()
    assert "kind: HPSearch" in pages["examples/hpsearch.md"]
    assert "[sparse](sparse.md): A sparse model" in pages["examples/index.md"]


def test_links_out_of_docs_lead_to_the_sites_pages():
    text = "[a](../examples/sparse.yaml) [b](decisions/) [c](../bench/RESULTS.md#figures) [d](search.md)"
    made = relink(text, "sparse.md", "docs/sparse.md", targets())
    assert made == "[a](examples/sparse.md) [b](decisions/index.md) [c](figures.md#figures) [d](search.md)"


def test_links_of_a_page_from_elsewhere_are_seen_from_its_place_in_the_repository():
    made = relink("[x](../docs/search.md)", "local-cluster.md", "dev/README.md", targets())
    assert made == "[x](search.md)"


def test_commands_in_fences_addresses_and_unknown_files_stay():
    text = "[a](https://example.org/x) [b](../Makefile)\n```\n[c](../examples/sparse.yaml)\n```\n[d](#here)"
    assert relink(text, "search.md", "docs/search.md", targets()) == text
