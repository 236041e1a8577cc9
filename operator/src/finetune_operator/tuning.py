"""Reading spec.hyperparametersFrom: an HPSearch's status, a ConfigMap, or a folder of YAML files."""

from dataclasses import dataclass

from pydantic import ValidationError

from finetune_core.hyperparameters import TunedTasks, from_config_map, from_files, from_search, search_unready
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.search.status import HPSearchStatus
from finetune_core.spec import HyperparametersFrom
from finetune_core.status import Reason
from finetune_operator.cluster import Cluster
from finetune_operator.problems import CannotRunError, WaitingError
from finetune_operator.storage import Connection
from finetune_store import StoreError

_SUFFIX = ".yaml"


@dataclass(frozen=True)
class TuningReader:
    """Reads tuned hyperparameters for experiments of a namespace."""

    cluster: Cluster
    connection: Connection
    namespace: str

    def read(self, source: HyperparametersFrom) -> TunedTasks:
        """What the source holds now; WaitingError until it is there, CannotRunError if it cannot be used."""
        try:
            if source.hp_search_ref:
                return self._from_search(source, source.hp_search_ref.name)
            if source.config_map_ref:
                return self._from_config_map(source, source.config_map_ref.name, source.config_map_ref.key)
            return self._from_folder(source, source.uri or "")
        except InvalidInputError as error:
            raise CannotRunError(error.problems, Reason.INPUT_NOT_FOUND, retry=True) from error

    def _from_search(self, source: HyperparametersFrom, name: str) -> TunedTasks:
        resource = self.cluster.get_search(self.namespace, name)
        if resource is None:
            raise _waiting(f"HPSearch {name} is not in namespace {self.namespace}: apply it.")
        try:
            status = HPSearchStatus.model_validate(resource.get("status") or {})
        except ValidationError as error:
            raise _waiting(f"The status of HPSearch {name} is of another version: {error}") from error
        unready = search_unready(name, status)
        if unready:
            raise _waiting(unready)
        if status.observed_generation != resource["metadata"]["generation"]:
            raise _waiting(f"HPSearch {name} has changed and is about to be looked at again.")
        return from_search(source, name, status)

    def _from_config_map(self, source: HyperparametersFrom, name: str, key: str) -> TunedTasks:
        config_map = self.cluster.get_config_map(self.namespace, name)
        text = ((config_map or {}).get("data") or {}).get(key)
        if text is None:
            what = f"ConfigMap {name}" if config_map is None else f"Key {key} of ConfigMap {name}"
            raise _waiting(f"{what} is not in namespace {self.namespace}: create it.")
        return from_config_map(source, f"ConfigMap {name}, key {key}", text)

    def _from_folder(self, source: HyperparametersFrom, uri: str) -> TunedTasks:
        try:
            store = self.connection.open(uri)
            keys = [info.key for info in store.list("") if info.key.endswith(_SUFFIX) and "/" not in info.key]
            files = {key.removesuffix(_SUFFIX): (f"{uri}/{key}", store.get(key).decode()) for key in keys}
        except UnicodeDecodeError as error:
            problem = Problem(
                "spec.hyperparametersFrom.uri",
                f"a file below {uri} is no text: remove it, or save it as UTF-8: {error}",
            )
            raise InvalidInputError((problem,)) from error
        except StoreError as error:
            if error.transient:
                raise
            # Where results go was proved before: it is this URI that is wrong.
            raise InvalidInputError((Problem("spec.hyperparametersFrom.uri", str(error)),)) from error
        if not files:
            raise _waiting(f"No <task>.yaml lies at {uri}.")
        return from_files(source, files)


def _waiting(message: str) -> WaitingError:
    return WaitingError(Reason.WAITING_FOR_HYPERPARAMETERS, message)
