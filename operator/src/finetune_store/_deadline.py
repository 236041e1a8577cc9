"""One deadline for all that a piece of work asks of object stores, however slowly these answer.

    with deadline(30):
        store.get(...)  # DeadlineError where this, and what came before it, takes longer

A timeout of urllib3 bounds one wait for bytes, so a server that sends a byte every few seconds is never too late, be it
in headers or in bodies. Here the sockets themselves ask, before each wait, how much time is left. The deadline is that
of the thread (of its context); without one nothing changes. Answers that are read as a whole are bounded in bytes too.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError

from finetune_store._proxy import proxy_keys, proxy_of

MOST_BYTES = 4 << 20
"""Of an answer that is no object: a page of a listing has 1,000 keys of 1,024 bytes, thrice as many quoted."""

MOST_MARKS = 200_000
"""Of `<`, `=` and `&` in one: a page has some 30 for each of its 1,000 keys. Each four bytes may become a hundred."""


@dataclass(frozen=True)
class Deadline:
    """`seconds` are those that were given, `end` the monotonic time of their end."""

    seconds: float
    end: float

    @property
    def left(self) -> float:
        """Seconds until the end; 0 or less when it has passed."""
        return self.end - time.monotonic()


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
_permits: ContextVar[Callable[[str], bool] | None] = ContextVar("permits", default=None)


class RefusedAddressError(NewConnectionError):
    """The host has no address that `connecting_only_to` permits."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Bound what the block, in this thread, asks of stores; DeadlineError (transient) once the time is over."""
    token = _current.set(Deadline(seconds, time.monotonic() + seconds))
    try:
        yield
    finally:
        _current.reset(token)


def current_deadline() -> Deadline | None:
    """The deadline of this thread."""
    return _current.get()


@contextmanager
def connecting_only_to(permits: Callable[[str], bool]) -> Iterator[None]:
    """Connect, in this thread, only to addresses that `permits` is true of; RefusedAddressError where a host has none.

    Asked of the address itself just before it is connected to, so no name that changes its address in between helps.
    """
    token = _permits.set(permits)
    try:
        yield
    finally:
        _permits.reset(token)


def limited(timeout: float | None) -> float | None:
    """The timeout, or what is left until the deadline where that is less; TimeoutError where nothing is."""
    limit = _current.get()
    if limit is None:
        return timeout
    if limit.left <= 0:
        raise TimeoutError("the deadline has passed")
    return limit.left if timeout is None else min(timeout, limit.left)


class _PlainSocket(socket.socket):
    """Waits for the timeout that was set, or for what is left until the deadline if that is less."""

    _timeout: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._timeout = value
        super().settimeout(value)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self._limit()
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self._limit()
        super().sendall(*args, **kwargs)

    def _limit(self) -> None:
        super().settimeout(limited(self._timeout))


class _TlsSocket(_PlainSocket, ssl.SSLSocket):
    """The same; its `sendall` sends piece by piece."""

    def send(self, *args: Any, **kwargs: Any) -> int:
        self._limit()
        return super().send(*args, **kwargs)


class _Connecting:
    """Connects to each of the host's addresses in turn, all within the deadline."""

    def _new_conn(self: Any) -> socket.socket:
        try:
            addresses = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]
        permits = _permits.get()
        if permits is not None:
            addresses = [found for found in addresses if permits(str(found[4][0]))]
            if not addresses:
                raise RefusedAddressError(self, f"{self.host} has no address that may be connected to")
        failure: OSError = OSError("the host has no address")
        for family, kind, protocol, _, address in addresses:
            try:
                return _connected(_PlainSocket(family, kind, protocol), address, self.timeout, self.socket_options)
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, f"connecting to {self.host} takes too long") from failure
        raise NewConnectionError(self, f"cannot connect to {self.host}: {failure}") from failure


def _connected(made: _PlainSocket, address: Any, timeout: Any, options: Any) -> socket.socket:
    try:
        for option in options or ():
            made.setsockopt(*option)
        made.settimeout(limited(timeout))
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made


class _PlainConnection(_Connecting, HTTPConnection):
    pass


class _TlsConnection(_Connecting, HTTPSConnection):
    pass


class _Answering:
    """Answers that are read as a whole have a bound; those that are streamed have none here."""

    def urlopen(self: Any, method: str, url: str, *args: Any, preload_content: bool = True, **options: Any) -> Any:
        answer = super().urlopen(method, url, *args, preload_content=False, **options)  # type: ignore[misc]
        return _whole(answer, method, url) if preload_content else answer


def _whole(answer: urllib3.BaseHTTPResponse, method: str, url: str) -> urllib3.HTTPResponse:
    # As it was sent: compressed content of a few bytes may unfold to any number of them.
    body = answer.read(MOST_BYTES + 1, decode_content=False)
    if len(body) > MOST_BYTES:
        answer.close()
        raise HTTPError(f"the answer has more than {MOST_BYTES:,} bytes")
    if sum(map(body.count, (b"<", b"=", b"&"))) > MOST_MARKS or b"<!ENTITY" in body:
        answer.close()
        raise HTTPError(f"the answer unfolds to more than it has: it declares entities, or has {MOST_MARKS:,} elements")
    answer.release_conn()
    return urllib3.HTTPResponse(
        body,
        headers=answer.headers,
        status=answer.status,
        version=answer.version,
        reason=answer.reason,
        preload_content=False,
        decode_content=False,
        request_method=method,
        request_url=url,
    )


class _PlainPool(_Answering, urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(_Answering, urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Direct(urllib3.PoolManager):
    """Connections keep to the deadline."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}


class _Proxied(_Direct, urllib3.ProxyManager):
    pass


class _Outgoing(_Direct):
    """Sends each request directly, or through the proxy that the environment names for its URL."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._options = options
        self._proxied: dict[str, _Proxied] = {}

    def urlopen(self, method: str, url: str, redirect: bool = True, **options: Any) -> urllib3.BaseHTTPResponse:  # type: ignore[override]
        proxy = proxy_of(url)
        if proxy is None:
            return super().urlopen(method, url, redirect, **options)
        return self._through(proxy).urlopen(method, url, redirect, **options)

    def clear(self) -> None:
        super().clear()
        for manager in self._proxied.values():
            manager.clear()

    def _through(self, proxy: str) -> _Proxied:
        made = self._proxied.get(proxy)
        if made is None:
            made = self._proxied[proxy] = _Proxied(proxy_url=proxy, proxy_headers=proxy_keys(proxy), **self._options)
        return made


def bounded_pool(context: ssl.SSLContext | None = None, **options: Any) -> urllib3.PoolManager:
    """A PoolManager that keeps to the deadline and to the environment's proxies; options are PoolManager's."""
    context = context or ssl.create_default_context()
    context.sslsocket_class = _TlsSocket
    return _Outgoing(ssl_context=context, **options)
