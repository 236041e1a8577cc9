"""Models and data that can be looked at from this machine: folders, buckets, the hub."""

import urllib3

from finetune_core.inputs import Folder
from finetune_core.problems import InvalidInputError, Problem
from finetune_store import S3Connection, StoreError, open_store
from finetune_store.folders import list_folder
from finetune_store.hub import hub_commit


class LocalSources:
    """A FolderSource; what was found is remembered."""

    def __init__(self, connection: S3Connection) -> None:
        self._connection = connection
        self._http = urllib3.PoolManager()
        self._seen: dict[str, Folder] = {}

    def look(self, uri: str, *, field: str, kind: str) -> Folder:
        """The folder at `uri`; InvalidInputError where there is nothing, NotYetError where the hub is away."""
        if uri not in self._seen:
            self._seen[uri] = self._look(uri, field, kind)
        return self._seen[uri]

    def _look(self, uri: str, field: str, kind: str) -> Folder:
        if uri.startswith("hf://"):
            return Folder(commit=hub_commit(uri, kind=kind, field=field, http=self._http))
        option = "--model" if kind == "model" else "--data"
        if uri.startswith("pvc://"):
            message = f"{uri} is a volume of a cluster: name a copy of it on this machine with {option} FOLDER"
            raise InvalidInputError((Problem(field, message),))
        try:
            folder = list_folder(open_store(uri, connection=self._connection), kind)
        except StoreError as error:
            message = f"{error} (to use a folder of this machine: {option} FOLDER)"
            raise InvalidInputError((Problem(field, message),)) from error
        if not folder.files:
            raise InvalidInputError((Problem(field, f"nothing lies at {uri}: check it, or use {option} FOLDER"),))
        return folder
