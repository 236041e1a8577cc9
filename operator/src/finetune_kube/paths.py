"""Paths and selectors of the API. Whatever becomes part of one is checked here, and nowhere else is one built.

HTTP libraries fold `..`, and servers decode `%2f`: a name that holds either leads to another object, also in another
namespace, by the rights of whoever asks. So nothing is quoted: what is no name is refused.
"""

import re
from collections.abc import Mapping

from finetune_core.names import KEY_FORM, MAX_NAME, NAME_FORM, is_label, is_name, is_namespace, quoted
from finetune_kube.errors import InvalidNameError
from finetune_kube.kinds import Kind

_SUBRESOURCES = frozenset({"status", "log", "portforward", "eviction"})
_FIELD = re.compile(r"[A-Za-z]+(\.[A-Za-z]+)*")
_FIELD_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def api_path(kind: Kind, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
    """The path of a collection (of all namespaces without one), an object, or a part of it; InvalidNameError."""
    if namespace is not None and not is_namespace(namespace):
        raise InvalidNameError(f"{quoted(namespace)} is no name of a namespace: use {NAME_FORM.replace(' and .', '')}")
    if name is not None and not is_name(name):
        raise InvalidNameError(f"{quoted(name)} is no name of a {kind.kind}: use {NAME_FORM}")
    if subresource is not None and subresource not in _SUBRESOURCES:
        raise InvalidNameError(f"{quoted(subresource)} is no part of a {kind.kind} that is asked for here")
    root = f"/apis/{kind.group}" if kind.group else "/api"
    where = f"/namespaces/{namespace}" if namespace is not None else ""
    below = "".join(f"/{part}" for part in (kind.plural, name, subresource) if part is not None)
    return f"{root}/{kind.version}{where}{below}"


def label_selector(labels: Mapping[str, str]) -> str:
    """`{"a": "b"}` -> `a=b`; InvalidNameError for what is no label."""
    for key, value in labels.items():
        if not is_label(key, value):
            raise InvalidNameError(f"{quoted(f'{key}={value}')} is no label: use at most 63 of {KEY_FORM}")
    return ",".join(f"{key}={value}" for key, value in labels.items())


def field_selector(fields: Mapping[str, str]) -> str:
    """`{"metadata.name": "b"}` -> `metadata.name=b`; InvalidNameError for a value with other signs than names have."""
    for key, value in fields.items():
        if _FIELD.fullmatch(key) is None or len(value) > MAX_NAME or _FIELD_VALUE.fullmatch(value) is None:
            raise InvalidNameError(f"{quoted(f'{key}={value}')} is no field to select by: use letters, digits, - and .")
    return ",".join(f"{key}={value}" for key, value in fields.items())
