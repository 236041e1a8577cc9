"""`leaderboard build|check|save`: the GLUE leaderboard's zip."""

from pathlib import Path
from typing import Annotated

import typer

from finetune_cli.commands.common import Context, ExperimentName, Namespace, StoreUri
from finetune_cli.output import console, note
from finetune_client.errors import ClientError, NotFoundError
from finetune_client.exits import Exit
from finetune_client.reports import document_so_far, layout_of, plan_of
from finetune_client.stores import results_of
from finetune_core.api import MissingTasks
from finetune_core.leaderboard.checks import constant_files, validate_zip
from finetune_core.leaderboard.submission import SubmissionManifest, SubmissionRefused, build_submission
from finetune_core.tasks.registry import SUBMISSION_FILES
from finetune_kube.kinds import EXPERIMENT
from finetune_report.gather import gather
from finetune_report.predictions import best_predictions
from finetune_store import NotFoundError as NoObjectError
from finetune_store import Store
from finetune_store.documents import FILE_LIMIT, find_or_warn

ZipFile = Annotated[Path, typer.Option("--file", "-f", help="Where to write the zip.")]
_ZIP = Path("submission.zip")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The GLUE leaderboard's zip: build it, check one, save the operator's.")
    group.command()(build)
    group.command()(check)
    group.command()(save)
    app.add_typer(group, name="leaderboard", no_args_is_help=True)


def build(
    name: ExperimentName,
    file: ZipFile = _ZIP,
    missing_tasks: Annotated[
        MissingTasks, typer.Option(help="Refuse, or have a constant stand in for tasks without a best run.")
    ] = MissingTasks.REFUSE,
    namespace: Namespace = None,
    context: Context = None,
    store: StoreUri = None,
) -> int:
    """Build the zip here, from the best runs so far. Nothing in the store changes."""
    place = results_of(name, store=store, context=context, namespace=namespace, kinds=(EXPERIMENT,))
    plan = plan_of(place)
    findings = gather(place.store, plan, ())
    document = document_so_far(place, plan, findings)
    offered = best_predictions(place.store, plan, document, findings.results)
    wanted = {one.name for one in SUBMISSION_FILES}
    try:
        made = build_submission(
            f"{plan.namespace}/{plan.experiment}",
            {name: offered[name] for name in offered.keys() & wanted},
            missing_tasks,
        )
    except SubmissionRefused as refusal:
        lacking = [f"{one}: no best run with predictions" for one in refusal.missing]
        remedy = "Run these tasks too, or give --missing-tasks Placeholder." if refusal.missing else ""
        raise ClientError("\n".join([*lacking, *map(str, refusal.problems)]), remedy) from refusal
    _write(file, made.content)
    if made.manifest.placeholders:
        note(f"Placeholders, not predictions: {', '.join(made.manifest.placeholders)}")
    console().print(f"{file}: SHA-256 {made.manifest.sha256}", markup=False, soft_wrap=True)
    return Exit.OK


def check(file: Annotated[Path, typer.Argument(metavar="ZIP", help="Anyone's zip.")]) -> int:
    """Say what the leaderboard would refuse in a zip, whoever made it, and which files are placeholders."""
    code = _check(file)
    if code == Exit.OK:
        with file.open("rb") as content:
            constant = constant_files(content)
        for name, prediction in constant.items():
            note(f"{name}: every row says {prediction}: a placeholder, or predictions of a model that learned nothing")
    return code


def _check(file: Path) -> int:
    try:
        with file.open("rb") as content:
            problems = validate_zip(content)
    except OSError as error:
        raise NotFoundError(f"{file} cannot be read: {error.strerror}", "Check the path.") from error
    for problem in problems:
        console().print(str(problem), markup=False, soft_wrap=True)
    if not problems:
        console().print(f"{file}: as the leaderboard wants it", markup=False, soft_wrap=True)
    return Exit.PROBLEMS if problems else Exit.OK


def save(
    name: ExperimentName,
    file: ZipFile = _ZIP,
    namespace: Namespace = None,
    context: Context = None,
    store: StoreUri = None,
) -> int:
    """Save the zip that the experiment's report wrote, and check it."""
    place = results_of(name, store=store, context=context, namespace=namespace, kinds=(EXPERIMENT,))
    try:
        content = place.store.get(layout_of(place).submission, limit=FILE_LIMIT)
    except NoObjectError as error:
        raise NotFoundError(
            f"{name} has no submission.zip",
            f"It is written when all runs have ended, where spec.leaderboard is set; `finetune status {name}` says "
            f"what is missing, `finetune leaderboard build {name}` makes one here.",
        ) from error
    _write(file, content)
    _note_placeholders(place.store, layout_of(place).submission_manifest)
    return _check(file)


def _note_placeholders(store: Store, key: str) -> None:
    manifest = find_or_warn(store, key, SubmissionManifest)
    if manifest is None:
        note(f"{store.uri(key)} is not there or damaged, so it is not known which files are placeholders.")
        return
    if manifest.placeholders:
        note(f"Placeholders, not predictions: {', '.join(manifest.placeholders)}")


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise ClientError(f"{file} cannot be written: {error.strerror}", "Give another with --file.") from error
