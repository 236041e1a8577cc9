"""`finetune validate`: all problems of manifests at once, offline; with --deep those of model and data too."""

from collections.abc import Iterator
from typing import Annotated

import typer

from finetune_cli.commands.common import LocalOption
from finetune_cli.commands.run import DataOption, ModelOption
from finetune_cli.local.inspecting import discoveries
from finetune_cli.local.planning import Manifest
from finetune_cli.local.programs import require_trainer
from finetune_cli.manifest.check import documents_of, finding
from finetune_cli.manifest.files import checked, sources
from finetune_cli.manifest.findings import Finding, Severity
from finetune_cli.output import Output, OutputOption, console, emit
from finetune_client.errors import UsageError
from finetune_client.exits import Exit

Files = Annotated[list[str], typer.Argument(metavar="FILE|DIR...", help="Manifests, or folders of them; - is stdin.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(validate)


def validate(
    files: Files,
    output: OutputOption = Output.TABLE,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 on warnings too.")] = False,
    local: LocalOption = False,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Look into model and data too, as a run does before it trains; implies --local."),
    ] = False,
    model: ModelOption = None,
    data: DataOption = None,
) -> int:
    """Check manifests without a cluster: every problem, with file, line and remedy.

    With --deep, the trainer reads model and data, wherever they lie (--model and --data name copies of them), and tells
    what a run would refuse: labels, tables, tokenizer, weights, and whether they fit each other. Nothing is trained.
    Exits with 0 when there is no problem, 1 when there are problems, 2 when the command line is wrong.
    """
    looked_at = list(sources(files))
    if not looked_at:
        raise UsageError(
            f"there is no .yaml, .yml or .json file in {', '.join(files)}", "Name the folder or the files."
        )
    if deep:
        require_trainer()
    findings = []
    for source in looked_at:
        text, found = checked(source, in_cluster=not (local or deep))
        findings += found
        if deep and not any(one.severity == Severity.ERROR for one in found):
            findings += sorted(_deeper(source.name, text, model, data))
    errors = sum(one.severity == Severity.ERROR for one in findings)
    if output.for_people:
        _print(findings, errors, len(looked_at))
    else:
        emit([one.to_json() for one in findings], output)
    return Exit.PROBLEMS if errors or (strict and findings) else Exit.OK


def _deeper(file: str, text: str, model: str | None, data: str | None) -> Iterator[Finding]:
    for document in documents_of(text):
        manifest = Manifest.of(document.value, None).with_inputs(model, data)
        for one in discoveries(manifest, document.value["kind"]):
            severity = Severity.WARNING if one.warning else Severity.ERROR
            yield finding(file, document, one.field, one.message, severity)


def _print(findings: list[Finding], errors: int, files: int) -> None:
    out = console()
    for one in findings:
        colour = "red" if one.severity == Severity.ERROR else "yellow"
        place, _, rest = str(one).partition(": ")
        out.print(f"{place}:", style=colour, end=" ", soft_wrap=True, markup=False)
        out.print(rest, soft_wrap=True, markup=False)
    warnings = len(findings) - errors
    what = [_count(errors, "problem")] if errors else ["no problems"]
    what += [_count(warnings, "warning")] if warnings else []
    out.print(f"{', '.join(what)} in {_count(files, 'file')}", style="bold")


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
