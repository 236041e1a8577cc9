"""Reading spec.hyperparametersFrom: an HPSearch's status, a ConfigMap, or a folder of YAML files."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from finetune_core.api import HyperparametersFrom
from finetune_core.api.search_status import HPSearchStatus
from finetune_core.json_types import Json
from finetune_core.planning.tuned import TunedTasks, from_config_map, from_files, from_search, search_unready
from finetune_core.problems import FinetuneError, InvalidInputError, Problem
from finetune_store import Store, StoreError
from finetune_store.folders import MOST_FILES

_SUFFIX = ".yaml"
_MOST_BYTES = 256 << 10


class TunedNotYetError(FinetuneError):
    """The source is not there yet: a search that has not ended, a ConfigMap or folder that nobody has made."""


class NamespaceReader(Protocol):
    """Objects of one namespace of a cluster."""

    @property
    def namespace(self) -> str:
        """Its name."""
        ...

    def search(self, name: str) -> Json | None:
        """The HPSearch, or None."""
        ...

    def config_map(self, name: str) -> Json | None:
        """The ConfigMap, or None."""
        ...


@dataclass(frozen=True)
class TunedReader:
    """Reads tuned hyperparameters; `objects` opens a cluster where the source is in one."""

    objects: Callable[[], NamespaceReader]
    open_uri: Callable[[str], Store]

    def read(self, source: HyperparametersFrom) -> TunedTasks:
        """What the source holds now.

        Raises TunedNotYetError until it is there, InvalidInputError if it cannot be used, StoreError, and what
        `objects` raises.
        """
        if source.hp_search_ref:
            return _of_search(source, self.objects(), source.hp_search_ref.name)
        if source.config_map_ref:
            return _of_config_map(source, self.objects(), source.config_map_ref.name, source.config_map_ref.key)
        return self._of_folder(source, source.uri or "")

    def _of_folder(self, source: HyperparametersFrom, uri: str) -> TunedTasks:
        field = "spec.hyperparametersFrom.uri"
        try:
            store = self.open_uri(uri)
            infos = [info for info in store.list("", limit=MOST_FILES) if _is_tuned(info.key)]
            if sum(info.size for info in infos) > _MOST_BYTES:
                message = f"the *{_SUFFIX} at {uri} have more than {_MOST_BYTES:,} bytes: is it the right folder?"
                raise InvalidInputError((Problem(field, message),))
            keys = [info.key for info in infos]
            texts = zip(keys, _read_texts(store, keys), strict=True)
            files = {key.removesuffix(_SUFFIX): (f"{uri}/{key}", text) for key, text in texts}
        except UnicodeDecodeError as error:
            message = f"a file below {uri} is no text: remove it, or save it as UTF-8: {error}"
            raise InvalidInputError((Problem(field, message),)) from error
        except StoreError as error:
            if error.transient:
                raise
            # Where results go was proved before: it is this URI that is wrong.
            raise InvalidInputError((Problem(field, str(error)),)) from error
        if not files:
            raise TunedNotYetError(f"No <task>.yaml lies at {uri}.")
        return from_files(source, files)


def _read_texts(store: Store, keys: Iterable[str]) -> Iterator[str]:
    """TooLargeError where there is more than the listing has said: whose server it is can say anything."""
    left = _MOST_BYTES
    for key in keys:
        content = store.get(key, limit=left)
        left -= len(content)
        yield content.decode()


def _is_tuned(key: str) -> bool:
    return key.endswith(_SUFFIX) and "/" not in key


def _of_search(source: HyperparametersFrom, objects: NamespaceReader, name: str) -> TunedTasks:
    resource = objects.search(name)
    if resource is None:
        raise TunedNotYetError(f"HPSearch {name} is not in namespace {objects.namespace}: apply it.")
    try:
        status = HPSearchStatus.model_validate(resource.get("status") or {})
    except ValidationError as error:
        raise TunedNotYetError(f"The status of HPSearch {name} is of another version: {error}") from error
    unready = search_unready(name, status)
    if unready:
        raise TunedNotYetError(unready)
    if status.observed_generation != resource["metadata"]["generation"]:
        raise TunedNotYetError(f"HPSearch {name} has changed and is about to be looked at again.")
    return from_search(source, name, status)


def _of_config_map(source: HyperparametersFrom, objects: NamespaceReader, name: str, key: str) -> TunedTasks:
    config_map = objects.config_map(name)
    text = ((config_map or {}).get("data") or {}).get(key)
    if text is None:
        what = f"ConfigMap {name}" if config_map is None else f"Key {key} of ConfigMap {name}"
        raise TunedNotYetError(f"{what} is not in namespace {objects.namespace}: create it.")
    return from_config_map(source, f"ConfigMap {name}, key {key}", text)
