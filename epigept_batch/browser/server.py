"""The server of the page: read-only, for this machine, and only for whoever has the token. Uses Starlette."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from epigept_batch.browser.allowed import FOLDER
from epigept_batch.browser.gene_features import FEATURES, SEARCH, features, search
from epigept_batch.browser.ranges import heeded_range

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from epigept_batch.browser.keys import Keys
    from epigept_batch.browser.page_data import Page
    from epigept_batch.sequence.genes import Genes

    Endpoint = Callable[[Request], Awaitable[Response]]

HOSTS = ["127.0.0.1", "localhost"]
"""Names by which a browser may know this machine. Others point here only by DNS rebinding."""
TOKEN = "token"  # noqa: S105 - its name
"""Name of the token in the page's URL."""
PAGE_FILES = {"view.js": "text/javascript", "live.js": "text/javascript", "view.css": "text/css"}
INDEX = "index.html"
BINARY = "application/octet-stream"
HEADERS = {
    # igv.js sets styles of its elements, and draws icons from data: URLs.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
REFUSED = "403: open the address that epigept-batch view printed, which contains the token\n"
CHANGED = "409: the file changed after epigept-batch view started; start it again\n"


def make_app(page: Page, keys: Keys, igv_js: Path, further: Sequence[BaseRoute] = ()) -> Starlette:
    """Return the server's application.

    Args:
        page: What it serves.
        keys: Who may read it.
        igv_js: The script of igv.js.
        further: Routes of other features, behind the same checks.
    """
    routes = [
        Route("/", _packaged(INDEX, "text/html")),
        *(Route(f"/{name}", _packaged(name, kind)) for name, kind in PAGE_FILES.items()),
        Route("/igv.js", _file_of(igv_js)),
        Route("/view.json", _data(page)),
        *(Route(f"/{name}", _content(content, BINARY)) for name, content in page.small_files.items()),
        Route(f"/{FOLDER}/{{key}}", _allowed(page)),
        *([] if page.genes is None else _gene_routes(page.genes)),
        *further,
    ]
    middleware = [
        Middleware(_WithHeaders),
        Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
        Middleware(_WithToken, keys=keys),
    ]
    app = Starlette(routes=routes, middleware=middleware)
    app.router.redirect_slashes = False
    return app


def cookie_name(host: str) -> str:
    """Return the name of the cookie that holds the token. All ports of a machine share cookies, so it has the port.

    Args:
        host: The Host header: the name of this machine, and the port that the browser knows.
    """
    port = host.partition(":")[2]
    return f"epigept-batch-{port if port.isascii() and port.isdecimal() else ''}"


class _WithHeaders:
    """Adds `HEADERS` to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _WithToken:
    """Refuses requests without the token: in the page's URL, or in the cookie that the page sets."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope)
        name = cookie_name(request.headers.get("host", ""))
        if scope["path"] == "/" and self._keys.opens(request.query_params.get(TOKEN, "")):
            await self._app(scope, receive, self._setting_cookie(send, name))
        elif self._keys.fits(request.cookies.get(name, "")):
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse(REFUSED, status_code=403)(scope, receive, send)

    def _setting_cookie(self, send: Send, name: str) -> Send:
        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                cookie = f"{name}={self._keys.token}; Path=/; HttpOnly; SameSite=Strict"
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        return send_with_cookie


def _packaged(name: str, kind: str) -> Endpoint:
    """Return an endpoint for a file of the package."""
    return _content(resources.files("epigept_batch.browser").joinpath("page", name).read_bytes(), kind)


def _file_of(path: Path) -> Endpoint:
    found = path.stat()

    async def endpoint(request: Request) -> Response:
        return _sent(request, path, found, "text/javascript")

    return endpoint


def _data(page: Page) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        return JSONResponse(page.data)

    return endpoint


def _content(content: bytes, kind: str) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        return Response(content, media_type=kind)

    return endpoint


def _gene_routes(genes: Genes) -> list[Route]:
    async def in_interval(request: Request) -> Response:
        asked = request.query_params
        try:
            start, end = int(asked["start"]), int(asked["end"])
        except (KeyError, ValueError):
            return PlainTextResponse("400: start and end must be whole numbers\n", status_code=400)
        return JSONResponse(features(genes, asked.get("contig", ""), start, end))

    async def of_name(request: Request) -> Response:
        return JSONResponse(search(genes, request.query_params.get("name", "")))

    return [Route(f"/{FEATURES}", in_interval), Route(f"/{SEARCH}", of_name)]


def _allowed(page: Page) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        file = page.files.by_key.get(request.path_params["key"])
        if file is None:
            return PlainTextResponse("404: not a file of the run\n", status_code=404)
        found = file.unchanged()
        if found is None:
            return PlainTextResponse(CHANGED, status_code=409)
        return _sent(request, file.path, found, BINARY)

    return endpoint


def _sent(request: Request, path: Path, found: os.stat_result, kind: str) -> Response:
    """Return a file, or the part of it that is asked for. Starlette sees the Range header as RFC 9110 heeds it."""
    heeded = heeded_range(request.headers.get("range"), request.method, found.st_size)
    others = [(name, value) for name, value in request.scope["headers"] if name != b"range"]
    request.scope["headers"] = [*others, *([] if heeded is None else [(b"range", heeded.encode())])]
    return FileResponse(path, media_type=kind, stat_result=found)
