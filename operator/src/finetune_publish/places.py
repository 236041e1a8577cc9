"""Where models are published to, and fetched from, by URI."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from finetune_client.errors import ClientError, UsageError
from finetune_core.publishing.facts import Facts


@dataclass(frozen=True)
class Options:
    """How something is published: to the public, in place of other people's files, on which image's layers.

    `own` are addresses for good (see `Pushed.uri`) of what was published from here, which may be replaced.
    """

    public: bool = False
    replace: bool = False
    base_image: str | None = None
    plain_http: bool = False
    own: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Pushed:
    """Where a model lies now, for good: `storage_uri` is what KServe reads it from, where it can."""

    uri: str
    storage_uri: str | None = None
    note: str = ""


class Place(Protocol):
    """One repository, image, registered model, or folder."""

    @property
    def load_from(self) -> str:
        """What the example of the model's card opens."""

    def require_writable(self) -> None:
        """Find out what would keep it from being written, before anything is. ClientError."""

    def push(self, folder: Path, facts: Facts) -> Pushed:
        """Have it hold the files of a folder, and no others. ClientError."""

    def fetch(self, scratch: Path) -> Path:
        """A folder with its files: where they are, or `scratch`, which is empty, with copies of them. ClientError."""


FORMS = "hf://ORG/NAME[@BRANCH], oci://REGISTRY/NAME[:TAG], models:/NAME, s3://BUCKET/FOLDER, or a folder's path"
_KINDS: Mapping[str, str] = MappingProxyType(
    {"hf://": "hub", "oci://": "registry", "models:/": "mlflow_models", "s3://": "bucket"}
)
"""Prefix -> the module whose `open_place` knows it; each needs libraries that not everybody has."""
_HOLE = re.compile(r"\{([^{}]*)\}")


def open_place(uri: str, options: Options) -> Place:
    """The place that a URI names; UsageError, and ClientError where its libraries are not installed."""
    if "://" in uri and not uri.startswith((*_KINDS, "file://")):
        raise UsageError(f"{uri} is no place of models", f"Write {FORMS}.")
    module = next((module for prefix, module in _KINDS.items() if uri.startswith(prefix)), "folder")
    opened: Callable[[str, Options], Place] = import_module(f"finetune_publish.{module}").open_place
    return opened(uri, options)


def require_installed(library: str, extra: str) -> None:
    """ClientError where a library is not there; `extra` is the one of this package that brings it."""
    if find_spec(library) is None:
        raise ClientError(
            f"{library} is not installed here", f"install it, in a clone of the project: pip install '.[cli,{extra}]'"
        )


def named(uri: str, **values: str) -> str:
    """A URI with `{task}` and `{run}` filled in; UsageError for other holes."""
    if unknown := {hole for hole in _HOLE.findall(uri) if hole not in values}:
        raise UsageError(f"{uri} has {{{min(unknown)}}}", f"There are {', '.join(f'{{{name}}}' for name in values)}.")
    return _HOLE.sub(lambda hole: values[hole[1]], uri)
