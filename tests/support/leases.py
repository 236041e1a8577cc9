"""Leases in memory, with the API server's optimistic locking; each read and each write may be delayed or lost."""

import itertools
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from finetune_core.json_types import Json
from finetune_kube.errors import ApiUnavailableError, ConflictError, ForbiddenError


@dataclass
class FakeLeases:
    """What all candidates see; `writes` are (namespace, name, holder) in order."""

    kept: dict[tuple[str, str], Json] = field(default_factory=dict)
    writes: list[tuple[str, str, str]] = field(default_factory=list)
    _versions: itertools.count = field(default_factory=lambda: itertools.count(1))

    def get_lease(self, namespace: str, name: str) -> Json | None:
        return deepcopy(self.kept.get((namespace, name)))

    def create_lease(self, namespace: str, manifest: Json) -> Json:
        if (namespace, manifest["metadata"]["name"]) in self.kept:
            raise ConflictError("exists already")
        return self._write(namespace, manifest)

    def replace_lease(self, namespace: str, manifest: Json) -> Json:
        kept = self.kept.get((namespace, manifest["metadata"]["name"]))
        if kept is None or kept["metadata"]["resourceVersion"] != manifest["metadata"]["resourceVersion"]:
            raise ConflictError("changed meanwhile")
        return self._write(namespace, manifest)

    def delete(self, namespace: str, name: str) -> None:
        del self.kept[namespace, name]

    def holder(self, namespace: str, name: str) -> str:
        return str(self.kept[namespace, name]["spec"]["holderIdentity"])

    def _write(self, namespace: str, manifest: Json) -> Json:
        name = manifest["metadata"]["name"]
        written = deepcopy(manifest)
        written["metadata"]["resourceVersion"] = str(next(self._versions))
        self.kept[namespace, name] = written
        self.writes.append((namespace, name, written["spec"]["holderIdentity"]))
        return deepcopy(written)


@dataclass
class Line:
    """One candidate's connection to the Leases: `cut` loses requests, `before` and `after` happen around each."""

    leases: FakeLeases
    cut: bool = False
    forbidden: frozenset[str] = frozenset()
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None

    def get_lease(self, namespace: str, name: str) -> Json | None:
        return self._send(namespace, lambda: self.leases.get_lease(namespace, name))

    def create_lease(self, namespace: str, manifest: Json) -> Json:
        return self._send(namespace, lambda: self.leases.create_lease(namespace, manifest))

    def replace_lease(self, namespace: str, manifest: Json) -> Json:
        return self._send(namespace, lambda: self.leases.replace_lease(namespace, manifest))

    def _send(self, namespace: str, request: Callable[[], Any]) -> Any:
        self.before()
        if namespace in self.forbidden:
            raise ForbiddenError(f"GET leases in {namespace}: 403")
        if self.cut:
            raise ApiUnavailableError("the line is cut")
        answer = request()
        self.after()
        if self.cut:
            raise ApiUnavailableError("the answer is lost")
        return answer
