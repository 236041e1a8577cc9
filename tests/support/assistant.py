"""An assistant, by the SDK's own client: of a server in this process, or of the command as a process of its own."""

import asyncio
import os
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters, stdio_client
from mcp.types import CallToolResult, TextContent, Tool

_PROGRAM = "import sys; from finetune_cli.app import main; sys.exit(main())"


def asked(whom: Any, name: str, **arguments: Any) -> CallToolResult:
    """A tool's answer, of a server in this process or behind a transport."""

    async def ask() -> CallToolResult:
        async with Client(whom) as client:
            return await client.call_tool(name, arguments)

    return asyncio.run(ask())


def told(whom: Any, name: str, **arguments: Any) -> dict[str, Any]:
    answer = asked(whom, name, **arguments)
    assert not answer.is_error, answer.content
    assert isinstance(answer.structured_content, dict)
    return answer.structured_content


def refused(whom: Any, name: str, **arguments: Any) -> str:
    answer = asked(whom, name, **arguments)
    assert answer.is_error
    return "".join(part.text for part in answer.content if isinstance(part, TextContent))


def tools(whom: Any) -> list[Tool]:
    async def ask() -> list[Tool]:
        async with Client(whom) as client:
            return (await client.list_tools()).tools

    return asyncio.run(ask())


def process(*arguments: str, folder: Path) -> AbstractAsyncContextManager[Any]:
    """The command as an assistant's program starts it."""
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    parameters = StdioServerParameters(
        command=sys.executable, args=["-c", _PROGRAM, "mcp", *arguments], env=environment, cwd=folder
    )
    return stdio_client(parameters)
