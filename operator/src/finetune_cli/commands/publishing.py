"""`publish`: models leave the store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finetune_cli.commands.common import Context, ExperimentName, Namespace, StoreUri
from finetune_cli.commands.results.downloading import TaskOption
from finetune_cli.output import error_console, note, write
from finetune_client.exits import Exit
from finetune_client.stores import results_of
from finetune_kube.kinds import EXPERIMENT
from finetune_publish.places import Options, require_installed

if TYPE_CHECKING:
    from finetune_publish.publishing import Published

ToOption = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="URI",
        help="hf://ORG/NAME@BRANCH, oci://REGISTRY/NAME:TAG, models:/NAME (MLflow), or a folder; "
        "{task} and {run} in it are filled in.",
        show_default=False,
    ),
]
RunOption = Annotated[
    list[str] | None, typer.Option("--run", help="This run, by id or as TASK/RUN, not the best; may be repeated.")
]
LicenceOption = Annotated[str, typer.Option("--license", help="Its licence, as the hub names them: apache-2.0, other.")]
SignOption = Annotated[
    Path | None,
    typer.Option(
        "--sign",
        envvar="FINETUNE_SIGNING_KEY",
        metavar="KEY",
        help="Private key (PEM) that signs the provenance. Default: the identity of CI, where there is one.",
    ),
]
ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="In place of files that were not published from here, or of another tag.")
]
BaseOption = Annotated[
    str | None,
    typer.Option("--base-image", metavar="IMAGE", help="oci://: on an image with a shell, for KServe's modelcars."),
]
PlainOption = Annotated[bool, typer.Option("--plain-http", help="oci://: a registry without TLS.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(publish)


def publish(
    name: ExperimentName,
    to: ToOption,
    task: TaskOption = None,
    run: RunOption = None,
    licence: LicenceOption = "unknown",
    predictions: Annotated[bool, typer.Option(help="The predicted test sets too.")] = False,
    sign: SignOption = None,
    public: Annotated[bool, typer.Option("--public", help="A new repository of the hub is public.")] = False,
    replace: ReplaceOption = False,
    base_image: BaseOption = None,
    plain_http: PlainOption = False,
    manifests: Annotated[
        Path, typer.Option("--manifests", metavar="FOLDER", help="Where InferenceServices are written.")
    ] = Path(),
    namespace: Namespace = None,
    context: Context = None,
    store: StoreUri = None,
) -> int:
    """Publish the best model of each task, or named runs: to the Hugging Face hub, a registry, MLflow or a folder.

    With a model card, signed provenance, and a manifest that serves it by KServe. finetune verify checks all of it.
    """
    require_installed("securesystemslib", "publish")
    from finetune_publish.packing import choose  # noqa: PLC0415 - few have installed what these import
    from finetune_publish.publishing import Order, publish  # noqa: PLC0415
    from finetune_publish.signing import signer_of  # noqa: PLC0415

    place = results_of(name, store=store, context=context, namespace=namespace, kinds=(EXPERIMENT,))
    options = Options(public=public, replace=replace, base_image=base_image, plain_http=plain_http)
    order = Order(to, licence, predictions, signer_of(sign), manifests, options)
    if order.signs is None:
        note("not signed: there is no --sign KEY, and no identity of CI")
    for published in publish(place, choose(place, task or (), run or ()), order):
        _say(published)
    return Exit.OK


def _say(published: "Published") -> None:
    """The place on standard output, the rest for people."""
    write(f"{published.pushed.uri}\n")
    run, told = published.facts.run, error_console()
    told.print(f"  {run.task}: run {run.run} ({run.run_id})", markup=False, style="dim")
    if published.pushed.note:
        note(f"  {published.pushed.note}")
    note(f"  no InferenceService: {published.unserved}" if published.unserved else f"  serve it: {published.manifest}")
