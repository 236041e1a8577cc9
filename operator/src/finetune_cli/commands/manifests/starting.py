"""`init`: a first manifest."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from finetune_cli.manifest.check import check_text
from finetune_cli.manifest.findings import Severity
from finetune_cli.output import note, write
from finetune_client.errors import ClientError, RefusedError, UsageError
from finetune_client.exits import Exit
from finetune_core.api import MAX_NAME_LENGTH
from finetune_core.names import name_from
from finetune_core.results.search.hyperparameter_files import to_yaml
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_kube.kinds import EXPERIMENT

_DATA = "hf://nyu-mll/glue"
_TASK = "rte"
_RUNS = 3
_STDOUT = "-"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(init)


def init(
    model: Annotated[
        str | None, typer.Option(help="hf://ORG/NAME, s3://bucket/folder, pvc://CLAIM/folder or a folder.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help=f"Where the tasks' data lie: s3://bucket/glue, a folder. Default: {_DATA}.")
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", help=f"Of {', '.join(GLUE_TASKS)}, or with --labels any name; may be repeated."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            help="Of a task whose data are a data set on the hub: its labels in the order of their ids, by commas."
        ),
    ] = None,
    text_columns: Annotated[str, typer.Option(help="With --labels: one column, or two by a comma.")] = "text",
    label_column: Annotated[str, typer.Option(help="With --labels: the label's column.")] = "label",
    config: Annotated[str | None, typer.Option(help="With --labels: the data set's configuration.")] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Runs (seeds) of each task.")] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs of a run.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the experiment. Default: by the model.")] = None,
    file: Annotated[str | None, typer.Option("--file", "-f", help="Where to write it; - is stdout.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> int:
    """Write a manifest that validates, by flags or by asking.

    What no flag says is asked where a person sits at the terminal; else it has its default, and --model must be given.
    """
    model = _said(model, "--model", "Model (hf://ORG/NAME, s3://bucket/folder, or a folder)")
    data = data or _asked("Data (hf://..., s3://bucket/glue, or a folder with GLUE's files)", _DATA, str)
    tasks = task or _asked("Tasks, by commas", _TASK, _by_commas)
    runs = runs if runs is not None else _asked("Runs (seeds) of each task", str(_RUNS), _number)
    gpus = gpus if gpus is not None else _asked("GPUs of a run", "1", _number)
    own = name or _default_name(model)
    made = [_task(one, labels, text_columns, label_column, config) for one in tasks]
    text = to_yaml(manifest(own, _uri(model), _uri(data), made, runs, gpus))
    place = file or f"{own}.yaml"
    _check(place, text)
    _write(place, text, force)
    return Exit.OK


def _task(name: str, labels: str | None, texts: str, label: str, config: str | None) -> dict[str, Any]:
    """One of GLUE's, or one with the splits of a data set on the hub."""
    if labels is None or name in GLUE_TASKS:
        return {"name": name}
    data = {"config": config} if config else {}
    data |= {"train": "train", "validation": "validation", "labelColumn": label}
    return {
        "name": name,
        "problemType": "Classification",
        "labels": _by_commas(labels),
        "data": {**data, "textColumns": _by_commas(texts)},
    }


def _by_commas(text: str) -> list[str]:
    return [one.strip() for one in text.split(",")]


def manifest(name: str, model: str, data: str, tasks: list[dict[str, Any]], runs: int, gpus: int) -> dict[str, Any]:
    """An experiment with what nobody can leave out."""
    execution = {"execution": {"resources": {"limits": {"nvidia.com/gpu": gpus}}}} if gpus else {}
    return {
        "apiVersion": EXPERIMENT.api_version,
        "kind": EXPERIMENT.kind,
        "metadata": {"name": name},
        "spec": {
            "model": {"uri": model},
            "data": {"uri": data},
            "tasks": tasks,
            "runs": runs,
            **execution,
        },
    }


def _said(value: str | None, flag: str, question: str) -> str:
    if value is not None:
        return value
    if not sys.stdin.isatty():
        raise UsageError(f"{flag} is missing, and nobody is at the terminal to be asked", f"Give {flag}.")
    return str(typer.prompt(question, err=True))


def _asked(question: str, default: str, read: Callable[[str], Any]) -> Any:
    """The answer; the default where nobody is there to be asked."""
    return read(str(typer.prompt(question, default=default, err=True)) if sys.stdin.isatty() else default)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(f"{text} is no number", "Answer with a whole number.") from error


def _uri(place: str) -> str:
    """A folder as the URI that a manifest has."""
    return place if "://" in place else Path(place).expanduser().resolve().as_uri()


def _default_name(model: str) -> str:
    last = model.rstrip("/").rpartition("/")[2].partition("@")[0]
    return name_from(last, MAX_NAME_LENGTH) or "experiment"


def _check(place: str, text: str) -> None:
    """ClientError for a manifest that `finetune validate` would refuse. Local folders are for `finetune run`."""
    errors = [one for one in check_text(place, text, in_cluster=False) if one.severity == Severity.ERROR]
    if errors:
        raise ClientError("\n".join(map(str, errors)), "Answer differently; nothing was written.")


def _write(place: str, text: str, force: bool) -> None:
    if place == _STDOUT:
        write(text)
        return
    try:
        with Path(place).open("w" if force else "x") as target:
            target.write(text)
    except FileExistsError as error:
        raise RefusedError(f"{place} is there already", "Choose another with --file, or give --force.") from error
    except OSError as error:
        raise RefusedError(f"{place} cannot be written: {error.strerror}", "Choose another with --file.") from error
    note(f"{place} written. Try it: finetune plan {place}; start it: finetune submit {place}, or finetune run {place}")
