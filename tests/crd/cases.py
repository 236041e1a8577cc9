"""Rules as a spec that they let pass and one that they refuse; those that both kinds of objects have."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """A rule by a part of its message, where it is, and the spec's fields that it takes and that it refuses."""

    id: str
    at: str
    message: str
    good: dict[str, Any]
    bad: dict[str, Any]


STORAGE_CASES = tuple(
    Case(
        f"{field} {bad}",
        f"storage.{field}",
        message,
        good={"storage": {"bucket": "bucket", field: good}},
        bad={"storage": {"bucket": "bucket", field: bad}},
    )
    for field, good, bad, message in (
        ("bucket", "my-bucket.1", "MyBucket", "this is no name of a bucket: use lower-case letters, digits"),
        ("bucket", "0ab", "bucket-", "begin and end with a letter or digit"),
        ("prefix", "team/a", "team/a/", "this is no prefix: begin and end without a slash, as in team/a"),
        ("prefix", "t", "/team", "this is no prefix: begin and end without a slash"),
        ("endpoint", "http://s:8333", "http://s:8333/bucket", "a path belongs in storage.bucket and storage.prefix"),
        ("endpoint", "https://s/", "store.finetune.svc:8333", "this is no endpoint: write http://host[:port]"),
    )
)
