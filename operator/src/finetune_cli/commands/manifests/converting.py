"""`from-run-glue` and `from-katib`: manifests out of what people have."""

from typing import Annotated

import typer

from finetune_cli.convert.katib import from_katib
from finetune_cli.convert.run_glue import Converted, from_run_glue
from finetune_cli.manifest.check import check_text
from finetune_cli.manifest.files import read_text
from finetune_cli.manifest.findings import Severity
from finetune_cli.manifest.yaml_nodes import read
from finetune_cli.output import error_console, note, write
from finetune_client.errors import ClientError
from finetune_client.exits import Exit
from finetune_core.results.search.hyperparameter_files import to_yaml


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("from-run-glue")(run_glue)
    app.command("from-katib")(katib)


def run_glue(
    command: Annotated[str, typer.Argument(metavar="'COMMAND'", help="A command line of run_glue.py, in quotes.")],
    name: Annotated[str | None, typer.Option(help="Name of the experiment. Default: model and task.")] = None,
    devices: Annotated[int, typer.Option(min=1, help="GPUs that the command used: they make the batch size.")] = 1,
) -> int:
    """Write the experiment that does what a command line of run_glue.py does."""
    return _write(from_run_glue(command, name=name, devices=devices))


def katib(file: Annotated[str, typer.Argument(metavar="FILE", help="A Katib Experiment; - is stdin.")]) -> int:
    """Write the search that a Katib Experiment describes."""
    text, problem = read_text(file)
    if problem:
        raise ClientError(f"{file}: {problem}")
    documents, mistakes = read(text)
    if mistakes or not documents or not isinstance(documents[0].value, dict):
        words = "; ".join(f"{file}:{place.line}: {message}" for place, message in mistakes)
        raise ClientError(words or f"{file} holds no Experiment", "Give a file with a Katib Experiment.")
    return _write(from_katib(documents[0].value))


def _write(converted: Converted) -> int:
    """The manifest on standard output, notes and what is still to be put right on standard error."""
    text = to_yaml(converted.manifest)
    write(text)
    for one in converted.notes:
        note(f"note: {one}")
    errors = [one for one in check_text("", text) if one.severity == Severity.ERROR]
    for found in errors:
        error_console().print(f"still to correct: {found.field}: {found.message}", markup=False)
    return Exit.PROBLEMS if errors else Exit.OK
