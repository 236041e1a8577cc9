"""`mcp`: a server for assistants, over standard input and output."""

import sys
from typing import Annotated

import typer

from finetune_cli.commands.common import AllNamespaces, Context, Namespace, source_of
from finetune_cli.output import note
from finetune_client.errors import needing
from finetune_client.exits import Exit


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(mcp)


def mcp(
    namespace: Namespace = None,
    everywhere: AllNamespaces = False,
    context: Context = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="Read a folder (of `finetune run`) or s3://bucket/prefix instead of a cluster.", metavar="URI"
        ),
    ] = None,
) -> int:
    """Let an assistant read experiments and searches, by the Model Context Protocol on stdin and stdout. It only reads.

    The assistant's program starts it, and it ends with that. It reads what you may read in the cluster, or a store.
    """
    with needing("the server for assistants needs", "mcp"):
        import mcp  # noqa: F401, PLC0415
    from finetune_cli.assistant.reading import Reading  # noqa: PLC0415  takes a second to import, as the SDK does
    from finetune_cli.assistant.server import server  # noqa: PLC0415

    made = server(Reading(source_of(store, context, namespace, everywhere=everywhere)))
    if sys.stdin.isatty():
        note("This speaks the Model Context Protocol on stdin and stdout: an assistant's program starts it.")
    made.run("stdio")
    return Exit.OK
