"""Where the page finds experiments and searches: a cluster as one viewer may see it, or a store without a cluster."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from finetune_client.errors import NotFoundError, RefusedError
from finetune_client.kube.client import Kube
from finetune_client.overview import Mood, Overview, overview
from finetune_client.stores import open_for
from finetune_core.json_types import Json
from finetune_core.problems import FinetuneError
from finetune_store import ObjectInfo, Store
from finetune_ui.content import Opened, read_head
from finetune_ui.kinds import KINDS

_STORE_SECONDS = 300
"""How long an opened store is used: a Secret that was changed or taken away shows within this time."""

_MOST_STORES = 50
"""How many opened stores a viewer has; each costs a pool of connections."""

_LISTING_SHARE = 20
"""Walking through a whole store may take at most this part of the time."""

_TELLING = re.compile(
    r"([^/]+)/([^/]+)/(?:(?:plan|search|results|summary)\.json"
    r"|(?:runs|trials|finalists)/[^/]+/[^/]+/(?:(?:result|progress)\.json|failures/[^/]+|claims/[^/]+)|tasks/[^/]+/end\.json)"
)
"""Objects that the head of an experiment or search is made from."""

_Signature = frozenset[tuple[str, int, datetime]]

_PLANS = {"plan.json": "experiments", "search.json": "searches"}


@dataclass(frozen=True)
class Found:
    """An object that was asked for: its head, None where only the store can tell, and how to open its store."""

    head: Overview | None
    open: Callable[[], Opened]


class Source(Protocol):
    """All methods raise FinetuneError and StoreError, and may take seconds."""

    @property
    def title(self) -> str:
        """What it is, for the page."""

    def heads(self, namespace: str | None) -> list[Overview]:
        """All objects, of one namespace or of the source's own choice."""

    def find(self, word: str, namespace: str, name: str) -> Found:
        """One object; NotFoundError."""


@dataclass
class ClusterSource:
    """A cluster by somebody's rights: theirs alone decide what is shown.

    `everywhere` lists all namespaces; `environ` is as for `open_for`.
    """

    kube: Kube
    everywhere: bool = False
    environ: Mapping[str, str] | None = None
    _stores: dict[str, tuple[float, Opened]] = field(default_factory=dict, repr=False)

    @property
    def title(self) -> str:
        """The address of its API."""
        return f"cluster {self.kube.api.configuration.host}"

    def heads(self, namespace: str | None) -> list[Overview]:
        """See Source; newest first. Who may not look everywhere is told to name a namespace."""
        everywhere = self.everywhere and namespace is None
        kube = Kube(self.kube.api, namespace or self.kube.namespace)
        try:
            items = [item for kind in KINDS.values() for item in kube.objects(kind, everywhere=everywhere)]
        except RefusedError as error:
            remedy = "Name a namespace in which you may list them." if everywhere else error.remedy
            raise RefusedError(error.message, remedy) from error
        return sorted(map(overview, items), key=lambda head: (head.created, head.name), reverse=True)

    def find(self, word: str, namespace: str, name: str) -> Found:
        """See Source."""
        kind, kube = KINDS[word], Kube(self.kube.api, namespace)
        item = kube.get(kind, name)
        if item is None:
            raise NotFoundError(f"there is no {kind.kind} {name} in namespace {namespace}", "It may have been deleted.")
        return Found(overview(item), lambda: self._open(kube, item))

    def _open(self, kube: Kube, item: Json) -> Opened:
        # Reading the Secret and making a client every few seconds would be too much.
        told = [(item.get(part) or {}).get("storage") for part in ("spec", "status")]
        key = json.dumps([item["metadata"]["uid"], *told], sort_keys=True)
        now = time.monotonic()
        kept = {place: found for place, found in self._stores.items() if now - found[0] < _STORE_SECONDS}
        if key not in kept:
            kept[key] = now, Opened.of(open_for(kube, dict(item), environ=self.environ))
        # Replaced as a whole: several threads may be here.
        self._stores = dict(sorted(kept.items(), key=lambda one: one[1][0])[-_MOST_STORES:])
        return kept[key][1]


@dataclass
class StoreSource:
    """A folder or a bucket, without a cluster: what `finetune run` wrote, or what a cluster left."""

    store: Store
    _heads: list[Overview] = field(default_factory=list, repr=False)
    _known: dict[tuple[str, str], tuple[_Signature, Overview]] = field(default_factory=dict, repr=False)
    _again: float = 0.0

    def __post_init__(self) -> None:
        self._opened = Opened.of(self.store)

    @property
    def title(self) -> str:
        """Its URI."""
        return f"store {self.store.uri()}"

    def heads(self, namespace: str | None) -> list[Overview]:
        """See Source; by name. A store lists whole folders only, so that a large one is not walked at each look."""
        if time.monotonic() >= self._again:
            began = time.monotonic()
            self._heads = list(self._walk())
            self._again = time.monotonic() + _LISTING_SHARE * (time.monotonic() - began)
        return [head for head in self._heads if namespace in (None, head.namespace)]

    def find(self, word: str, namespace: str, name: str) -> Found:
        """See Source."""
        return Found(None, lambda: self._opened)

    def _walk(self) -> Iterator[Overview]:
        telling: dict[tuple[str, str], list[ObjectInfo]] = {}
        for info in self.store.list(""):
            if found := _TELLING.fullmatch(info.key):
                telling.setdefault((found[1], found[2]), []).append(info)
        self._known = {place: known for place, known in self._known.items() if place in telling}
        for (namespace, name), infos in sorted(telling.items()):
            files = {info.key.removeprefix(f"{namespace}/{name}/") for info in infos}
            if plans := files & _PLANS.keys():
                signature = frozenset((info.key, info.size, info.modified) for info in infos)
                yield self._head(_PLANS[min(plans)], namespace, name, signature)

    def _head(self, word: str, namespace: str, name: str, signature: _Signature) -> Overview:
        """Read anew only where one of the objects that tell it has changed."""
        known = self._known.get((namespace, name))
        if known is None or known[0] != signature:
            known = self._known[namespace, name] = signature, self._read_head(word, namespace, name)
        return known[1]

    def _read_head(self, word: str, namespace: str, name: str) -> Overview:
        try:
            return read_head(self._opened, word, namespace, name)
        except FinetuneError as error:
            # One that this version cannot read must not hide the others.
            return Overview(KINDS[word], namespace, name, "Unreadable", Mood.BAD, messages=(str(error),))
