"""The GLUE leaderboard's zip: exactly eleven prediction files, made from the best runs, with a manifest.

The zip is a function of its content alone: files stored, not deflated (the bytes that deflate gives differ between
zlib's versions), fixed order, times and permissions. About 4 MB.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from finetune_core.api import MissingTasks
from finetune_core.deciding.outcome import Outcome
from finetune_core.frozen import Document
from finetune_core.leaderboard.checks import check_file
from finetune_core.leaderboard.placeholders import PLACEHOLDER_CONSTANTS, placeholder
from finetune_core.problems import FinetuneError, Problem
from finetune_core.tasks.registry import GLUE_TASKS, SUBMISSION_FILES, SubmissionFile

MANIFEST_SCHEMA_VERSION = 1

_TASK_OF = {file.name: task.name for task in GLUE_TASKS.values() for file in task.submission}
_EPOCH = (1980, 1, 1, 0, 0, 0)


class SubmissionState(StrEnum):
    """What became of the zip."""

    COMPLETE = "Complete"
    WITH_PLACEHOLDERS = "WithPlaceholders"
    REFUSED = "Refused"


class SubmittedFile(Document):
    """One file of the zip: from which run it is, or which constant stands in."""

    name: str
    task: str
    rows: int
    sha256: str
    placeholder: bool = False
    constant: str | None = None
    run_id: str | None = None
    run: int | None = None
    seed: int | None = None
    attempt: str | None = None
    metric: str | None = None
    value: float | None = None
    step: int | None = None


class SubmissionManifest(Document):
    """`submission.json`: what the zip is made of, or why there is none (`missing` and `problems`)."""

    schema_version: int = MANIFEST_SCHEMA_VERSION
    experiment: str
    state: SubmissionState
    sha256: str | None = None
    size_bytes: int | None = None
    files: tuple[SubmittedFile, ...] = ()
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Names of the files that hold a constant."""
        return tuple(file.name for file in self.files if file.placeholder)


class SubmissionRefused(FinetuneError):  # noqa: N818 - an outcome, not a malfunction
    """The zip would not be what was asked for: files are `missing`, or wrong (`problems`)."""

    def __init__(self, missing: tuple[str, ...], problems: tuple[Problem, ...]) -> None:
        self.missing = missing
        self.problems = problems
        lacking = [f"{name}: missing" for name in missing]
        super().__init__("; ".join([*lacking, *(str(problem) for problem in problems)]))


@dataclass(frozen=True)
class Predictions:
    """A prediction file of a task's best run."""

    content: bytes
    outcome: Outcome


@dataclass(frozen=True)
class Submission:
    """The zip's bytes and what they are made of."""

    content: bytes
    manifest: SubmissionManifest


def build_submission(
    experiment: str,
    offered: Mapping[str, Predictions],
    policy: MissingTasks,
    constants: Mapping[str, str] = MappingProxyType({}),
) -> Submission:
    """The zip of the offered files (by name in the zip).

    `constants` are what placeholders hold, where better known than PLACEHOLDER_CONSTANTS. Raises SubmissionRefused
    for a missing file under the policy Refuse, and for a wrong one under either.
    """
    missing = tuple(file.name for file in SUBMISSION_FILES if file.name not in offered)
    problems = tuple(_problems(offered))
    if problems or (missing and policy == MissingTasks.REFUSE):
        raise SubmissionRefused(missing, problems)
    known = {**PLACEHOLDER_CONSTANTS, **constants}
    contents = {
        file.name: placeholder(file, known[file.name]) if file.name in missing else offered[file.name].content
        for file in SUBMISSION_FILES
    }
    files = tuple(
        _entry(file, contents[file.name], offered.get(file.name), known[file.name]) for file in SUBMISSION_FILES
    )
    content = pack(contents)
    manifest = SubmissionManifest(
        experiment=experiment,
        state=SubmissionState.WITH_PLACEHOLDERS if missing else SubmissionState.COMPLETE,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        files=files,
        missing=missing,
    )
    return Submission(content, manifest)


def refused_manifest(experiment: str, refusal: SubmissionRefused) -> SubmissionManifest:
    """The manifest that says why there is no zip."""
    return SubmissionManifest(
        experiment=experiment,
        state=SubmissionState.REFUSED,
        missing=refusal.missing,
        problems=tuple(str(problem) for problem in refusal.problems),
    )


def pack(contents: Mapping[str, bytes]) -> bytes:
    """A zip that depends on nothing but names and contents, in the order given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.create_system = 3  # Unix, also when made elsewhere
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content, compress_type=zipfile.ZIP_STORED)
    return buffer.getvalue()


def _problems(offered: Mapping[str, Predictions]) -> Iterator[Problem]:
    for name in sorted(offered.keys() - _TASK_OF.keys()):
        yield Problem(name, "does not belong into the zip")
    for task in GLUE_TASKS.values():
        files = [file for file in task.submission if file.name in offered]
        runs = sorted({offered[file.name].outcome.run_id for file in files})
        if len(runs) > 1:
            names = ", ".join(file.name for file in files)
            yield Problem(task.name, f"{names} come from different runs: {', '.join(runs)}")
        for file in files:
            yield from check_file(file, io.BytesIO(offered[file.name].content))


def _entry(file: SubmissionFile, content: bytes, source: Predictions | None, constant: str) -> SubmittedFile:
    common = {
        "name": file.name,
        "task": _TASK_OF[file.name],
        "rows": file.rows,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    if source is None:
        return SubmittedFile.model_validate({**common, "placeholder": True, "constant": constant})
    facts = {
        name: getattr(source.outcome, name) for name in ("run_id", "run", "seed", "attempt", "metric", "value", "step")
    }
    return SubmittedFile.model_validate({**common, **facts})
