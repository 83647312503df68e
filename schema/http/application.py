"""The ASGI application: the endpoint, the schema as text, GraphiQL's files, CORS, and limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.http.websocket_origin import normalize_allowed_origins

from commander.resolvers.services import Services
from commander.schema.execution.limits import BodyLimit
from commander.schema.execution.operations import CommanderSchema
from commander.schema.http.built_pages import assets_app
from commander.schema.http.connections import Streams
from commander.schema.http.endpoint import Endpoint, HttpSettings
from commander.schema.http.graphiql_page import DIST, Example
from commander.schema.http.sdl import schema_text

PATH = "/graphql"


def application(
    schema: CommanderSchema,
    services: Callable[[], Services],
    settings: HttpSettings,
    routes: Sequence[BaseRoute] = (),
    examples: Sequence[Example] = (),
    streams: Streams | None = None,
) -> ASGIApp:
    """The whole application. services raises Unavailable until the process has connected.

    streams: limits the long-lived connections, and ends them when the process stops.
    """
    shown = [one for one in examples if schema.gate.shows_everyone(one.query)]  # the page is for everyone
    endpoint = Endpoint(schema, services, settings, shown, streams or Streams())
    limited = BodyLimit(endpoint, settings.max_body_bytes)
    others = [
        Route("/", lambda _: RedirectResponse(PATH)),
        Route(f"{PATH}/schema.graphql", schema_text(schema, services)),
        *routes,
    ]
    if (assets := assets_app(DIST)) is not None:
        others.append(Mount("/graphiql-assets", assets))
    served: ASGIApp = _Served(limited, Starlette(routes=others))
    if settings.origins:
        served = CORSMiddleware(
            served,
            allow_origins=normalize_allowed_origins(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["Retry-After"],
        )
    return served


class _Served:
    """Sends requests for the endpoint to it directly, without routing: nearly all requests are."""

    def __init__(self, endpoint: ASGIApp, others: ASGIApp) -> None:
        self._endpoint = endpoint
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and scope["path"] == PATH:
            await self._endpoint(scope, receive, send)
        else:
            await self._others(scope, receive, send)
