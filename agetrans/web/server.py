"""The page's files and its WebSocket; refuses other sites, and tells browsers to keep the page inside."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from agetrans.web.studio import Studio
from agetrans.web.tab import REFUSED, Limits, Tab

PAGE = Path(__file__).parent / "page"
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


def make_app(studio: Studio, limits: Limits, hosts: Sequence[str] | None = LOCAL_NAMES) -> ASGIApp:
    """The application.

    Args:
        studio: what answers the pages.
        limits: what it bears.
        hosts: names under which the server may be called, without port; None for any. On the own computer alone, a
            name that some site has pointed here (DNS rebinding) is refused.
    """

    async def talk(socket: WebSocket) -> None:
        if _is_foreign(socket.headers):
            await socket.close(REFUSED)
            return
        await Tab(socket, studio, limits).serve()

    app = Starlette(
        routes=[WebSocketRoute("/talk", talk), Mount("/", StaticFiles(directory=PAGE, html=True))],
        exception_handlers={404: _not_found},
    )
    return _Guarded(app, hosts)


def local_names(host: str) -> tuple[str, ...]:
    """Under which names a server is called that is bound to this address of its own computer."""
    return *LOCAL_NAMES, f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Whether a server bound to this address can be reached from its own computer alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_foreign(headers: Headers) -> bool:
    """Whether another site's page asks: WebSockets, unlike other requests, are open to every site."""
    origin = headers.get("origin")
    return origin is not None and origin.split("://")[-1] != headers.get("host")


async def _not_found(request: Request, error: Exception) -> Response:
    return PlainTextResponse("There is nothing here; the page is at /.", 404)


class _Guarded:
    """Checks the name that the server is called by, and adds headers that keep the page inside."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str] | None) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if self._hosts is not None and name not in self._hosts:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": REFUSED})
            else:
                refusal = PlainTextResponse("This server answers on its own computer alone.", 403)
                await refusal(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = (
                    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; "
                    f"connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'none'; "
                    "frame-ancestors 'none'"
                )
                headers["Referrer-Policy"] = "no-referrer"
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Cache-Control"] = "no-cache"
                headers["Permissions-Policy"] = "camera=(self), microphone=(), geolocation=()"
            await send(message)

        await self._app(scope, receive, send_with_headers)
