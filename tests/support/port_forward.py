"""The API server's end of port forwarding: a websocket of v4.channel.k8s.io that leads to an address here."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aiohttp import WSMsgType, web

_FRAME = 1 << 15
"""As the real one: 32 KiB."""


@contextmanager
def forwarding_server(target: tuple[str, int], *, error: str = "") -> Iterator[str]:
    """The URL of an API server that forwards to `target` whatever pod is asked for; with `error` its pod refuses."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = web.AppRunner(_application(target, error))

    async def start() -> str:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield asyncio.run_coroutine_threadsafe(start(), loop).result(20)
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    loop.close()


def _application(target: tuple[str, int], error: str) -> web.Application:
    async def forward(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",), max_msg_size=0)
        await socket.prepare(request)
        port = int(request.query["ports"]).to_bytes(2, "little")
        for channel in (b"\0", b"\1"):
            await socket.send_bytes(channel + port)
        if error:
            await socket.send_bytes(b"\1" + error.encode())
        else:
            await _bridge(socket, *await asyncio.open_connection(*target))
        return socket

    application = web.Application()
    application.router.add_get("/api/v1/namespaces/{namespace}/pods/{pod}/portforward", forward)
    return application


async def _bridge(socket: web.WebSocketResponse, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async def out() -> None:
        with suppress(ConnectionError):
            while data := await reader.read(_FRAME):
                await socket.send_bytes(b"\0" + data)
        await socket.close()

    outward = asyncio.create_task(out())
    async for message in socket:
        if message.type == WSMsgType.BINARY:
            writer.write(message.data[1:])
            await writer.drain()
    writer.close()
    outward.cancel()
    with suppress(asyncio.CancelledError, ConnectionError):
        await outward
    with suppress(ConnectionError):
        await writer.wait_closed()
