"""The ASGI application: the endpoint, GraphiQL's files, CORS, the limit of a body."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from resolvers.services import Services
from schema.endpoint import Endpoint, HttpSettings
from schema.execution import CommanderSchema
from schema.ide import Example, assets_app
from schema.limits import BodyLimit
from schema.streams import Streams


def application(
    schema: CommanderSchema,
    services: Callable[[], Services],
    settings: HttpSettings,
    routes: Sequence[BaseRoute] = (),
    examples: Sequence[Example] = (),
    streams: Streams | None = None,
) -> Starlette:
    """The whole application. services raises Unavailable until the process has connected.

    streams: how many connections may last, and by what they are ended when the process is told to stop.
    """
    endpoint = Endpoint(schema, services, settings, examples, streams or Streams())
    served: list[BaseRoute] = [
        Route("/", lambda _: RedirectResponse("/graphql")),
        Route("/graphql", endpoint),
        WebSocketRoute("/graphql", endpoint),
        *routes,
    ]
    if (assets := assets_app()) is not None:
        served.append(Mount("/graphiql-assets", assets))
    middleware = [Middleware(BodyLimit, max_bytes=settings.max_body_bytes)]
    if settings.origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["Retry-After"],
        )
        middleware.insert(0, cors)
    return Starlette(routes=served, middleware=middleware)
