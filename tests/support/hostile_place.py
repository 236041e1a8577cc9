"""The operator over a fake API server that records, with folders for buckets and no way to the hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import urllib3
from kubernetes import client

from finetune_core.canonical import short_hash
from finetune_core.json_types import Json
from finetune_kube.kinds import CONFIG_MAP, EXPERIMENT, SEARCH, SECRET, Kind
from finetune_kube.paths import api_path
from finetune_operator.base_reconciler import BaseReconciler
from finetune_operator.cluster import Cluster
from finetune_operator.config import Config
from finetune_operator.kinds.experiment import Reconciler
from finetune_operator.kinds.search import SearchReconciler
from finetune_operator.storage import Connection, Ready, StorageConnector
from finetune_store import DirectoryStore, S3Connection, Store, creates_once
from support.recording_api import RecordingApi, serving

KINDS = {kind.kind: kind for kind in (EXPERIMENT, SEARCH)}
CUSTOM_TASK = {
    "name": "mine",
    "problemType": "Classification",
    "labels": ["a", "b"],
    "data": {"uri": "s3://inputs/mine", "train": "train.csv", "validation": "dev.csv", "textColumns": ["text"]},
}
SHARED = {
    "model": {"uri": "s3://inputs/model"},
    "tasks": [CUSTOM_TASK],
    "storage": {"bucket": "results", "secretRef": {"name": "keys"}, "caBundle": {"name": "ca", "key": "ca.crt"}},
}
BASES: dict[str, Json] = {
    "FinetuneExperiment": SHARED,
    "HPSearch": SHARED | {"space": {"learningRate": {"choice": [0.1]}}, "trials": 1},
}
CONFIG = Config(trainer_image="example.test/trainer:1", operator_image="example.test/operator:1")
FILES = {"model": ("config.json", "model.safetensors"), "mine": ("train.csv", "dev.csv")}


class NoHub(urllib3.PoolManager):
    """There is no way to the hub."""

    def request(self, *_: Any, **__: Any) -> Any:
        raise urllib3.exceptions.ProtocolError("no way")


@dataclass
class FolderConnection:
    """Opens folders in place of buckets."""

    root: Path
    kind: type[DirectoryStore] = DirectoryStore

    def open(self, uri: str) -> Store:
        return self.kind(self.root / short_hash(uri))

    def open_input(self, uri: str) -> Store:
        return self.open(uri)

    def ready(self, uri: str, folder: str, *, prove: bool, seconds: float) -> Ready:
        """A folder is always there."""
        store = self.open(uri)
        return Ready(store, creates_once(store, folder))


class FolderConnector(StorageConnector):
    """Reads Secrets and ConfigMaps as the real one does, then leads to folders."""

    def __init__(self, cluster: Cluster, root: Path, kind: type[DirectoryStore] = DirectoryStore) -> None:
        super().__init__(cluster)
        self._opened = FolderConnection(root, kind)

    def _shared(self, wanted: S3Connection, home: str = "") -> Connection:
        return cast("Connection", self._opened)


@dataclass
class Place:
    """An operator over the fake API server, and objects of either kind."""

    api: RecordingApi
    client: client.ApiClient
    cluster: Cluster
    reconcilers: dict[str, BaseReconciler[Any, Any]]

    def put(self, kind: str, spec: Json, name: str = "one", **fields: Any) -> Json:
        """Hold an object of the kind."""
        item = {"apiVersion": EXPERIMENT.api_version, "kind": kind, "metadata": {"name": name}, "spec": spec, **fields}
        return self.api.put(collection(KINDS[kind]), item)

    def edit(self, kind: str, spec: Json) -> None:
        """Change the spec of the object, as its author does."""
        item = self.held(KINDS[kind])
        item["spec"] = spec
        item["metadata"]["generation"] += 1

    def look(self, kind: str, times: int = 1) -> None:
        """Have the operator look at it."""
        for _ in range(times):
            self.reconcilers[kind].reconcile("team", "one")

    def held(self, kind: Kind, name: str = "one") -> Json:
        """The object as it is now."""
        return self.api.objects[api_path(kind, "team", name)]

    def valid(self, kind: str) -> Json:
        """The object's condition Valid."""
        return self.conditions(kind)["Valid"]

    def conditions(self, kind: str) -> dict[str, Json]:
        """The object's conditions, by type."""
        return {condition["type"]: condition for condition in self.held(KINDS[kind])["status"]["conditions"]}


def collection(kind: Kind) -> str:
    return api_path(kind, "team")


def fill_inputs(root: Path) -> None:
    """The model and the data of `BASES`."""
    for below, names in FILES.items():
        for name in names:
            FolderConnection(root).open(f"s3://inputs/{below}").put(name, b"{}")


@contextmanager
def operating(folder: Path, config: Config = CONFIG, kind: type[DirectoryStore] = DirectoryStore) -> Iterator[Place]:
    """A place below a folder, which is a store of a kind; the namespace is `team`."""
    recording = RecordingApi("team")
    keys = {"AWS_ACCESS_KEY_ID": "aWQ=", "AWS_SECRET_ACCESS_KEY": "a2V5"}
    recording.put(collection(SECRET), {"metadata": {"name": "keys"}, "data": keys})
    recording.put(collection(CONFIG_MAP), {"metadata": {"name": "ca"}, "data": {"ca.crt": "certificate"}})
    fill_inputs(folder)
    with serving(recording) as api:
        cluster = Cluster(api)
        connector = FolderConnector(cluster, folder, kind)
        made = Reconciler(cluster, config, connector=connector, http=NoHub())
        searcher = SearchReconciler(cluster, config, connector=connector, http=NoHub())
        yield Place(recording, api, cluster, {"FinetuneExperiment": made, "HPSearch": searcher})
        connector.close()
