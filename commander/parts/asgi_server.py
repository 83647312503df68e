"""uvicorn, as the part `api` runs it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from commander.parts.frame_protocol import FrameProtocol
from commander.settings import Settings


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
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        ws=FrameProtocol,
        ws_per_message_deflate=False,  # see schema/http/frames.py
        ws_max_size=settings.max_body_bytes,
        ws_ping_interval=settings.ping_seconds,
        ws_ping_timeout=settings.ping_timeout_seconds,
        proxy_headers=False,  # nothing uses the address of the client
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=max(1, int(settings.shutdown_seconds)),
    )
