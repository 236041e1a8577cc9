"""What a resolve pod found on volumes, which nobody else can look at."""

from dataclasses import dataclass

from finetune_core.canonical import short_hash
from finetune_core.planning.identity import FileEntry
from finetune_core.planning.inputs import Folder, NotYetError
from finetune_core.planning.volumes import VolumeLooks
from finetune_core.problems import InvalidInputError, Problem
from finetune_store import NotFoundError, Store, UnreadableError, documents


class NeedsPodError(NotYetError):
    """A volume can only be looked at by a pod; `uris` are to be looked at, `key` is where it writes."""

    def __init__(self, uris: tuple[str, ...], key: str) -> None:
        self.uris = uris
        self.key = key
        super().__init__(f"a pod looks at {', '.join(uris)}")


@dataclass(frozen=True)
class VolumeFindings:
    """The findings about `volumes` that a pod writes to `key` of the store."""

    store: Store
    volumes: tuple[str, ...]
    key: str

    def look(self, uri: str, field: str) -> Folder:
        """What the volume holds; NeedsPodError where no pod has looked yet, InvalidInputError, StoreError."""
        try:
            found = documents.read(self.store, self.key, VolumeLooks).root[uri]
        except NotFoundError:
            raise NeedsPodError(self.volumes, self.key) from None
        except (UnreadableError, KeyError) as error:
            remedy = "delete it to have a pod look again"
            problem = f"{self.store.uri(self.key)} does not say in words of this version what {uri} holds: {remedy}"
            raise InvalidInputError((Problem(field, problem),)) from error
        if found.problem is not None:
            raise InvalidInputError((Problem(field, found.problem),))
        files = tuple(FileEntry(file.path, file.md5, file.size) for file in found.files)
        return Folder(files=files, model_type=found.model_type)


def resolution_key(root: str, pin: str, volumes: tuple[str, ...]) -> str:
    """Where the resolve pod of one pinning writes what it found."""
    return f"{root}/inputs/{short_hash([pin, list(volumes)])}.json"
