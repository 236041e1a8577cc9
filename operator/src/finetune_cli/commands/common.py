"""Options and look-ups that commands share."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finetune_cli.errors import CliError, NotFoundError
from finetune_cli.kube.kinds import EXPERIMENT, KINDS, SEARCH, Kind, split_name

if TYPE_CHECKING:
    from finetune_cli.kube.client import Kube

Json = dict[str, Any]


def cluster(context: str | None, namespace: str | None) -> "Kube":
    """The cluster; what talks to it takes a second to import, so that only commands that need it pay."""
    from finetune_cli.kube.client import connect  # noqa: PLC0415

    return connect(context, namespace)


def find(kube: "Kube", text: str, kinds: tuple[Kind, ...] = KINDS) -> tuple[Kind, Json]:
    """The experiment or search of that name (`NAME`, `fte/NAME`, `hps/NAME`); NotFoundError names near ones."""
    asked, name = split_name(text)
    for kind in asked:
        if kind in kinds and (found := kube.get(kind, name)) is not None:
            return kind, found
    what = " or ".join(kind.kind for kind in asked if kind in kinds) or kinds[0].kind
    meant = kube.near_name(kinds, name)
    hint = f"Did you mean {meant}? " if meant else ""
    raise NotFoundError(
        f"there is no {what} {name} in namespace {kube.namespace}",
        f"{hint}`finetune status` lists what is there, `-n NAMESPACE` looks elsewhere.",
    )


def _names(kinds: Iterable[Kind], context: typer.Context, incomplete: str) -> list[str]:
    """Names for the shell. There is nowhere to say an error, so without a cluster there are none."""
    try:
        kube = cluster(context.params.get("context"), context.params.get("namespace"))
        found = [str(one["metadata"]["name"]) for kind in kinds for one in kube.objects(kind)]
    except CliError:
        return []
    return sorted(name for name in found if name.startswith(incomplete))


def any_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of experiments and searches, for the shell."""
    return _names(KINDS, ctx, incomplete)


def experiment_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of experiments, for the shell."""
    return _names((EXPERIMENT,), ctx, incomplete)


def search_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of searches, for the shell."""
    return _names((SEARCH,), ctx, incomplete)


Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace. Default: the context's.", metavar="NAMESPACE")
]
Context = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig.", metavar="CONTEXT")]
StoreUri = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="FINETUNE_STORE",
        metavar="URI",
        help="s3://bucket/prefix (AWS_* variables say how to reach it) or file:///folder, in place of the spec's.",
    ),
]
AnyName = Annotated[
    str, typer.Argument(metavar="NAME", help="An experiment or a search.", autocompletion=any_names, show_default=False)
]
AnyNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME...", help="Experiments, or a search.", autocompletion=any_names, show_default=False),
]
ExperimentName = Annotated[str, typer.Argument(metavar="NAME", help="An experiment.", autocompletion=experiment_names)]
SearchName = Annotated[str, typer.Argument(metavar="NAME", help="A search.", autocompletion=search_names)]
