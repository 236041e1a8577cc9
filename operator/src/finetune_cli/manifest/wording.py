"""Words for what JSON Schema finds: what is wrong, and what to do."""

import json
import re
from collections.abc import Mapping
from typing import Any

from finetune_core.names import (
    KEY_FORM,
    KEY_PATTERN,
    NAME_FORM,
    NAME_PATTERN,
    QUANTITY_FORM,
    QUANTITY_PATTERN,
)
from finetune_core.near import near

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list (each entry on a line of its own with - before it, or [a, b])",
    "object": "a mapping (indented lines of `key: value`)",
}
_MAX_SHOWN = 60
_FORMS = {NAME_PATTERN: NAME_FORM, KEY_PATTERN: KEY_FORM, QUANTITY_PATTERN: QUANTITY_FORM}


def wrong_type(wanted: str, value: Any) -> str:
    """A value of another type than the schema's."""
    what = _TYPES[wanted]
    match wanted, value:
        case _, None:
            return f"is empty: give it {what}, or remove the line"
        case "string", bool() | int() | float():
            kind = "a boolean" if isinstance(value, bool) else "a number"
            return f"{shown(value)} is read as {kind}, not as text: put quotes around it"
        case (("integer" | "number" | "boolean"), str()) if _means(wanted, value):
            return f"{shown(value)} is text: write it without quotes"
        case "integer", float():
            return f"{shown(value)} is no whole number: write {round(value)}"
        case _:
            return f"{shown(value)} does not fit: this wants {what}"


def not_in_enum(value: Any, allowed: list[str]) -> str:
    """A value that is none of the schema's."""
    meant = near(value, allowed) if isinstance(value, str) else None
    hint = f"did you mean {meant}? It can be" if meant else "use one of"
    return f"{shown(value)} is none of the values that this can have: {hint} {', '.join(allowed)}"


def broken_bound(keyword: str, limit: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    """A bound of a number, a text, a list or a mapping; None if the keyword is no bound."""
    count = len(value) if hasattr(value, "__len__") else 0
    more = "more than" if schema.get("exclusiveMinimum") else "at least"
    less = "less than" if schema.get("exclusiveMaximum") else "at most"
    words = {
        "minimum": f"{shown(value)} is too small: use {more} {limit}",
        "maximum": f"{shown(value)} is too large: use {less} {limit}",
        "minLength": f"has {count} characters: give it at least {limit}",
        "maxLength": f"has {count} characters: use at most {limit}",
        "minItems": f"has {count} entries: give it at least {limit}, or remove it",
        "maxItems": f"has {count} entries: use at most {limit}",
        "minProperties": f"has {count} entries: give it at least {limit}, or remove it",
        "maxProperties": f"has {count} entries ({', '.join(value) if isinstance(value, dict) else ''}): "
        f"keep at most {limit}",
    }
    return words.get(keyword)


def missing(name: str, schema: Mapping[str, Any]) -> str:
    """A required field that is not there."""
    purpose = f" ({first_sentence(schema)})" if schema.get("description") else ""
    return f"{name} is missing: add it{purpose}"


def no_match(value: Any, pattern: str, schema: Mapping[str, Any]) -> str:
    """A text that is not of the form that the schema wants."""
    if isinstance(value, str) and re.search(pattern, value.lower()):
        return f"{shown(value)} is not in lower case: did you mean {value.lower()}?"
    form = _FORMS.get(pattern)
    wanted = f"use {form}" if form else schema.get("description") or f"text of the form {pattern}"
    return f"{shown(value)} is not of the form that is wanted here: {wanted}"


def first_sentence(schema: Mapping[str, Any]) -> str:
    """The beginning of a field's description."""
    return str(schema.get("description", "")).partition(". ")[0].rstrip(".")


def shown(value: Any) -> str:
    """A value as it is written, cut short."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"


def _means(wanted: str, text: str) -> bool:
    """Whether the text would be a value of that type if it had no quotes."""
    if wanted == "boolean":
        return text.lower() in {"true", "false", "yes", "no"}
    try:
        float(text)
    except ValueError:
        return False
    return True


def neither(value: Any, schema: Mapping[str, Any]) -> str:
    """A value that is neither number nor text where either may be: as the field's own rule says it, if it has one."""
    for rule in schema.get("x-kubernetes-validations", ()):
        return f"{shown(value)}: {rule['message']}"
    return f"{shown(value)} is no quantity: write 2, 500m, 4Gi"
