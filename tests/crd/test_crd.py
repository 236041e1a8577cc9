"""The CRD as text: names, columns, bounded sizes, descriptions, and the committed copies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from finetune_core.api.crd import experiment_crd
from finetune_core.api.status import ExperimentStatus
from finetune_dev import crds

CRD = experiment_crd(ExperimentStatus)
VERSION = CRD["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below a schema with its path, entries of lists among them."""
    for name, child in schema.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from fields(child, f"{path}.{name}")
    if "items" in schema:
        yield f"{path}[]", schema["items"]
        yield from fields(schema["items"], f"{path}[]")


SPEC_FIELDS = dict(fields(SCHEMA["properties"]["spec"], "spec"))
STATUS_FIELDS = dict(fields(SCHEMA["properties"]["status"], "status"))


def test_the_committed_files_are_what_the_types_say() -> None:
    assert crds.stale_files() == [], "run `make crds`"


def test_a_stale_or_missing_file_is_told(tmp_path: Path) -> None:
    (fresh, text), (stale, _), *missing = crds.generated_files().items()
    for path, content in ((fresh, text), (stale, "old")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)

    assert crds.stale_files(tmp_path) == [stale, *(path for path, _ in missing)]


def test_the_yaml_says_what_the_generator_said() -> None:
    assert yaml.safe_load(crds.render(CRD)) == CRD


def test_it_goes_by_the_names_of_the_api() -> None:
    assert CRD["metadata"]["name"] == "finetuneexperiments.finetune.dev"
    assert CRD["spec"]["names"]["shortNames"] == ["fte"]
    assert CRD["spec"]["names"]["categories"] == ["finetune"]


def test_helm_keeps_it_at_uninstall() -> None:
    assert CRD["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_status_is_a_subresource() -> None:
    assert VERSION["subresources"] == {"status": {}}


def test_the_columns_are_those_that_people_look_for() -> None:
    columns = {column["name"]: column.get("priority", 0) for column in VERSION["additionalPrinterColumns"]}

    assert [name for name, priority in columns.items() if priority == 0] == ["Status", "Runs", "Score", "ETA", "Age"]
    assert [name for name, priority in columns.items() if priority == 1] == [
        "Taken",
        "GPU-hours",
        "Valid",
        "Model",
        "Message",
    ]


@pytest.mark.parametrize("path", [path for path in SPEC_FIELDS | STATUS_FIELDS if not path.endswith("[]")])
def test_every_field_is_described(path: str) -> None:
    assert (SPEC_FIELDS | STATUS_FIELDS)[path].get("description")


@pytest.mark.parametrize("path", [path for path, field in SPEC_FIELDS.items() if field.get("type") == "array"])
def test_every_list_of_the_spec_is_bounded(path: str) -> None:
    assert SPEC_FIELDS[path]["maxItems"] >= 1


@pytest.mark.parametrize(
    "path", [path for path, field in SPEC_FIELDS.items() if field.get("type") == "string" and "enum" not in field]
)
def test_every_text_of_the_spec_is_bounded(path: str) -> None:
    assert SPEC_FIELDS[path]["maxLength"] >= 1


@pytest.mark.parametrize("path", [path for path, field in SPEC_FIELDS.items() if field.get("type") == "integer"])
def test_every_whole_number_of_the_spec_is_bounded(path: str) -> None:
    assert SPEC_FIELDS[path]["minimum"] < SPEC_FIELDS[path]["maximum"]


def test_the_api_server_fills_in_what_does_not_depend_on_the_task() -> None:
    defaults = {path: field["default"] for path, field in SPEC_FIELDS.items() if "default" in field}

    assert defaults["spec.execution"] == {}
    assert defaults["spec.execution.retries"] == 3
    assert not {"spec.training.learningRate", "spec.runs", "spec.runsUntil"} & defaults.keys()


def test_the_status_has_no_defaults() -> None:
    assert not [path for path, field in STATUS_FIELDS.items() if "default" in field]
