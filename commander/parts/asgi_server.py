"""uvicorn, as the part `api` runs it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from commander.parts.frame_protocol import FrameProtocol
from commander.parts.http_protocol import ConnectionBounds, RequestProtocol
from commander.schema.http.websocket import LARGEST_MESSAGE
from commander.settings import Settings

_HEADERS = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
]
"""Of each response. Pages of allowed origins read answers by CORS, which the last one does not concern."""
_OTHER_FILES = 200
"""How many files of the process are not connections of clients: servers, modules, logs."""


class AsgiServer:
    """Serves an application on the API's address from `serve` until `stop`."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._server = _Server(_config(app, settings))

    async def serve(self) -> None:
        await self._server.serve()

    def stop(self) -> None:
        """Closes WebSockets with code 1012 and waits for open requests."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    bounds = ConnectionBounds(
        head_seconds=settings.request_head_seconds,
        body_seconds=settings.request_body_seconds,
        idle_seconds=settings.idle_seconds,
        untaken_seconds=settings.untaken_seconds,
        connections=_allowed_by_files(settings.max_connections + max(100, settings.max_connections)),
    )
    http: Any = partial(RequestProtocol, bounds=bounds)
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=http,
        ws=FrameProtocol,
        ws_per_message_deflate=False,  # see schema/http/frames.py
        ws_max_size=LARGEST_MESSAGE * settings.max_body_bytes,
        ws_ping_interval=settings.ping_seconds,
        ws_ping_timeout=settings.ping_timeout_seconds,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.allowed_proxies),
        headers=_HEADERS,
        server_header=False,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=max(1, int(settings.shutdown_seconds)),
    )


def _allowed_by_files(connections: int) -> int:
    """This number, or what the open files of the process allow. Raises their limit up to the system's."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return connections
    wanted = connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY not in (soft, hard) and soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - _OTHER_FILES))
