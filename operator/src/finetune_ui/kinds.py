"""The two kinds on the page: their words in addresses. Pure."""

from collections.abc import Mapping
from urllib.parse import quote

from finetune_client.overview import Overview
from finetune_kube.kinds import EXPERIMENT, SEARCH, Kind

KINDS: Mapping[str, Kind] = {"experiments": EXPERIMENT, "searches": SEARCH}
"""Word in an address -> kind."""

_WORDS = {kind: word for word, kind in KINDS.items()}


def path_of(seen: Overview) -> str:
    """Address of an object's page."""
    return f"/{_WORDS[seen.kind]}/{quote(seen.namespace, safe='')}/{quote(seen.name, safe='')}"
