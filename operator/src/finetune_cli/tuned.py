"""The tuned hyperparameters that `spec.hyperparametersFrom` names: of a cluster's objects, or of a folder."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import ValidationError

from finetune_client.errors import ClientError, NotFoundError
from finetune_core.hyperparameters import TunedTasks, from_config_map, from_files, from_search, search_unready
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.search.status import HPSearchStatus
from finetune_core.spec import HyperparametersFrom
from finetune_kube.kinds import SEARCH
from finetune_store import Store

if TYPE_CHECKING:
    from finetune_client.kube.client import Kube

_SUFFIX = ".yaml"


def tuned_now(
    source: HyperparametersFrom, kube: Callable[[], "Kube"], open_folder: Callable[[str], Store]
) -> TunedTasks:
    """What the source holds now; ClientError where it is not there yet, InvalidInputError, StoreError."""
    if source.hp_search_ref:
        return _of_search(source, kube(), source.hp_search_ref.name)
    if source.config_map_ref:
        return _of_config_map(source, kube(), source.config_map_ref.name, source.config_map_ref.key)
    return tuned_in_folder(source, open_folder(source.uri or ""))


def tuned_in_folder(source: HyperparametersFrom, folder: Store) -> TunedTasks:
    """From a folder of `<task>.yaml`; InvalidInputError where there is none, or what is there cannot be used."""
    keys = [info.key for info in folder.list("") if info.key.endswith(_SUFFIX) and "/" not in info.key]
    if not keys:
        raise InvalidInputError((Problem("spec.hyperparametersFrom.uri", f"no <task>.yaml lies at {source.uri}"),))
    try:
        files = {key.removesuffix(_SUFFIX): (f"{source.uri}/{key}", folder.get(key).decode()) for key in keys}
    except UnicodeDecodeError as error:
        message = f"a file below {source.uri} is no text: remove it, or save it as UTF-8: {error}"
        raise InvalidInputError((Problem("spec.hyperparametersFrom.uri", message),)) from error
    return from_files(source, files)


def _of_search(source: HyperparametersFrom, kube: "Kube", name: str) -> TunedTasks:
    item = kube.get(SEARCH, name)
    if item is None:
        raise NotFoundError(f"HPSearch {name} is not in namespace {kube.namespace}")
    try:
        status = HPSearchStatus.model_validate(item.get("status") or {})
    except ValidationError as error:
        raise ClientError(f"the status of HPSearch {name} is of another version") from error
    if (unready := search_unready(name, status)) is not None:
        raise NotFoundError(unready)
    return from_search(source, name, status)


def _of_config_map(source: HyperparametersFrom, kube: "Kube", name: str, key: str) -> TunedTasks:
    text = ((kube.config_map(name) or {}).get("data") or {}).get(key)
    if text is None:
        raise NotFoundError(f"ConfigMap {name} with a key {key} is not in namespace {kube.namespace}")
    return from_config_map(source, f"ConfigMap {name}, key {key}", text)
