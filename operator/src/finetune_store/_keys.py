"""The rules of keys."""

import re

from finetune_store._errors import InvalidKeyError

MAX_KEY_BYTES = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

PROBE_FOLDER = ".finetune-check"
"""Folder of objects that are written to find out what can be done, and deleted at once."""

# A backslash is a folder separator to some servers (tried: SeaweedFS lists a\b as a/b); XML cannot carry the others.
_REFUSED = re.compile(r"[\x00-\x1f\x7f\\]")


def checked_key(key: str) -> str:
    """The key itself; InvalidKeyError if it breaks the rules."""
    problem = _problem(key)
    if problem:
        raise InvalidKeyError(f"the key {key[:200]!r} cannot be used: {problem}")
    return key


def checked_folder(prefix: str) -> str:
    """A folder's key without a slash at its end ("" for the root); InvalidKeyError if it breaks the rules."""
    trimmed = prefix.removesuffix("/")
    return checked_key(trimmed) if trimmed or prefix else ""


def join(*parts: str) -> str:
    """Parts of a key joined by "/"; empty ones are left out."""
    return "/".join(part for part in parts if part)


def relative_key(key: str, folder: str) -> str:
    """The key as seen from a folder that it lies in."""
    return key.removeprefix(f"{folder}/") if folder else key


def _problem(key: str) -> str | None:
    if not key:
        return "it is empty"
    if any(part in {"", ".", ".."} for part in key.split("/")):
        return 'it has an empty, "." or ".." part, or starts or ends with "/"'
    if _REFUSED.search(key):
        return "it holds a backslash or a control character"
    return _length_problem(key)


def _length_problem(key: str) -> str | None:
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    return f"it is longer than {MAX_KEY_BYTES} bytes" if length > MAX_KEY_BYTES else None
