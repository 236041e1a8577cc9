"""What a Secret may hold in place of keys: the field is named, and no message shows what the Secret holds."""

import base64
from dataclasses import dataclass, field
from typing import Any

import pytest

from finetune_core.api import SecretRef
from finetune_core.problems import InvalidInputError
from finetune_store import S3Connection
from finetune_work.credentials import KEYS, with_keys

HIDDEN = "hunter2"
ODD = {
    "two lines": f"{HIDDEN}\nmore",
    "a header": f"{HIDDEN}\r\nX-Amz-Acl: public-read",
    "NUL": f"{HIDDEN}\0",
    "a space": f"{HIDDEN} more",
    "no ASCII": f"{HIDDEN}ä",
    "a turned direction": f"{HIDDEN}\u202e",
    "a book": HIDDEN * 2000,
}


@dataclass
class Objects:
    """A namespace with a Secret."""

    values: dict[str, bytes]
    namespace: str = field(default="team")

    def secret(self, _name: str) -> dict[str, Any]:
        return {"data": {key: base64.b64encode(value).decode() for key, value in self.values.items()}}

    def config_map(self, _name: str) -> None:
        return None


def keys_of(**values: bytes) -> S3Connection:
    usable = {"AWS_ACCESS_KEY_ID": b"id", "AWS_SECRET_ACCESS_KEY": b"secret"}
    return with_keys(S3Connection(), Objects({**usable, **values}), SecretRef(name="keys"))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_what_no_header_takes_is_refused_and_not_shown(key: str, text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^spec.storage.secretRef: ") as caught:
        keys_of(**{key: text.encode()})
    assert f"{key} in Secret keys is no key" in str(caught.value)
    assert HIDDEN not in str(caught.value)


@pytest.mark.parametrize("key", [key for key, needed in KEYS.items() if needed])
def test_what_is_no_text_counts_as_missing(key: str) -> None:
    with pytest.raises(InvalidInputError, match=f"lacks {key}"):
        keys_of(**{key: b"\xff\xfe"})


def test_a_line_end_that_a_file_leaves_is_no_part_of_a_key() -> None:
    assert keys_of(AWS_SESSION_TOKEN=b"a+/=" * 500 + b"\n").session_token == "a+/=" * 500
