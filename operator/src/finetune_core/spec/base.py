"""What all API models share: camelCase names, closed fields, CEL rules beside the fields that they span."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field

from finetune_core.frozen import Frozen


class ApiModel(Frozen):
    """A part of a custom resource's spec."""


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """CEL rules for a model's schema, as (expression, message) pairs, for `json_schema_extra`.

    See https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
    """
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}


def cel_list(texts: Iterable[str]) -> str:
    """A list literal of CEL; the texts must hold neither quotes nor backslashes."""
    return "[" + ", ".join(f"'{text}'" for text in texts) + "]"


def free_form() -> dict[str, Any]:
    """Schema extra for a field that holds a Kubernetes type as it is: the API server keeps what it is given."""
    return {"x-kubernetes-preserve-unknown-fields": True}


Uri = Annotated[str, Field(min_length=1, max_length=1024)]
Name = Annotated[str, Field(min_length=1, max_length=253)]
