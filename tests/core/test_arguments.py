"""The table of training arguments, and that all that knows of arguments is made from it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Generic

import pytest
from pydantic import Field, ValidationError
from pydantic.alias_generators import to_snake

from finetune_cli.convert.arguments import TRAINING
from finetune_core.api import Training
from finetune_core.api.crd import experiment_crd, search_crd
from finetune_core.api.search_status import HPSearchStatus
from finetune_core.api.status import ExperimentStatus
from finetune_core.frozen import Frozen
from finetune_core.planning.arguments.model import Argument, Unset, given, overlay, resolved, rivals
from finetune_core.planning.arguments.table import API_GROUPS, ARGUMENTS, GROUPS, SEARCHABLE
from finetune_core.planning.settings import Settings
from finetune_dev.docs.reference import crd_page
from finetune_report.canvas import label_of
from support.one_more_argument import API_NAME

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """What becomes of an argument that is one more line of the table."""
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("tests", "dev"))
    done = subprocess.run(
        [sys.executable, "-m", "support.one_more_argument"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_new_argument_changes_no_byte_of_a_plan_that_does_not_set_it(facts: dict[str, Any]) -> None:
    """The whole stored corpus: plans, digests, run ids, trials, and what inputs are pinned by."""
    assert facts["corpus"] == []
    assert facts["ids"]["unset"] == facts["id without it"]


def test_a_new_argument_that_is_set_changes_the_id(facts: dict[str, Any]) -> None:
    assert facts["ids"]["set"] != facts["id without it"]
    assert facts["round trip"]


def test_a_new_argument_is_one_line_of_the_table(facts: dict[str, Any]) -> None:
    assert facts["crds"] == [True, True]
    assert facts["reference"]
    assert facts["searchable"]
    assert facts["tuned"] == {API_NAME: 5.0}
    assert facts["converted"] == 5
    assert facts["label"] == "neftune noise alpha"
    assert facts["trainer"] == 5.0


@pytest.mark.parametrize("argument", ARGUMENTS.values(), ids=lambda argument: argument.name)
def test_every_argument_is_in_both_crds_and_their_reference(argument: Argument) -> None:
    for crd in (experiment_crd(ExperimentStatus), search_crd(HPSearchStatus)):
        spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        field = spec["training"]["properties"][argument.api_name]
        assert field["description"]
        assert f"`{argument.api_name}`" in crd_page(crd)
        allowed = spec.get("space", {}).get("x-kubernetes-validations", [{"rule": repr(SEARCHABLE)}])[0]["rule"]
        assert (f"'{argument.api_name}'" in allowed) == argument.searchable


@pytest.mark.parametrize("argument", ARGUMENTS.values(), ids=lambda argument: argument.name)
def test_every_argument_is_converted_from_each_of_its_names_in_scripts(argument: Argument) -> None:
    assert [theirs for theirs, ours in TRAINING.items() if ours is argument] == list(argument.script_names)


def test_what_can_be_searched_has_a_label_that_is_no_field_name() -> None:
    assert [name for name in SEARCHABLE if label_of(name) == name] == []
    assert label_of("weightDecay") == "weight decay"
    assert label_of("maxSteps") == "training length (optimizer steps)"


def test_a_spec_may_leave_each_argument_out_and_settings_none() -> None:
    assert set(Training().model_dump().values()) == {None}
    assert Training.model_fields.keys() == ARGUMENTS.keys()
    assert Settings.model_fields.keys() == ARGUMENTS.keys() - {"allow_last_model"}
    with pytest.raises(ValidationError):
        Settings.model_validate({"evalSteps": 1, "precision": "fp32", "metricForBestModel": "f1", "weightDecay": None})


def test_defaults_are_those_of_version_0_1_0() -> None:
    """They are what finished runs were trained with. Those of the recipe are in `test_settings`."""
    settings = Settings.model_validate({"evalSteps": 1, "precision": "fp32", "metricForBestModel": "f1"})
    assert settings.identity() == {
        "maxSteps": None,
        "numTrainEpochs": None,
        "evalSteps": 1,
        "learningRate": 5e-5,
        "lrSchedulerType": "linear",
        "warmupRatio": None,
        "warmupSteps": None,
        "trainBatchSize": 32,
        "weightDecay": 0.0,
        "adamBeta1": 0.9,
        "adamBeta2": 0.999,
        "adamEpsilon": 1e-8,
        "maxGradNorm": 1.0,
        "maxSeqLength": 128,
        "precision": "fp32",
        "metricForBestModel": "f1",
        "loadBestModelAtEnd": True,
        "earlyStopping": None,
    }


class Tiny(Frozen, Generic[Unset]):
    """A table with an argument of version 0.1.0 and a later one."""

    first_one: Annotated[float | Unset, Field(ge=0), Argument(1.0)]
    second_one: Annotated[float | Unset, Field(ge=0), Argument(0.5, since="0.2.0")]


class Told(resolved("Told", Tiny)):
    pass


class Holder(Frozen):
    training: given("Written", Tiny) | None = None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"firstOne": 1.0}),
        ({"secondOne": 0.5}, {"firstOne": 1.0}),
        ({"secondOne": 0}, {"firstOne": 1.0, "secondOne": 0.0}),
    ],
)
def test_a_later_argument_is_written_where_it_is_not_what_the_trainer_did_before(
    values: dict[str, float], expected: dict[str, float]
) -> None:
    told = Told.model_validate(values)
    assert told.model_dump(mode="json", by_alias=True) == expected
    assert told.model_dump().keys() == {to_snake(name) for name in expected}
    assert Told.model_validate_json(told.model_dump_json(by_alias=True)) == told


def test_a_later_argument_that_a_spec_leaves_out_is_not_in_what_its_inputs_are_pinned_by() -> None:
    """A default that is written down is: inputs may be looked at again where a spec has changed."""
    assert Holder.model_validate({"training": {}}).model_dump(by_alias=True) == {"training": {"firstOne": None}}
    written = Holder.model_validate({"training": {"secondOne": 0.5}}).model_dump(by_alias=True)
    assert written == {"training": {"firstOne": None, "secondOne": 0.5}}


def test_bounds_are_those_of_what_is_written_and_not_of_plans_that_lie_in_stores() -> None:
    with pytest.raises(ValidationError):
        Holder.model_validate({"training": {"firstOne": -1}})
    assert Told.model_validate({"firstOne": -1}).model_dump()["first_one"] == -1


def test_of_a_group_the_upper_layer_replaces_all() -> None:
    groups = (("a", "b", "c"), ("d", "e"))
    assert overlay({"a": 1, "c": 2, "d": 3, "x": 4}, {"b": 5}, groups) == {"d": 3, "x": 4, "b": 5}
    assert overlay({"a": 1, "x": 4}, {"a": 2, "x": 5}, groups) == {"a": 2, "x": 5}
    assert overlay({"a": 1, "d": 3}, {}, groups) == {"a": 1, "d": 3}


def test_what_excludes_each_other() -> None:
    assert GROUPS == (
        ("max_steps", "num_train_epochs"),
        ("warmup_ratio", "warmup_steps"),
        ("class_weights", "label_weights"),
    )
    assert rivals({"maxSteps"}, API_GROUPS) == {"maxSteps", "numTrainEpochs"}
