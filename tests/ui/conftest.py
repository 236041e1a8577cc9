"""The page served on a free port, asked over HTTP as a browser would."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
import requests
from aiohttp import web

from finetune_ui.viewers import Viewers
from finetune_ui.web import Server
from support.own_cluster import kubeconfig, world

__all__ = ["kubeconfig", "world"]

LOOPBACK = ("127.0.0.1", "localhost")
_SECONDS = 30


@dataclass
class Site:
    """A served page; `get` follows no redirect."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **headers: str) -> requests.Response:
        """What it answers."""
        return self.session.get(f"{self.url}{path}", headers=headers, timeout=_SECONDS, allow_redirects=False)

    def post(self, path: str, **fields: str) -> requests.Response:
        """What it answers to a form."""
        return self.session.post(f"{self.url}{path}", data=fields, timeout=_SECONDS, allow_redirects=False)


Serve = Callable[..., Site]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves the page for some viewers until the test ends."""
    ends: list[Callable[[], None]] = []

    def start(viewers: Viewers, hosts: Iterable[str] = LOOPBACK) -> Site:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        runner = web.AppRunner(Server(viewers, hosts).app())

        async def begin() -> int:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            return int(runner.addresses[0][1])

        def end() -> None:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_SECONDS)
            loop.close()

        ends.append(end)
        port = asyncio.run_coroutine_threadsafe(begin(), loop).result(_SECONDS)
        site = Site(f"http://127.0.0.1:{port}")
        # No proxy of this machine stands between.
        site.session.trust_env = False
        ends.append(site.session.close)
        return site

    yield start
    for one in reversed(ends):
        one()


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._quiet = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._quiet = tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self._quiet = False

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.words += data.split()


def text_of(page: str) -> str:
    """What a page says, every gap one space wide."""
    parser = _Text()
    parser.feed(page)
    return " ".join(parser.words)
