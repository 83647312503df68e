"""The console in the browser: the log as it grows, streams, and the way of a command.

`schema/console` has the TypeScript of the page. `make console` builds it into `schema/console/dist`. The page
needs no host but this server. Without a build it says how to make one.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from hashlib import sha256
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from commander.schema.http.built_pages import Build, assets_app, json_for_html, read_build
from commander.schema.http.graphiql_page import Acting

DIST = Path(__file__).parents[1] / "console" / "dist"
PATH = "/console"
ASSETS = "/console-assets"

_ENTRY = "src/main.tsx"
_REMEDY = "in the checkout that Commander runs from, or that its wheel is built from"

log = logging.getLogger(__name__)


def console_routes(
    *,
    keep_alive_seconds: float = 15,
    acting: Acting | None = None,
    refusal: str | None = None,
    dist: Path = DIST,
) -> list[BaseRoute]:
    """The page at /console and at each address below it, and its files.

    acting: as for GraphiQL. refusal: why the console cannot work with this API; the page says it.
    Reads files, so call it once at start. Raises ValueError if the manifest in `dist` has no entry for it.
    """
    page = console_page(keep_alive_seconds=keep_alive_seconds, acting=acting, refusal=refusal, dist=dist)
    headers = {
        "content-security-policy": _CONTENT_SECURITY_POLICY,
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-cache",
    }

    async def respond(_: Request) -> Response:
        return HTMLResponse(page, headers=headers)

    routes: list[BaseRoute] = [Route(PATH, respond), Route(f"{PATH}/{{below:path}}", respond)]
    if (assets := assets_app(dist)) is not None:
        routes.append(Mount(ASSETS, assets))
    return routes


def console_page(
    *,
    keep_alive_seconds: float = 15,
    acting: Acting | None = None,
    refusal: str | None = None,
    dist: Path = DIST,
) -> str:
    """The HTML of the page. It works with a content security policy that allows this origin alone."""
    build = read_build(dist, _ENTRY)
    if refusal is not None:
        return _html(None, f"<h1>There is no console here</h1>\n<p>{escape(refusal)}</p>", {})
    if build is None:
        log.warning(
            "The console is not built, so its page only says so. Run `make console` (it needs npm) %s.",
            _REMEDY,
        )
        return _html(None, _NOT_BUILT, {})
    config = {
        "endpoint": "/graphql",
        "keepAliveSeconds": keep_alive_seconds,
        "acting": None if acting is None else acting.value,
    }
    return _html(build, _WAITING, config)


def _html(build: Build | None, waiting: str, config: object) -> str:
    return _PAGE.format(
        style="" if build is None else f"<style>{_LATE}</style>\n",
        head="" if build is None else build.head(ASSETS),
        waiting=waiting,
        config=json_for_html(config),
        tail="" if build is None else build.tail(ASSETS),
    )


_LATE = "#waiting{visibility:hidden;animation:waited 0s 2s forwards}@keyframes waited{to{visibility:visible}}"
"""What the page waits for is shown after two seconds."""
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; "
    f"style-src 'self' 'sha256-{b64encode(sha256(_LATE.encode()).digest()).decode()}'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_WAITING = f"""\
<h1>The console is not loaded yet</h1>
<p>This page loads its files from <code>{ASSETS}/</code> on this host. If this text stays, the browser could
not load or run them. Check that each proxy in front of the API passes <code>{ASSETS}/</code> on to it.</p>
<noscript><p>This page needs JavaScript.</p></noscript>"""
_NOT_BUILT = f"""\
<h1>The console is not built on this server</h1>
<p><code>schema/console/dist/manifest.json</code> is missing. Run <code>make console</code> (it needs npm)
{_REMEDY}, and start the API again.</p>
<p><a href="/graphql">GraphiQL</a> and every GraphQL client work without it.</p>"""
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Commander console</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
%3Cpath d='M3 9l5-5 5 5M3 13l5-5 5 5' fill='none' stroke='%23d60590' stroke-width='2'/%3E%3C/svg%3E">
{style}{head}</head>
<body>
<div id="console"><main id="waiting">
{waiting}
</main></div>
<script type="application/json" id="commander-config">{config}</script>
{tail}
</body>
</html>
"""
