"""A repository of the Hugging Face hub, or of a mirror of it (HF_ENDPOINT), by the hub's own client.

Its token is the one that the client finds: HF_TOKEN, or that of `hf auth login`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, snapshot_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError: that of httpx, as the client has it
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from finetune_client.errors import NotFoundError, RefusedError, UnreachableError, UsageError
from finetune_core.publishing.facts import Facts
from finetune_core.publishing.provenance import PROVENANCE
from finetune_publish.places import Options, Pushed
from finetune_publish.sums import sums
from finetune_store.hub import REPOSITORY

_OF_EVERY_REPOSITORY = ".gitattributes"
_OF_A_NEW_ONE = frozenset({_OF_EVERY_REPOSITORY, "README.md"})
_MAIN = "main"
_TOO_MANY, _ITS_OWN_FAULT = 429, 500


@dataclass(frozen=True)
class _Now:
    """A branch as it is: its commit and its files."""

    commit: str
    files: frozenset[str]


class HubPlace:
    """See `places.Place`."""

    def __init__(self, name: str, revision: str, options: Options) -> None:
        self._name = name
        self._revision = revision
        self._options = options
        self._api = HfApi(library_name="finetune-operator")

    @property
    def load_from(self) -> str:
        """See Place."""
        return self._name

    def require_writable(self) -> None:
        """See Place."""
        now = self._now()
        strange = now is not None and PROVENANCE not in now.files and now.files - _OF_A_NEW_ONE
        if strange and not self._options.replace:
            raise RefusedError(
                f"hf://{self._name}@{self._revision} has files that no model was published with",
                "They would be deleted (its history keeps them): name another repository or branch; or --replace.",
            )

    def push(self, folder: Path, facts: Facts) -> Pushed:
        """See Place. One commit: it adds the files of the folder and deletes all others."""
        files = frozenset(sums(folder))
        with _told(self._name):
            self._make()
            # Who published meanwhile is not overwritten: the commit names the one that was looked at.
            before = self._now() or _Now("", frozenset())
            commit = self._api.create_commit(
                self._name,
                [
                    *(CommitOperationAdd(path, folder / path) for path in sorted(files)),
                    *(CommitOperationDelete(path) for path in sorted(before.files - files - {_OF_EVERY_REPOSITORY})),
                ],
                commit_message=f"{facts.run.task}: run {facts.run.run_id} of {facts.plan.folder}",
                revision=self._revision,
                parent_commit=before.commit or None,
            )
        self._require(files, commit.oid)
        return Pushed(f"hf://{self._name}@{commit.oid}", f"hf://{self._name}:{commit.oid}")

    def fetch(self, scratch: Path) -> Path:
        """See Place."""
        with _told(self._name):
            snapshot_download(self._name, revision=self._revision, local_dir=scratch)
        return scratch

    def _make(self) -> None:
        """Have repository and branch be there."""
        self._api.create_repo(self._name, private=not self._options.public, exist_ok=True)
        if self._revision != _MAIN:
            self._api.create_branch(self._name, branch=self._revision, exist_ok=True)

    def _now(self, revision: str | None = None) -> _Now | None:
        """What a revision is; None where there is none."""
        with _told(self._name):
            try:
                info = self._api.model_info(self._name, revision=revision or self._revision)
            except (RepositoryNotFoundError, RevisionNotFoundError):
                return None
        return _Now(info.sha or "", frozenset(one.rfilename for one in info.siblings or ()))

    def _require(self, files: frozenset[str], commit: str) -> None:
        """RefusedError where a commit does not hold what it should: a .gitignore of the repository leaves files out."""
        now = self._now(commit)
        there = now.files - {_OF_EVERY_REPOSITORY} if now else frozenset()
        if there != files:
            differing = ", ".join(sorted(there ^ files)[:5])
            raise RefusedError(
                f"the commit {commit} of hf://{self._name} does not hold what was sent: {differing}",
                "Revert it, and look at the repository's .gitignore.",
            )


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What the hub's client says, as an error of ours."""
    try:
        yield
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise NotFoundError(
            f"hf://{name} is not there, or not to be seen: {_first(error)}", "Check the name, and HF_TOKEN."
        ) from error
    except HFValidationError as error:
        raise UsageError(f"hf://{name}: {_first(error)}", "Write hf://ORG/NAME.") from error
    except (HfHubHTTPError, LocalTokenNotFoundError) as error:
        if _passes(error):
            raise UnreachableError(f"the hub cannot do it now: {_first(error)}", "Try again later.") from error
        raise RefusedError(
            f"the hub refuses it: {_first(error)}", "Check HF_TOKEN: it needs the right to write to this repository."
        ) from error
    except (HTTPError, OSError, RuntimeError) as error:
        # A RuntimeError says which file could not be sent.
        raise UnreachableError(f"the hub cannot be reached: {_first(error)}", "Check HF_ENDPOINT and proxy.") from error


def _passes(error: Exception) -> bool:
    """Whether the hub says that it is at fault, or asked too often."""
    answer = getattr(error, "response", None)
    status = getattr(answer, "status_code", 0)
    return status >= _ITS_OWN_FAULT or status == _TOO_MANY


def _first(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def open_place(uri: str, options: Options) -> HubPlace:
    """A repository by its URI; UsageError."""
    match = REPOSITORY.fullmatch(uri)
    if match is None or "/" not in match["name"]:
        raise UsageError(f"{uri} is no repository of the hub", "Write hf://ORG/NAME, or hf://ORG/NAME@BRANCH.")
    return HubPlace(match["name"], match["revision"] or _MAIN, options)
