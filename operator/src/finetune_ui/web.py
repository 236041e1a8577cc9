"""The server: routes, headers, and errors as pages. It changes nothing: POST is for signing in and out alone."""

import asyncio
import mimetypes
import re
from collections.abc import Awaitable, Callable, Iterable
from pathlib import PurePosixPath
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from aiohttp import web

from finetune_client.errors import ClientError, NotFoundError, RefusedError, UnreachableError
from finetune_core.problems import FinetuneError
from finetune_store import StoreError, deadline
from finetune_ui import views
from finetune_ui.kinds import RunPlace
from finetune_ui.pages import render
from finetune_ui.sources import Source
from finetune_ui.static_files import static, version
from finetune_ui.viewers import COOKIE, SECURE_COOKIE, NotSignedInError, Viewers

_PAGE_POLICY = (
    # plotly.js puts rules of its own into the page.
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""A report comes from the store, where others write too: it may be looked at, and do nothing."""

_UNUSUAL = re.compile(r"[^-A-Za-z0-9_.]")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SECONDS = 60.0
"""For all that one page, or one file, asks of a store."""

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """The pages for `viewers`. `hosts` are names that it may be called by; empty: any."""

    def __init__(self, viewers: Viewers, hosts: Iterable[str] = _LOOPBACK) -> None:
        self._viewers = viewers
        self._hosts = frozenset(hosts)

    def app(self) -> web.Application:
        """The application, for aiohttp to run."""
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/", self._list),
                web.get(r"/{word:experiments|searches}/{namespace}/{name}", self._object),
                web.get(r"/experiments/{namespace}/{name}/runs/{task}/{run:[0-9]{1,6}}", self._run),
                web.get(r"/{word:experiments|searches}/{namespace}/{name}/files/{file:.+}", self._file),
                web.get("/compare", self._compare),
                web.get("/login", self._login_page),
                web.post("/login", self._login),
                web.post("/logout", self._logout),
                web.get("/healthz", _healthz),
                web.get(r"/static/{file}", static),
            ]
        )
        return app

    async def _list(self, request: web.Request) -> web.Response:
        source = await self._source(request)
        return self._page("list.html", source, **await _asked(views.listed, source, request.query))

    async def _object(self, request: web.Request) -> web.Response:
        source = await self._source(request)
        word, namespace, name = (request.match_info[key] for key in ("word", "namespace", "name"))
        values = await _asked(views.of_object, source, word, namespace, name, request.query)
        return self._page(f"{word}.html", source, **values)

    async def _run(self, request: web.Request) -> web.Response:
        source = await self._source(request)
        namespace, name, task, run = (request.match_info[key] for key in ("namespace", "name", "task", "run"))
        values = await _asked(views.of_run, source, RunPlace(namespace, name, task, int(run)), request.query)
        return self._page("run.html", source, **values)

    async def _compare(self, request: web.Request) -> web.Response:
        source = await self._source(request)
        values = await _asked(views.compared, source, request.query.getall("of", []), request.query)
        return self._page("compare.html", source, **values)

    async def _file(self, request: web.Request) -> web.Response:
        source = await self._source(request)
        word, namespace, name = (request.match_info[key] for key in ("word", "namespace", "name"))
        file = request.match_info["file"]
        data = await _asked(views.download, source, word, namespace, name, file)
        kind = mimetypes.guess_type(file)[0] or "application/octet-stream"
        shown = kind.startswith(("text/html", "image/"))
        # What would end the quotes, or the header, is no part of a name (https://www.rfc-editor.org/rfc/rfc6266#section-4.3).
        called = _UNUSUAL.sub("_", f"{name}-{PurePosixPath(file).name}")
        return web.Response(
            body=data,
            headers={
                "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
                "Content-Disposition": f'{"inline" if shown else "attachment"}; filename="{called}"',
                "Content-Security-Policy": _REPORT_POLICY,
            },
        )

    async def _login_page(self, request: web.Request) -> web.Response:
        return self._page("login.html", None)

    async def _login(self, request: web.Request) -> web.StreamResponse:
        token = str((await request.post()).get("token", "")).strip()
        # What cannot be a token must not become a header.
        if not token or not token.isascii() or any(character.isspace() for character in token):
            raise RefusedError("that is no token", "It is one line of letters, digits, dots and dashes.")
        answer = _redirect("/")
        secure = _is_https(request)
        answer.set_cookie(_cookie(request), token, httponly=True, samesite="Strict", secure=secure, path="/")
        return answer

    async def _logout(self, request: web.Request) -> web.StreamResponse:
        answer = _redirect("/login" if self._viewers.sign_in else "/")
        answer.del_cookie(_cookie(request), path="/", secure=_is_https(request))
        return answer

    async def _source(self, request: web.Request) -> Source:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        given = token.strip() if kind == "Bearer" else request.cookies.get(_cookie(request))
        return await _asked(self._viewers.source, given)

    def _page(self, template: str, source: Source | None, status: int = 200, **values: object) -> web.Response:
        text = render(
            template,
            title=source.title if source else "",
            version=version(),
            sign_out=self._viewers.sign_in and source is not None,
            **values,
        )
        return web.Response(text=text, status=status, content_type="text/html")

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Errors as pages; headers; no answers to names that other sites could have resolved to this machine."""
        if self._hosts and _name(request.host) not in self._hosts and request.path != "/healthz":
            answer: web.StreamResponse = self._error(
                421, "Not here", f"This page is not called {_name(request.host)}: use http://localhost, or --host."
            )
        else:
            try:
                answer = await handler(request)
            except NotSignedInError:
                answer = _redirect("/login")
            except (FinetuneError, StoreError) as error:
                answer = self._told(error)
            except web.HTTPNotFound:
                answer = self._error(404, "Not found", "There is no such page.")
            except web.HTTPException as error:
                answer = self._error(error.status, error.reason, "This page only reads.")
        answer.headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
        answer.headers.setdefault("Cache-Control", "no-store")
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "no-referrer"
        return answer

    def _told(self, error: FinetuneError | StoreError) -> web.Response:
        match error:
            case NotFoundError():
                return self._error(404, "Not found", str(error))
            case RefusedError():
                return self._error(403, "Not allowed", str(error), ask_namespace=True)
            case UnreachableError():
                return self._error(502, "Cannot be reached", str(error))
            case ClientError():
                return self._error(400, "This cannot be shown", str(error))
            case StoreError() if error.transient:
                return self._error(502, "The store cannot be reached", str(error))
        return self._error(500, "This cannot be shown", str(error))

    def _error(self, status: int, heading: str, message: str, *, ask_namespace: bool = False) -> web.Response:
        return self._page(
            "error.html",
            None,
            status,
            heading=heading,
            message=message,
            ask_namespace=ask_namespace,
            may_sign_in=self._viewers.sign_in,
        )


def _redirect(to: str) -> web.Response:
    return web.Response(status=303, headers={"Location": to})


async def _healthz(request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    return urlsplit(f"//{host}").hostname or ""


async def _asked(ask: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
    """In a thread, and not for ever: one viewer's store must not keep the page from the others."""

    def bounded() -> _T:
        with deadline(_SECONDS):
            return ask(*arguments, **named)

    return await asyncio.to_thread(bounded)


def _cookie(request: web.Request) -> str:
    return SECURE_COOKIE if _is_https(request) else COOKIE


def _is_https(request: web.Request) -> bool:
    # Behind an ingress that ends TLS.
    return request.secure or request.headers.get("X-Forwarded-Proto") == "https"
