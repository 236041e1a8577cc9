"""The policy that docs/how-to/private-models-and-buckets.md publishes, for a bucket, a prefix and a namespace."""

import json
from typing import Any

from support.doc_pages import REPOSITORY, blocks

PAGE = REPOSITORY / "docs/how-to/private-models-and-buckets.md"
SHARED = "models"
"""The folder that the page has namespaces share."""


def published_policy(bucket: str, prefix: str, namespace: str) -> str:
    """The page's own text, with the names in their places."""
    (text,) = [said.text for said in blocks(PAGE) if said.language == "json" and "s3:ListBucket" in said.text]
    for placeholder, name in (("MY-BUCKET", bucket), ("PREFIX", prefix), ("NAMESPACE", namespace)):
        assert placeholder in text
        text = text.replace(placeholder, name)
    return text


def with_shared(policy: str, bucket: str) -> str:
    """What the page says to add for models that namespaces share."""
    made: dict[str, Any] = json.loads(policy)
    resource = f"arn:aws:s3:::{bucket}/{SHARED}/*"
    made["Statement"].append({"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource})
    (listing,) = [one for one in made["Statement"] if one["Action"] == "s3:ListBucket"]
    prefixes = listing["Condition"]["StringLike"]
    prefixes["s3:prefix"] = [prefixes["s3:prefix"], f"{SHARED}/*"]
    return json.dumps(made)
