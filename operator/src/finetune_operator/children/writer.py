"""Creating, replacing and deleting children by name: never an object that is not the owner's."""

import logging
from collections.abc import Callable

from finetune_core.api.status import Reason
from finetune_core.json_types import Json
from finetune_kube.errors import ConflictError
from finetune_kube.kinds import SEARCH, Kind
from finetune_kube.ownership import is_owned_by
from finetune_operator.cluster import Cluster
from finetune_operator.manifests import Owner
from finetune_operator.problems import WaitingError

logger = logging.getLogger(__name__)


class ChildWriter:
    """Writes the children of one owner. WaitingError where an object of somebody else's has the name."""

    def __init__(self, cluster: Cluster, owner: Owner) -> None:
        self._cluster = cluster
        self._owner = owner

    def create_work(self, kind: Kind, manifest: Json, *, strict: bool = True) -> None:
        """Create a Job or the like, unless the owner has it already; RejectedError: see Cluster."""
        namespace, name = self._owner.namespace, manifest["metadata"]["name"]
        self._create(
            manifest,
            lambda where, made: self._cluster.create_work(kind, where, made, strict=strict),
            lambda: self._cluster.list_work(kind, namespace, {}, name=name),
        )

    def create_config_map(self, manifest: Json) -> None:
        """Create a ConfigMap whose name stands for its content, unless the owner has it already."""
        self._create(manifest, self._cluster.create_config_map, lambda: self._found(manifest["metadata"]["name"]))

    def create_network_policy(self, manifest: Json) -> None:
        """Create a NetworkPolicy whose name stands for its content, unless the owner has it already."""
        name = manifest["metadata"]["name"]
        self._create(manifest, self._cluster.create_network_policy, lambda: self._found_policy(name))

    def delete_network_policy(self, name: str) -> None:
        """Delete a NetworkPolicy if it is the owner's."""
        for found in self._found_policy(name):
            if is_owned_by(found, self._owner.uid):
                self._cluster.delete_network_policy(self._owner.namespace, name, uid=found["metadata"]["uid"])

    def put_config_map(self, manifest: Json) -> None:
        """Create a ConfigMap, or replace the owner's own as it is now; ConflictError if it changes meanwhile."""
        found = self._found(manifest["metadata"]["name"])
        if not found:
            self._cluster.create_config_map(self._owner.namespace, manifest)
            return
        self._refuse_foreign("ConfigMap", found)
        seen = {key: found[0]["metadata"][key] for key in ("uid", "resourceVersion")}
        metadata = {**manifest["metadata"], **seen}
        self._cluster.replace_config_map(self._owner.namespace, {**manifest, "metadata": metadata})

    def delete_config_map(self, name: str) -> None:
        """Delete a ConfigMap if it is the owner's."""
        for found in self._found(name):
            if is_owned_by(found, self._owner.uid):
                self._cluster.delete_config_map(self._owner.namespace, name, uid=found["metadata"]["uid"])

    def _found(self, name: str) -> list[Json]:
        found = self._cluster.get_config_map(self._owner.namespace, name)
        return [] if found is None else [found]

    def _found_policy(self, name: str) -> list[Json]:
        found = self._cluster.get_network_policy(self._owner.namespace, name)
        return [] if found is None else [found]

    def _create(self, manifest: Json, create: Callable[[str, Json], None], find: Callable[[], list[Json]]) -> None:
        try:
            create(self._owner.namespace, manifest)
        except ConflictError:
            # A name stands for one content, so what is ours is what we want, or is being deleted: the next look sees.
            logger.debug("exists already")
            self._refuse_foreign(manifest["kind"], find())

    def _refuse_foreign(self, kind: str, found: list[Json]) -> None:
        for item in found:
            if not is_owned_by(item, self._owner.uid):
                noun = "search" if self._owner.kind == SEARCH.kind else "experiment"
                name = item["metadata"]["name"]
                message = f"{kind} {name} exists and is not of this {noun}: delete it, or give the {noun} another name."
                raise WaitingError(Reason.BLOCKED, message)
