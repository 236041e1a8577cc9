"""Options and look-ups that commands share."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from finetune_client.errors import ClientError
from finetune_client.finding import cluster
from finetune_kube.kinds import EXPERIMENT, KINDS, SEARCH, Kind

if TYPE_CHECKING:
    from finetune_ui.sources import Source


def source_of(store: str | None, context: str | None, namespace: str | None, *, everywhere: bool) -> "Source":
    """What page and assistant read: a store, else the cluster by one's own rights."""
    from finetune_client.stores import open_uri  # noqa: PLC0415 - for two commands alone
    from finetune_ui.sources import ClusterSource, StoreSource  # noqa: PLC0415

    if store:
        return StoreSource(open_uri(store))
    return ClusterSource(cluster(context, namespace), everywhere=everywhere)


def _names(kinds: Iterable[Kind], context: typer.Context, incomplete: str) -> list[str]:
    """Names for the shell. There is nowhere to say an error, so without a cluster there are none."""
    try:
        kube = cluster(context.params.get("context"), context.params.get("namespace"))
        found = [str(one["metadata"]["name"]) for kind in kinds for one in kube.objects(kind)]
    except ClientError:
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
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="List all namespaces.")]
LocalOption = Annotated[
    bool, typer.Option("--local", help="For this machine, as `run` and `search` do: file:// is allowed.")
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
