"""`verify`: whether a published model is what it says."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from finetune_cli.fitted import table
from finetune_cli.local.rerunning import plan_again, run_again
from finetune_cli.output import Output, OutputOption, console, emit, note
from finetune_client.errors import RefusedError, UsageError
from finetune_client.exits import Exit
from finetune_core.publishing.findings import Finding, Verdict, check_rerun
from finetune_publish.places import Options, open_place, require_installed

if TYPE_CHECKING:
    from finetune_publish.checking import Checked

_COLOURS = MappingProxyType({Verdict.EQUAL: "green", Verdict.DIFFERS: "red", Verdict.UNKNOWN: "yellow"})

PlaceArgument = Annotated[
    str,
    typer.Argument(
        metavar="URI", help="hf://ORG/NAME@REVISION, oci://REGISTRY/NAME:TAG, models:/NAME/VERSION, or a folder."
    ),
]
KeyOption = Annotated[
    Path | None, typer.Option("--key", metavar="PUBLIC-KEY", help="Who should have signed it: a public key (PEM).")
]
IdentityOption = Annotated[
    str | None, typer.Option("--identity", help="Who should have signed it: an identity, such as a workflow's URI.")
]
IssuerOption = Annotated[
    str | None, typer.Option("--issuer", metavar="URL", help="Who vouches for --identity, such as CI's OpenID issuer.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(
    uri: PlaceArgument,
    key: KeyOption = None,
    identity: IdentityOption = None,
    issuer: IssuerOption = None,
    plain_http: Annotated[bool, typer.Option("--plain-http", help="oci://: a registry without TLS.")] = False,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Do the run again, on this machine, and compare predictions and metrics.")
    ] = False,
    model: Annotated[
        str | None, typer.Option("--model", metavar="FOLDER", help="--rerun: the model, here, of the same content.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="FOLDER", help="--rerun: the data, here, of the same content.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """Compare a published model with its provenance: files, card, predictions, signature; or do its run again.

    Exits with 0 when nothing differs, 1 when something does. Without --key or --identity anybody can have written it.
    """
    require_installed("securesystemslib", "publish")
    from finetune_publish.checking import Signer, check  # noqa: PLC0415 - few have installed what these import

    if (identity is None) != (issuer is None):
        raise UsageError("--identity and --issuer belong together", "Give both, or --key.")
    with tempfile.TemporaryDirectory(prefix="finetune-verify-") as scratch:
        folder = open_place(uri, Options(plain_http=plain_http)).fetch(Path(scratch))
        checked = check(folder, Signer(key, identity, issuer))
    findings = (*checked.findings, *(_again(checked, model, data) if rerun else ()))
    _show(findings, output)
    return Exit.PROBLEMS if any(one.verdict == Verdict.DIFFERS for one in findings) else Exit.OK


def _again(checked: "Checked", model: str | None, data: str | None) -> Iterable[Finding]:
    """What came of the run, done again; nothing is run where the provenance is not to be believed."""
    if checked.statement is None or any(one.verdict == Verdict.DIFFERS for one in checked.findings):
        note("not done again: something differs already")
        return ()
    facts = checked.statement.facts
    if facts.task.definition.metric_functions and not checked.signed:
        raise RefusedError(
            "its metrics are functions that the provenance names, and nobody vouches for it",
            "Give --key, or --identity and --issuer.",
        )
    return check_rerun(facts, run_again(facts, plan_again(facts, model=model, data=data)))


def _show(findings: Iterable[Finding], output: Output) -> None:
    if not output.for_people:
        emit([{"what": one.what, "verdict": one.verdict.value, "facts": one.facts} for one in findings], output)
        return
    rows = [(one.what, Text(one.verdict.value, _COLOURS[one.verdict]), one.facts) for one in findings]
    console().print(table(("WHAT", "VERDICT", "FACTS~"), rows, wide=output == Output.WIDE))
