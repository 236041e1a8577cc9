"""Models and data of the Hugging Face hub, fetched by its own client into its own cache."""

from collections.abc import Callable
from pathlib import Path

from finetune_trainer.errors import UserError

_HUB = "hf://"


def hub_snapshot(uri: str, repo_type: str) -> Path:
    """The folder of a whole repository; UserError if it is not there."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only for hf://

    name, revision = _named(uri)
    return _fetched(uri, lambda: snapshot_download(name, revision=revision, repo_type=repo_type))


def hub_file(uri: str, path: str) -> Path:
    """One file of a data set, and no other; UserError if it is not there."""
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - only for hf://

    name, revision = _named(uri)
    return _fetched(f"{path} of {uri}", lambda: hf_hub_download(name, path, revision=revision, repo_type="dataset"))


def _named(uri: str) -> tuple[str, str | None]:
    name, _, revision = uri.removeprefix(_HUB).partition("@")
    return name, revision or None


def _fetched(what: str, fetch: Callable[[], str]) -> Path:
    from huggingface_hub.errors import (  # noqa: PLC0415
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(fetch())
    except (RepositoryNotFoundError, RevisionNotFoundError, RemoteEntryNotFoundError) as error:
        raise UserError(f"{what} is not on the hub, or is private: check name, revision and HF_TOKEN") from error
