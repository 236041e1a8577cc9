"""Running the server until Ctrl-C or SIGTERM."""

import asyncio
import signal
from collections.abc import Callable, Iterable

from aiohttp import web

from finetune_ui.viewers import Viewers
from finetune_ui.web import Server

_GRACE_SECONDS = 2


def serve(viewers: Viewers, host: str, port: int, *, hosts: Iterable[str], ready: Callable[[str], None]) -> None:
    """Serve until a signal says to end; `ready` is called with the page's address. OSError where it cannot listen."""
    asyncio.run(_serve(viewers, host, port, hosts, ready))


async def _serve(viewers: Viewers, host: str, port: int, hosts: Iterable[str], ready: Callable[[str], None]) -> None:
    runner = web.AppRunner(Server(viewers, hosts).app(), access_log=None, shutdown_timeout=_GRACE_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        ended = asyncio.Event()
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(one, ended.set)
        found = runner.addresses[0]
        shown = f"[{found[0]}]" if ":" in found[0] else found[0]
        ready(f"http://{shown}:{found[1]}")
        await ended.wait()
    finally:
        await runner.cleanup()
