"""The forms that Kubernetes gives names, keys, labels and quantities.

The patterns are for CRDs (RE2), where `$` matches at the end of the text alone. Python's `$` matches before a final
newline too, so code asks the functions. Sources: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
and k8s.io/apimachinery/pkg/util/validation (IsDNS1123Subdomain, IsConfigMapKey, IsValidLabelValue).
"""

import re

MAX_NAME = 253
MAX_NAMESPACE = 63
MAX_LABEL_VALUE = 63

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"

NAME_PATTERN = f"^{_SUBDOMAIN}$"
# Neither `.` nor anything that begins with `..`: keys become names of files.
KEY_PATTERN = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$"

# As Kubernetes has it, with exponents of two digits at most: nobody has 1e999999999 of anything.
_DIGITS = "([0-9]{1,20}([.][0-9]{0,20})?|[.][0-9]{1,20})"
QUANTITY_PATTERN = rf"^[+-]?{_DIGITS}(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]{{1,2}}))?$"

NAME_FORM = "lower-case letters, digits, - and ., beginning and ending with a letter or digit"
KEY_FORM = "letters, digits, -, _ and ., not beginning with .."

QUANTITY_FORM = "an amount as 2, 500m or 4Gi"

_IS_NAME = re.compile(_SUBDOMAIN)
_IS_NAMESPACE = re.compile(_LABEL)
_IS_KEY = re.compile(KEY_PATTERN.strip("^$"))
_IS_QUANTITY = re.compile(QUANTITY_PATTERN.strip("^$"))
_IS_LABEL_WORD = re.compile("[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_MAX_SHOWN = 60


def name_from(text: str, most: int) -> str:
    """A name made of any text, of at most so many characters; empty where the text has no letter or digit."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:most].rstrip("-")


def is_name(text: str) -> bool:
    """Whether it can be the name of an object: a DNS-1123 subdomain."""
    return len(text) <= MAX_NAME and _IS_NAME.fullmatch(text) is not None


def is_namespace(text: str) -> bool:
    """Whether it can be the name of a namespace: a DNS-1123 label."""
    return len(text) <= MAX_NAMESPACE and _IS_NAMESPACE.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Whether it can be a key of a Secret or ConfigMap."""
    return len(text) <= MAX_NAME and _IS_KEY.fullmatch(text) is not None


def is_label(key: str, value: str) -> bool:
    """Whether it can be a label."""
    prefix, slash, word = key.rpartition("/")
    return (
        (not slash or is_name(prefix))
        and len(word) <= MAX_LABEL_VALUE
        and _IS_LABEL_WORD.fullmatch(word) is not None
        and len(value) <= MAX_LABEL_VALUE
        and (not value or _IS_LABEL_WORD.fullmatch(value) is not None)
    )


def is_quantity(text: str) -> bool:
    """Whether it can be an amount of a resource."""
    return _IS_QUANTITY.fullmatch(text) is not None


def quoted(text: str) -> str:
    """A text that may hold anything, for a message: control characters escaped, cut short."""
    shown = repr(text)
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[: _MAX_SHOWN - 1]}…"
