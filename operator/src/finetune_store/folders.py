"""What lies in a folder of models or data, as far as pinning and the checks before a run want to know it; whose folders
lie in a namespace."""

from finetune_core.names import is_name
from finetune_core.planning.identity import FileEntry, content_digest
from finetune_core.planning.inputs import CONFIG_FILE, Folder, said_type
from finetune_store._model import Store

MOST_FILES = 10_000
"""Of a folder of models or data: a whole bucket must not be read because somebody forgot the folder."""

MOST_WRITTEN = 1000
"""Of a model, or of a run's event files: a folder with more is none that a trainer wrote."""

_CONFIG_BYTES = 4 << 20


def list_folder(store: Store, kind: str) -> Folder:
    """The files of a store, and where `kind` is "model" what its config.json says it is; StoreError."""
    files = tuple(FileEntry(info.key, info.md5 or "", info.size) for info in store.list("", limit=MOST_FILES))
    looked_into = kind == "model" and any(entry.path == CONFIG_FILE and entry.size <= _CONFIG_BYTES for entry in files)
    return Folder(
        files=files, model_type=said_type(store.get(CONFIG_FILE, limit=_CONFIG_BYTES)) if looked_into else None
    )


def weights_digest(store: Store, folder: str) -> str:
    """Digest of the files of a model's folder ("": of the whole store), as the store lists them; StoreError."""
    files = store.list(folder, limit=MOST_WRITTEN)
    return content_digest(FileEntry(info.key.removeprefix(f"{folder}/"), info.md5 or "", info.size) for info in files)


def owners_in(store: Store, namespace: str) -> list[str]:
    """The names of the experiments and searches that have a folder in a namespace, sorted; StoreError."""
    return [name for name in store.folders(namespace) if is_name(name)]
