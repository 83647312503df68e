"""GraphiQL in the browser: the page that explores the schema and runs queries, commands and subscriptions.

`schema/graphiql` has the JavaScript of the page. `npm ci && npm run build` there builds it into
`schema/graphiql/dist`. The built page needs no host but this server. Without a build, the page loads the same
versions of the same libraries from a CDN. A page that cannot load its files shows which ones and what to do.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from commander.schema.http.built_pages import json_for_html, read_build

SOURCES = Path(__file__).parents[1] / "graphiql"
DIST = SOURCES / "dist"

_ENTRY = "src/main.js"
_CDN = "https://esm.sh"
_REMEDY = (
    "Run `make graphiql` (it needs npm) in the checkout that Commander runs from, or that its wheel is built "
    "from"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """A variable that the page fills in when the tab is opened: the key of the last stream of a command.

    field: the name of the variable. value: what it holds until then. streams: what ids of such streams begin
    with, such as `account-`.
    """

    field: str
    value: Any
    streams: str


@dataclass(frozen=True)
class Example:
    """One tab of the page when it opens for the first time.

    `name` is shown above the query as a comment. GraphiQL takes the title of the tab from the name of the
    operation, so name every operation. `query` is GraphQL. `variables` is a JSON object as text, or empty.
    `row`: the variable that names a row which another example makes.
    """

    name: str
    query: str
    variables: str = ""
    row: Row | None = None


class Acting(Enum):
    """How the page offers to act as somebody. TOKEN: the reader pastes a token. MINT: the API mints one."""

    TOKEN = "token"
    MINT = "mint"


def graphiql_page(
    examples: Sequence[Example],
    *,
    endpoint: str = "/graphql",
    assets_url: str = "/graphiql-assets",
    keep_alive_seconds: float = 15,
    acting: Acting | None = None,
    dist: Path = DIST,
) -> str:
    """Return the HTML of the page, titled "Commander".

    Operations go to `endpoint`; subscriptions use Server-Sent Events at the same address, and resume after
    a break. A stream without a byte for three times `keep_alive_seconds` counts as broken. The browser keeps
    its tabs, so `examples` are shown on the first visit only. With `acting`, a box sends a token with all
    operations; if that is MINT, `endpoint`/token mints it. `assets_url` is the URL of the built files, on
    the same origin.

    The built page has no inline script, so it works with the content security policy `script-src 'self'`. Its
    editor, Monaco, sets styles and fonts at run time. It needs `style-src 'self' 'unsafe-inline'`,
    `font-src 'self' data:` and `img-src 'self' data:`. Without a build, the page needs the CDN and inline
    scripts, and a warning in the log says so.

    GraphiQL replaces a text that says what the page waits for. A browser shows that text after two seconds.

    This function reads files, so call it once at start. Raises ValueError if the manifest in `dist` has no
    entry for the page.
    """
    build = read_build(dist, _ENTRY)
    config = {
        "endpoint": endpoint,
        "keepAliveSeconds": keep_alive_seconds,
        "acting": None if acting is None else acting.value,
        "examples": [asdict(example) for example in examples],
    }
    if build is None:
        log.warning("GraphiQL is not built, so its page loads it from %s. %s.", _CDN, _REMEDY)
        head, tail = _from_cdn()
        waiting = _waiting_for_cdn()
    else:
        head, tail = build.head(assets_url), build.tail(assets_url)
        waiting = _waiting_for_build(assets_url)
    return _PAGE.format(head=head, waiting=waiting, config=json_for_html(config), tail=tail)


def _from_cdn() -> tuple[str, str]:
    """The page's own source, with its imports mapped to the CDN in the versions that package.json pins."""
    versions: dict[str, str] = json.loads((SOURCES / "package.json").read_text("utf-8"))["dependencies"]

    def url(package: str, *external: str) -> str:
        query = f"?standalone&external={','.join(external)}" if external else ""
        return f"{_CDN}/{package}@{versions[package]}{query}"

    # Shared packages stay external so that each is loaded once. framer-motion tries to load
    # @emotion/is-prop-valid, which the page does not need.
    imports = {
        "react": url("react"),
        "react/": url("react") + "/",
        "react-dom": url("react-dom"),
        "react-dom/": url("react-dom") + "/",
        "graphql": url("graphql"),
        "graphql-ws": f"{url('graphql-ws')}?external=graphql",
        "graphiql": url("graphiql", "react", "react-dom", "@graphiql/react", "graphql"),
        "graphiql/": url("graphiql") + "/",
        "@graphiql/react": url(
            "@graphiql/react", "react", "react-dom", "graphql", "@graphiql/toolkit", "@emotion/is-prop-valid"
        ),
        "@graphiql/toolkit": url("@graphiql/toolkit", "graphql", "graphql-ws"),
        "@emotion/is-prop-valid": "data:text/javascript,",
        **{f"#{name}": "data:text/javascript," + quote(source) for name, source in _own_modules()},
    }
    head = (
        f'<link rel="stylesheet" href="{url("graphiql")}/dist/style.css">\n'
        f"<style>\n{(SOURCES / 'src' / 'page.css').read_text('utf-8')}</style>\n"
        f'<script type="importmap">{json_for_html({"imports": imports})}</script>\n'
    )
    page = (SOURCES / "src" / "page.js").read_text("utf-8")
    return head, f'<script type="module">\nimport "graphiql/setup-workers/esm.sh";\n{page}</script>'


def _own_modules() -> list[tuple[str, str]]:
    """The name and the source of each file that the page's source imports as `#name`."""
    files = sorted((SOURCES / "src").glob("*.js"))
    return [(file.stem, file.read_text("utf-8")) for file in files if file.stem not in ("main", "page")]


def _waiting_for_build(assets_url: str) -> str:
    path = f"<code>{escape(assets_url.rstrip('/'))}/</code>"
    return f"""\
<h1>GraphiQL is not loaded yet</h1>
<p>This page loads GraphiQL from {path} on this host. If this text stays, the browser could not load or run
those files. Check that each proxy in front of the API passes {path} on to it, and look at the console of the
browser.</p>"""


def _waiting_for_cdn() -> str:
    remedy = _REMEDY.replace("`make graphiql`", "<code>make graphiql</code>")
    return f"""\
<h1>GraphiQL is not built on this server</h1>
<p><code>schema/graphiql/dist/manifest.json</code> is missing, so this page loads GraphiQL from {_CDN}.
If this text stays, the browser could not load it from there.</p>
<p>{remedy}, and start the API again. Then the page needs no other host.</p>"""


_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Commander</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
%3Cpath d='M3 9l5-5 5 5M3 13l5-5 5 5' fill='none' stroke='%23d60590' stroke-width='2'/%3E%3C/svg%3E">
<style>
html, body, #graphiql {{ height: 100%; margin: 0; }}
.graphiql-doc-explorer-search input {{ min-width: 5rem; }}
.graphiql-button {{ font-family: inherit; }}
#waiting {{ max-width: 42rem; margin: 0 auto; padding: 3rem 1rem; font: 1rem/1.5 system-ui, sans-serif;
  visibility: hidden; animation: waited 0s 2s forwards; }}
@keyframes waited {{ to {{ visibility: visible; }} }}
</style>
{head}</head>
<body>
<div id="graphiql"><div id="waiting">
{waiting}
<p>The API itself does not need GraphiQL: any GraphQL client can use this URL.</p>
<noscript><p>This page needs JavaScript.</p></noscript>
</div></div>
<script type="application/json" id="commander-config">{config}</script>
{tail}
</body>
</html>
"""
