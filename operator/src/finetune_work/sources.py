"""Folders of models and data, looked at where they lie: buckets, the hub, this machine; volumes by whoever can."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import urllib3

from finetune_core.planning.inputs import Folder, NotYetError
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.tasks.hub_files import HubListing
from finetune_store import Store, StoreError
from finetune_store.folders import list_folder
from finetune_store.hub import hub_commit, hub_listing

Found = TypeVar("Found")

LookAtVolume = Callable[[str, str], Folder]
"""(URI, field) -> what a volume holds; InvalidInputError, NotYetError."""


class FolderSources:
    """A FolderSource of one resolution; what it finds, or does not find, is remembered."""

    def __init__(
        self,
        *,
        open_uri: Callable[[str], Store],
        http: urllib3.PoolManager,
        volume: LookAtVolume,
        advice: Callable[[str], str] = lambda _kind: "",
    ) -> None:
        """`advice` gives what else a person can do about an input of a kind ("model", "dataset")."""
        self._open = open_uri
        self._http = http
        self._volume = volume
        self._advice = advice
        self._found: dict[str, Folder | InvalidInputError] = {}
        self._listings: dict[str, HubListing | InvalidInputError] = {}
        self._hub_waited_for: NotYetError | None = None

    def look(self, uri: str, *, field: str, kind: str) -> Folder:
        """The folder at `uri` (see FolderSource). A StoreError that may pass is raised as it is."""
        return _remembered(self._found, uri, lambda: self._look(uri, field, kind))

    def list_dataset(self, uri: str, *, field: str) -> HubListing:
        """The files of a data set on the hub (see FolderSource)."""
        ask = partial(hub_listing, uri, field=field, http=self._http)
        return _remembered(self._listings, uri, lambda: self._ask_hub(ask))

    def _look(self, uri: str, field: str, kind: str) -> Folder:
        if uri.startswith("hf://"):
            return Folder(commit=self._ask_hub(partial(hub_commit, uri, kind=kind, field=field, http=self._http)))
        if uri.startswith("pvc://"):
            return self._volume(uri, field)
        folder = self._listed(uri, field, kind)
        if not folder.files:
            problem = f"nothing lies at {uri}: check bucket and path{self._advice(kind)}"
            raise InvalidInputError((Problem(field, problem),))
        return folder

    def _ask_hub(self, ask: Callable[[], Found]) -> Found:
        # One that does not answer is not waited for as often as there are tasks.
        if self._hub_waited_for is not None:
            raise self._hub_waited_for
        try:
            return ask()
        except NotYetError as error:
            self._hub_waited_for = error
            raise

    def _listed(self, uri: str, field: str, kind: str) -> Folder:
        try:
            return list_folder(self._open(uri), kind)
        except StoreError as error:
            if error.transient:
                raise
            # Where results go was proved before: it is this URI that is wrong.
            raise InvalidInputError((Problem(field, f"{error}{self._advice(kind)}"),)) from error


def _remembered(known: dict[str, Found | InvalidInputError], uri: str, find: Callable[[], Found]) -> Found:
    """What was found before, or is found now; an input that cannot be used is so each time."""
    if uri not in known:
        try:
            known[uri] = find()
        except InvalidInputError as error:
            known[uri] = error
    found = known[uri]
    if isinstance(found, InvalidInputError):
        raise found
    return found
