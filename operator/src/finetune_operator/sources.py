"""Where inputs are looked at: buckets, the hub, and what a resolve pod found on a volume."""

from collections.abc import Callable

import urllib3
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from finetune_core.canonical import short_hash
from finetune_core.identity import FileEntry
from finetune_core.inputs import Folder, NotYetError
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.stored import Count, RelativePath
from finetune_store import NotFoundError, Store, StoreError
from finetune_store.folders import list_folder
from finetune_store.hub import hub_commit


class _File(BaseModel):
    path: RelativePath
    md5: str
    size: Count


class _Look(BaseModel):
    """What a resolve pod writes of a folder (see `finetune_trainer.resolve`)."""

    files: tuple[_File, ...] = ()
    model_type: str | None = Field(default=None, alias="modelType")
    problem: str | None = None


_LOOKS = TypeAdapter(dict[str, _Look])


class NeedsPodError(NotYetError):
    """A volume can only be looked at by a pod; `uris` are to be looked at, `key` is where it writes."""

    def __init__(self, uris: tuple[str, ...], key: str) -> None:
        self.uris = uris
        self.key = key
        super().__init__(f"a pod looks at {', '.join(uris)}")


class Sources:
    """Looks at folders for one experiment; what was found, or not, is remembered for the rest of one resolution."""

    def __init__(
        self,
        *,
        open_uri: Callable[[str], Store],
        http: urllib3.PoolManager,
        results: Store,
        volumes: tuple[str, ...],
        key: str,
    ) -> None:
        self._open = open_uri
        self._http = http
        self._results = results
        self._volumes = volumes
        self._key = key
        self._seen: dict[str, Folder | InvalidInputError] = {}

    def look(self, uri: str, *, field: str, kind: str) -> Folder:
        """The folder at `uri` (see FolderSource)."""
        if uri not in self._seen:
            try:
                self._seen[uri] = self._look(uri, field, kind)
            except InvalidInputError as error:
                self._seen[uri] = error
        found = self._seen[uri]
        if isinstance(found, InvalidInputError):
            raise found
        return found

    def _look(self, uri: str, field: str, kind: str) -> Folder:
        if uri.startswith("hf://"):
            return Folder(commit=hub_commit(uri, kind=kind, field=field, http=self._http))
        if uri.startswith("pvc://"):
            return self._volume(uri, field)
        folder = self._listed(uri, field, kind)
        if not folder.files:
            raise InvalidInputError((Problem(field, f"nothing lies at {uri}: check bucket and path"),))
        return folder

    def _listed(self, uri: str, field: str, kind: str) -> Folder:
        try:
            return list_folder(self._open(uri), kind)
        except StoreError as error:
            if error.transient:
                raise
            # Where results go was proved before: it is this URI that is wrong.
            raise InvalidInputError((Problem(field, str(error)),)) from error

    def _volume(self, uri: str, field: str) -> Folder:
        try:
            found = _LOOKS.validate_json(self._results.get(self._key))[uri]
        except NotFoundError:
            raise NeedsPodError(self._volumes, self._key) from None
        except (ValidationError, KeyError) as error:
            remedy = "delete it to have a pod look again"
            problem = f"{self._results.uri(self._key)} does not say in words of this version what {uri} holds: {remedy}"
            raise InvalidInputError((Problem(field, problem),)) from error
        if found.problem is not None:
            raise InvalidInputError((Problem(field, found.problem),))
        files = tuple(FileEntry(file.path, file.md5, file.size) for file in found.files)
        return Folder(files=files, model_type=found.model_type)


def resolution_key(root: str, pin: str, volumes: tuple[str, ...]) -> str:
    """Where the resolve pod of one pinning writes what it found."""
    return f"{root}/inputs/{short_hash([pin, list(volumes)])}.json"
