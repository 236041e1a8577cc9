"""pydantic models to structural schemas: what the API server would refuse is gone, what it needs is there."""

from enum import StrEnum
from typing import Annotated, Any

import pytest
from pydantic import Field

from finetune_core.api.common import ApiModel, free_form, rules
from finetune_core.api.structural import UnsupportedSchemaError, structural_schema


class Colour(StrEnum):
    """Of the thing."""

    RED = "Red"
    BLUE = "Blue"


class Inner(ApiModel):
    """What is inside."""

    depth: Annotated[int, Field(ge=0, le=10, description="How deep.")] = 3


def schema_of(annotation: Any, default: Any = ..., *, defaults: bool = True, **field: Any) -> dict[str, Any]:
    """The schema of a field of that type."""
    model = type(
        "Model",
        (ApiModel,),
        {
            "__annotations__": {"field": Annotated[annotation, Field(**field)]},
            **({} if default is ... else {"field": default}),
        },
    )
    return structural_schema(model, defaults=defaults)["properties"]["field"]


def test_names_are_the_apis() -> None:
    class Model(ApiModel):
        """A model."""

        eval_steps: int

    schema = structural_schema(Model)

    assert list(schema["properties"]) == ["evalSteps"]
    assert schema["required"] == ["evalSteps"]


def test_titles_and_closedness_are_left_out() -> None:
    assert structural_schema(Inner) == {
        "description": "What is inside.",
        "type": "object",
        "properties": {
            "depth": {
                "description": "How deep.",
                "type": "integer",
                "format": "int32",
                "default": 3,
                "minimum": 0,
                "maximum": 10,
            }
        },
    }


def test_an_optional_field_is_a_plain_field_that_is_not_required() -> None:
    class Model(ApiModel):
        """A model."""

        steps: Annotated[int | None, Field(ge=1, le=5)] = None

    assert structural_schema(Model) == {
        "description": "A model.",
        "type": "object",
        "properties": {"steps": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 5}},
    }


def test_a_part_that_is_always_there_defaults_to_empty_so_that_its_own_defaults_apply() -> None:
    class Model(ApiModel):
        """A model."""

        inner: Inner = Field(default_factory=Inner)

    inner = structural_schema(Model)["properties"]["inner"]

    assert inner["default"] == {}
    assert inner["properties"]["depth"]["default"] == 3


def test_an_optional_part_has_no_default_of_its_own() -> None:
    inner = schema_of(Inner | None, None)

    assert "default" not in inner
    assert inner["properties"]["depth"]["default"] == 3


def test_a_schema_without_defaults_has_none_at_any_depth() -> None:
    inner = schema_of(Inner | None, None, defaults=False)

    assert "default" not in inner["properties"]["depth"]


def test_an_object_has_the_descriptions_of_its_field_and_of_its_type() -> None:
    assert schema_of(Inner, description="The first one.")["description"] == "The first one. What is inside."


def test_the_same_description_is_not_said_twice() -> None:
    assert schema_of(Inner, description="What is inside.")["description"] == "What is inside."


def test_an_enum_has_the_description_of_its_field_and_its_values() -> None:
    assert schema_of(Colour, Colour.RED, description="Its colour.") == {
        "description": "Its colour.",
        "type": "string",
        "enum": ["Red", "Blue"],
        "default": "Red",
    }


def test_a_number_is_a_double_and_an_excluded_bound_says_so_beside_it() -> None:
    assert schema_of(float, gt=0, lt=1) == {
        "type": "number",
        "format": "double",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 1,
        "exclusiveMaximum": True,
    }


@pytest.mark.parametrize(("upper", "form"), [(2**31 - 1, "int32"), (2**31, "int64"), (None, "int64")])
def test_an_integer_has_the_smallest_format_that_holds_its_bounds(upper: int | None, form: str) -> None:
    assert schema_of(int, ge=0, le=upper)["format"] == form


def test_an_integer_or_string_is_what_kubernetes_calls_that() -> None:
    assert schema_of(int | str) == {
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": True,
    }


def test_values_of_a_map_are_converted() -> None:
    assert schema_of(dict[str, Inner])["additionalProperties"]["properties"]["depth"]["format"] == "int32"


@pytest.mark.parametrize("annotation", [dict[str, Any], dict[str, Any] | None])
def test_a_free_form_object_keeps_unknown_fields(annotation: Any) -> None:
    assert schema_of(annotation, json_schema_extra=free_form()) == {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }


def test_entries_of_a_free_form_list_keep_unknown_fields() -> None:
    assert schema_of(list[dict[str, Any]], max_length=4) == {
        "type": "array",
        "maxItems": 4,
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    }


def test_list_maps_and_rules_are_kept() -> None:
    extra = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["depth"]} | rules(("self.size() > 0", "m"))

    schema = schema_of(tuple[Inner, ...], json_schema_extra=extra)

    assert schema.items() >= extra.items()


def test_descriptions_are_one_line() -> None:
    assert schema_of(int, description="One\n    two.")["description"] == "One two."


@pytest.mark.parametrize("annotation", [int | bool, tuple[int, str], Any])
def test_what_cannot_be_said_is_an_error_that_names_the_field(annotation: Any) -> None:
    with pytest.raises(UnsupportedSchemaError, match=r"Model\.field"):
        schema_of(annotation)
