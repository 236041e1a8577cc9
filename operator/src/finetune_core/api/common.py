"""What all API models share: camelCase names, closed fields, CEL rules beside the fields that they span."""

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from finetune_core.frozen import Frozen
from finetune_core.names import (
    KEY_FORM,
    KEY_PATTERN,
    MAX_LABEL_VALUE,
    MAX_NAME,
    NAME_FORM,
    NAME_PATTERN,
    QUANTITY_FORM,
    is_key,
    is_name,
    is_quantity,
    quoted,
)


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


def _form(error: str, fits: Callable[[str], bool], message: str) -> AfterValidator:
    """Refuses a text in words; a pattern alone would be told as a regular expression."""

    def check(value: int | str) -> int | str:
        if isinstance(value, str) and not fits(value):
            raise PydanticCustomError(error, "{text} is " + message, {"text": quoted(value)})
        return value

    return AfterValidator(check)


def worded(error: str, pattern: str, message: str) -> tuple[AfterValidator, Any]:
    """A form that is refused in words by the API server too, which would tell of a pattern as it is."""
    fits = re.compile(pattern)
    rule = (f"self.matches('{pattern}')", f"this is {message}")
    return _form(error, lambda text: fits.fullmatch(text) is not None, message), Field(json_schema_extra=rules(rule))


def _name(longest: int) -> tuple[AfterValidator, Any]:
    message = f"no name in Kubernetes: use at most {longest} of {NAME_FORM}"
    extra: dict[str, Any] = {"minLength": 1, "maxLength": longest, "pattern": NAME_PATTERN}
    return _form("name", lambda text: len(text) <= longest and is_name(text), message), Field(json_schema_extra=extra)


def _names_volume(uri: str) -> bool:
    """Whether a pvc:// URI names a claim that can be; true of all other URIs."""
    scheme, _, rest = uri.partition("://")
    return scheme != "pvc" or is_name(rest.partition("/")[0])


_VOLUME_RULE = (
    f"!self.startsWith('pvc://') || self.matches('^pvc://{NAME_PATTERN.strip('^$')}(/|$)')".replace("\\", "\\\\"),
    f"a pvc:// URI begins with the name of a PersistentVolumeClaim: {NAME_FORM}",
)
Uri = Annotated[
    str,
    _form("volume", _names_volume, f"no pvc://claim/path: the name of a PersistentVolumeClaim is {NAME_FORM}"),
    Field(min_length=1, max_length=1024, json_schema_extra=rules(_VOLUME_RULE)),
]
Name = Annotated[str, *_name(MAX_NAME)]
"""The name of an object: a DNS-1123 subdomain."""

QueueName = Annotated[str, *_name(MAX_LABEL_VALUE)]
"""A name that becomes the value of a label."""

ShortName = Annotated[str, *_name(40)]
"""A name that status and messages repeat."""

Quantity = Annotated[int | str, _form("quantity", is_quantity, f"no quantity: use {QUANTITY_FORM}")]

Key = Annotated[
    str,
    _form("key", is_key, f"no key of a Secret or ConfigMap: use at most {MAX_NAME} of {KEY_FORM}"),
    Field(json_schema_extra={"minLength": 1, "maxLength": MAX_NAME, "pattern": KEY_PATTERN}),
]
"""A key of a Secret or ConfigMap; it becomes the name of a file."""
