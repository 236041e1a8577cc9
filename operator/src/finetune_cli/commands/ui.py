"""`ui`: the web page."""

import errno
import os
import webbrowser
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from finetune_cli.commands.common import AllNamespaces, Context, Namespace, source_of
from finetune_cli.output import note
from finetune_client.errors import ClientError, UsageError, needing
from finetune_client.exits import Exit

if TYPE_CHECKING:
    from finetune_ui.viewers import Viewers

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Auth(StrEnum):
    """By whose rights a cluster is asked."""

    OWN = "own"
    TOKEN = "token"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(ui)


def ui(
    namespace: Namespace = None,
    everywhere: AllNamespaces = False,
    context: Context = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="Show a folder (of `finetune run`) or s3://bucket/prefix instead of a cluster.", metavar="URI"
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8090,
    auth: Annotated[
        Auth, typer.Option(help="own: your rights, for this machine alone. token: viewers sign in with their own.")
    ] = Auth.OWN,
    browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> int:
    """Serve a web page of experiments and searches: progress, learning curves, tables, trials, files. It only reads.

    It shows what you may see in the cluster, and ends with Ctrl-C.
    """
    if auth == Auth.OWN and host not in _LOOPBACK:
        raise UsageError(
            f"on {host} others could read all that you may read",
            "Add --auth token, so that everybody signs in; or leave --host out, and forward a port to this machine.",
        )
    if auth == Auth.TOKEN and store:
        raise UsageError(
            "signing in is for a cluster; --store shows a store to whoever can reach the page", "Leave one of them out."
        )
    with needing("the page needs", "ui"):
        import aiohttp  # noqa: F401, PLC0415
        import jinja2  # noqa: F401, PLC0415
        import plotly  # noqa: F401, PLC0415
    from finetune_ui.serving import serve  # noqa: PLC0415  takes a second to import, which only this should cost

    def ready(url: str) -> None:
        note(f"Serving {url} (Ctrl-C ends it)")
        if browser:
            webbrowser.open(url)

    viewers = _by_token(namespace) if auth == Auth.TOKEN else _own(store, context, namespace, everywhere)
    try:
        serve(viewers, host, port, hosts=_LOOPBACK if host in _LOOPBACK else (), ready=ready)
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL}:
            raise
        raise ClientError(
            f"cannot listen on {host}:{port}: {error.strerror}", "Choose another: --port, --host."
        ) from error
    return Exit.OK


def _own(store: str | None, context: str | None, namespace: str | None, everywhere: bool) -> "Viewers":
    from finetune_ui.viewers import OneViewer  # noqa: PLC0415

    return OneViewer(source_of(store, context, namespace, everywhere=everywhere))


def _by_token(namespace: str | None) -> "Viewers":
    from finetune_ui.viewers import ByToken, in_cluster_api  # noqa: PLC0415

    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        return ByToken(namespace)
    server, ca = in_cluster_api()
    return ByToken(namespace, server, ca)
