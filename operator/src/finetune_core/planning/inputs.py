"""Pins model and data to their content before anything is planned.

    s3://   keys and ETags of one listing          hf://   the commit that the revision names
    pvc://  a short pod that reads the claim       file:// refused in a cluster

The same files give the same digest in a bucket and on a volume, so results are not repeated after a copy.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from finetune_core.api import TaskData, TaskSpec
from finetune_core.planning.identity import FileEntry, content_digest, hub_digest
from finetune_core.planning.parse import HUB, AnySpec, data_place, define, task_specs
from finetune_core.planning.plan import ResolvedData, ResolvedModel
from finetune_core.problems import FinetuneError, InvalidInputError, Problem
from finetune_core.stored import read_json
from finetune_core.tasks.data_files import DataLayout, SplitFiles, custom_files, find_glue_files
from finetune_core.tasks.hub_files import HubListing, find_hub_files
from finetune_core.tasks.registry import TaskDefinition
from finetune_core.tasks.sparse import type_problem

CONFIG_FILE = "config.json"

_MODEL = "spec.model.uri"
_WEIGHTS = (".safetensors", ".bin")


@dataclass(frozen=True)
class Folder:
    """What lies at a URI: its files, or, where it is on the hub, its commit.

    `model_type` is what a model's config.json says, where it was looked into.
    """

    files: tuple[FileEntry, ...] = ()
    commit: str | None = None
    model_type: str | None = None


class FolderSource(Protocol):
    """Looks at folders; raises InvalidInputError (with `field`) where there is nothing, NotYetError to wait."""

    def look(self, uri: str, *, field: str, kind: str) -> Folder:
        """The folder at `uri`; `kind` is "model" or "dataset"."""

    def list_dataset(self, uri: str, *, field: str) -> HubListing:
        """The files of a data set on the hub."""


class NotYetError(FinetuneError):
    """An input is still being looked at (a pod reads a volume); the message says what is waited for."""


@dataclass(frozen=True)
class ResolvedInputs:
    """Model and data of every task, pinned."""

    model: ResolvedModel
    data: dict[str, ResolvedData]


def resolve_inputs(spec: AnySpec, source: FolderSource) -> ResolvedInputs:
    """Pin everything. InvalidInputError lists all inputs that cannot be used at once, and what is waited for beside.

    NotYetError where nothing is wrong but that something is waited for.
    """
    problems: list[Problem] = []
    waiting: dict[str, NotYetError] = {}
    model: ResolvedModel | None = None
    data: dict[str, ResolvedData] = {}
    try:
        model = _resolve_model(spec, source)
    except InvalidInputError as error:
        problems += error.problems
    except NotYetError as error:
        waiting[_MODEL] = error
    for task in task_specs(spec):
        try:
            data[task.name] = _resolve_data(spec, task, source)
        except InvalidInputError as error:
            problems += error.problems
        except NotYetError as error:
            waiting[data_place(spec, task)[1]] = error
    if not problems and model is not None and not waiting:
        return ResolvedInputs(model, data)
    if not problems:
        # One of several: each look tells of the next.
        raise next(iter(waiting.values()))
    told = (Problem(field, str(error)) for field, error in waiting.items())
    raise InvalidInputError(tuple(dict.fromkeys((*problems, *told))))


def _resolve_model(spec: AnySpec, source: FolderSource) -> ResolvedModel:
    uri, field = spec.model.uri, _MODEL
    folder = source.look(uri, field=field, kind="model")
    if folder.commit:
        return ResolvedModel(uri=_pinned(uri, folder.commit), type=spec.model.type, digest=f"hub:{folder.commit}")
    names = [entry.path for entry in folder.files]
    if CONFIG_FILE not in names or not any(name.endswith(_WEIGHTS) for name in names):
        message = (
            f"no model at {uri}: a model folder holds config.json and *.safetensors; there are: {_some(names)}. "
            "Correct the URI, or put the model there"
        )
        raise InvalidInputError((Problem(field, message),))
    if (contradiction := type_problem(spec.model.type, folder.model_type)) is not None:
        raise InvalidInputError((Problem("spec.model.type", contradiction),))
    return ResolvedModel(
        uri=uri, type=spec.model.type, digest=content_digest(folder.files), pinned=_exact(folder.files)
    )


def _resolve_data(spec: AnySpec, task: TaskSpec, source: FolderSource) -> ResolvedData:
    definition = define(task)
    uri, field = data_place(spec, task)
    if uri.startswith(HUB) and not definition.is_glue:
        return _hub_tables(task, definition, uri, source.list_dataset(uri, field=field))
    folder = source.look(uri, field=field, kind="dataset")
    if folder.commit:
        return _hub_data(uri, folder.commit, definition)
    splits = _find_splits(task, definition, [entry.path for entry in folder.files], field)
    decisive = decisive_files(definition, splits)
    entries = [entry for entry in folder.files if entry.path in decisive]
    return ResolvedData(uri=uri, digest=content_digest(entries), pinned=_exact(entries), splits=splits)


def said_type(config: bytes) -> str | None:
    """The model_type in a config.json; None where it says none, or is no JSON object."""
    try:
        said = read_json(config).get("model_type")
    except (ValueError, AttributeError):
        return None
    return said if isinstance(said, str) else None


def _hub_data(uri: str, commit: str, definition: TaskDefinition) -> ResolvedData:
    splits = SplitFiles(layout=DataLayout.HUB, files={})
    return ResolvedData(uri=_pinned(uri, commit), digest=f"hub:{commit}:{definition.name}", splits=splits)


def _hub_tables(task: TaskSpec, definition: TaskDefinition, uri: str, listing: HubListing) -> ResolvedData:
    data = task.data or TaskData()
    where = f"spec.tasks[{task.name}].data"
    splits, files = find_hub_files(listing, _named(data), data.config, uri=uri, where=where)
    decisive = decisive_files(definition, splits)
    return ResolvedData(
        uri=_pinned(uri, listing.commit),
        digest=hub_digest(file for file in files if file.path in decisive),
        splits=splits,
        hashes={file.path: file.oid for file in files},
    )


def _named(data: TaskData) -> Mapping[str, str | None]:
    """Split -> what a custom task names for it."""
    return {"train": data.train, "validation": data.validation, "test": data.test}


def _find_splits(task: TaskSpec, definition: TaskDefinition, paths: list[str], field: str) -> SplitFiles:
    if definition.is_glue:
        return find_glue_files(definition, paths, where=field)
    return custom_files(_named(task.data or TaskData()), paths, where=f"spec.tasks[{task.name}].data")


def decisive_files(definition: TaskDefinition, splits: SplitFiles) -> set[str]:
    """Those that a task's content digest covers."""
    # Test sets do not decide a result, so replacing one does not repeat runs.
    decisive = ("train", *definition.evaluation_splits.values())
    return {path for split in decisive for path in splits.files.get(split, ())}


def _exact(entries: Iterable[FileEntry]) -> bool:
    return all(entry.md5 for entry in entries)


def _pinned(uri: str, commit: str) -> str:
    return f"{uri.partition('@')[0]}@{commit}"


def _some(names: list[str], limit: int = 8) -> str:
    return ", ".join(names[:limit]) + (" ..." if len(names) > limit else "") if names else "no files"
