"""A folder of this machine as a place that models are published to."""

import shutil
from pathlib import Path

from finetune_client.errors import NotFoundError, RefusedError
from finetune_core.publishing.facts import Facts
from finetune_core.publishing.provenance import PROVENANCE
from finetune_publish.places import Options, Pushed
from finetune_store import local_folder


class FolderPlace:
    """See `places.Place`."""

    def __init__(self, path: Path, options: Options) -> None:
        self._path = path
        self._options = options

    @property
    def load_from(self) -> str:
        """See Place."""
        return self._path.name

    def require_writable(self) -> None:
        """See Place."""
        strange = self._path.exists() and not (self._path / PROVENANCE).is_file()
        if strange and not self._options.replace and (not self._path.is_dir() or any(self._path.iterdir())):
            raise RefusedError(
                f"{self._path} has files that no model was published with", "Name another folder; or --replace."
            )

    def push(self, folder: Path, facts: Facts) -> Pushed:
        """See Place. The folder is whole at once: it is written beside, and renamed."""
        del facts
        begun = self._path.parent / f".{self._path.name}.part"
        try:
            shutil.rmtree(begun, ignore_errors=True)
            shutil.copytree(folder, begun)
            if self._path.exists():
                shutil.rmtree(self._path)
            begun.rename(self._path)
        except OSError as error:
            raise RefusedError(f"cannot write to {self._path}: {error}", "Choose another folder.") from error
        return Pushed(str(self._path))

    def fetch(self, scratch: Path) -> Path:
        """See Place."""
        del scratch
        if not self._path.is_dir():
            raise NotFoundError(f"there is no folder {self._path}", "Check the path.")
        return self._path


def open_place(uri: str, options: Options) -> FolderPlace:
    """A folder by its path or file:// URI."""
    return FolderPlace(local_folder(uri) if uri.startswith("file://") else Path(uri).expanduser().resolve(), options)
