"""`finetune validate`: all problems of manifests at once, offline."""

from itertools import chain
from typing import Annotated

import typer

from finetune_cli.manifest.files import check_source, sources
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
) -> int:
    """Check manifests without a cluster: every problem, with file, line and remedy.

    Exits with 0 when there is none, 1 when there are problems, 2 when the command line is wrong.
    """
    looked_at = list(sources(files))
    if not looked_at:
        raise UsageError(
            f"there is no .yaml, .yml or .json file in {', '.join(files)}", "Name the folder or the files."
        )
    findings = list(chain.from_iterable(map(check_source, looked_at)))
    errors = sum(one.severity == Severity.ERROR for one in findings)
    if output.for_people:
        _print(findings, errors, len(looked_at))
    else:
        emit([one.to_json() for one in findings], output)
    return Exit.PROBLEMS if errors or (strict and findings) else Exit.OK


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
