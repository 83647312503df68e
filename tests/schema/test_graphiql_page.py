"""The GraphiQL page: what it carries, where it loads its files from, and how those files are served."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from commander.schema.http.built_pages import assets_app
from commander.schema.http.graphiql_page import SOURCES, Example, Row, graphiql_page

DEPOSIT = Example(
    "Deposit money",
    "mutation Deposit { deposit(amount: 5) { id } }",
    '{"account": "a-1"}',
    Row("account", "a-1", "account-"),
)
WATCH = Example("Watch", "subscription Watch { balance }")


class Page(HTMLParser):
    """The page as a browser reads it: each element's attributes, each script's text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.title = ""
        self.texts: dict[str, str] = {}
        self._inside = ""
        self._id = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.elements.append((tag, dict(attrs)))
        self._id = dict(attrs).get("id") or self._id
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = attributes, text + data
        elif self._inside == "title":
            self.title += data
        else:
            self.texts[self._id] = self.texts.get(self._id, "") + data

    def text_of(self, id: str) -> str:
        """The text after the element with this id, until one with another id."""
        return self.texts[id]

    def config(self) -> dict[str, Any]:
        [text] = [text for attributes, text in self.scripts if attributes.get("id") == "commander-config"]
        config: dict[str, Any] = json.loads(text)
        return config

    def import_map(self) -> dict[str, str]:
        [text] = [text for attributes, text in self.scripts if attributes.get("type") == "importmap"]
        imports: dict[str, str] = json.loads(text)["imports"]
        return imports

    def loaded(self) -> list[str]:
        """The URLs of scripts and stylesheets."""
        sources = [attributes.get("src") for tag, attributes in self.elements if tag == "script"]
        styles = [attrs.get("href") for _, attrs in self.elements if attrs.get("rel") == "stylesheet"]
        return [url for url in sources + styles if url]


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A build as Vite leaves it: an entry, a chunk that it imports, a chunk for later, and their styles."""
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("main-1a.js", "main-2b.css", "shared-3c.js", "shared-4d.css", "later-5e.js", "later-6f.css"):
        (assets / name).write_text(f"/* {name} */")
    manifest = {
        "src/main.js": {
            "file": "assets/main-1a.js",
            "isEntry": True,
            "imports": ["_shared.js"],
            "dynamicImports": ["_later.js"],
            "css": ["assets/main-2b.css"],
        },
        "_shared.js": {
            "file": "assets/shared-3c.js",
            "imports": ["src/main.js"],
            "css": ["assets/shared-4d.css"],
        },
        "_later.js": {"file": "assets/later-5e.js", "css": ["assets/later-6f.css"]},
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


@pytest.fixture(params=["built", "unbuilt"])
def either(request: pytest.FixtureRequest, dist: Path) -> Path:
    return dist if request.param == "built" else dist / "nowhere"


def test_carries_title_endpoint_and_every_example(either: Path) -> None:
    page = Page(graphiql_page([DEPOSIT, WATCH], endpoint="/api/graphql", dist=either))

    assert page.title == "Commander"
    assert page.config() == {
        "endpoint": "/api/graphql",
        "keepAliveSeconds": 15,
        "acting": None,
        "examples": [
            {
                "name": DEPOSIT.name,
                "query": DEPOSIT.query,
                "variables": DEPOSIT.variables,
                "row": {"field": "account", "value": "a-1", "streams": "account-"},
            },
            {"name": WATCH.name, "query": WATCH.query, "variables": "", "row": None},
        ],
    }
    assert any(attributes.get("id") == "graphiql" for _, attributes in page.elements)


@pytest.mark.parametrize(
    "text",
    [
        "</script><script>alert(1)</script>",
        "<!-- <script>",
        "]]> & &lt; {braces} %s",
        "line\u2028separator ü 🏦",
        'quotes " \\ \n',
    ],
)
def test_no_text_in_an_example_ends_its_script(text: str, either: Path) -> None:
    plain = Page(graphiql_page([Example("", "")], dist=either))
    page = Page(graphiql_page([Example(text, text, text)], endpoint=text, dist=either))

    assert page.config() == {
        "endpoint": text,
        "keepAliveSeconds": 15,
        "acting": None,
        "examples": [{"name": text, "query": text, "variables": text, "row": None}],
    }
    assert page.elements == plain.elements


def test_built_page_loads_its_entry_and_styles_from_the_assets_url(dist: Path) -> None:
    page = Page(graphiql_page([DEPOSIT], assets_url="/static/ide/", dist=dist))

    assert sorted(page.loaded()) == [
        "/static/ide/main-1a.js",
        "/static/ide/main-2b.css",
        "/static/ide/shared-4d.css",
    ]


def test_built_page_names_no_other_host_and_has_no_inline_script(dist: Path) -> None:
    html = graphiql_page([DEPOSIT], dist=dist)

    assert "//" not in html.replace("http://www.w3.org/2000/svg", "")
    for attributes, text in Page(html).scripts:
        assert attributes.get("type") == "application/json" or (attributes.get("src") and not text.strip())
    assert not re.search(r"\son\w+=", html)


def test_assets_url_cannot_leave_its_attribute(dist: Path) -> None:
    page = Page(graphiql_page([], assets_url='/a"><script>', dist=dist))

    assert '/a"><script>/main-1a.js' in page.loaded()


def test_unbuilt_page_loads_the_pinned_versions_from_a_cdn(tmp_path: Path) -> None:
    page = Page(graphiql_page([DEPOSIT], dist=tmp_path))
    imports = page.import_map()
    pinned = json.loads((SOURCES / "package.json").read_text())["dependencies"]

    own = {f"#{file.stem}" for file in (SOURCES / "src").glob("*.js") if file.stem not in ("main", "page")}
    others = {name for name in imports if not name.endswith("/")} - own
    assert others == {*pinned, "@emotion/is-prop-valid"}
    for name, version in pinned.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), f"{name} is not pinned"
        assert imports[name].startswith(f"https://esm.sh/{name}@{version}")
    assert page.loaded() == [f"https://esm.sh/graphiql@{pinned['graphiql']}/dist/style.css"]


def test_a_page_without_its_files_says_what_is_missing_and_what_to_do(
    dist: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    built = graphiql_page([DEPOSIT], assets_url="/static/ide/", dist=dist)
    assert not caplog.records
    unbuilt = graphiql_page([DEPOSIT], dist=tmp_path / "nowhere")

    [message] = caplog.messages
    assert "make graphiql" in message and "https://esm.sh" in message
    shown = Page(unbuilt).text_of("waiting")
    for needed in ("schema/graphiql/dist/manifest.json", "https://esm.sh", "make graphiql", "needs npm"):
        assert needed in shown
    assert "/static/ide/" in Page(built).text_of("waiting")
    assert "esm.sh" not in built


def test_unbuilt_page_runs_the_same_source_as_the_built_one(tmp_path: Path) -> None:
    page = Page(graphiql_page([DEPOSIT], dist=tmp_path))
    [module] = [text for attributes, text in page.scripts if attributes["type"] == "module"]
    source = (SOURCES / "src" / "page.js").read_text()

    maps = page.import_map().items()
    own = {name: unquote(url.partition(",")[2]) for name, url in maps if name.startswith("#")}
    names = [
        name
        for text in (module, *own.values())
        for name in re.findall(r'^import (?:.* from )?"(.+)";$', text, re.MULTILINE)
    ]

    assert source in module
    assert own["#stream"] == (SOURCES / "src" / "stream.js").read_text()
    assert {"graphiql", "#stream"} <= set(names)
    for name in names:
        assert name in page.import_map() or f"{name.split('/')[0]}/" in page.import_map()


def test_a_manifest_without_the_entry_is_an_error_not_a_fallback(dist: Path) -> None:
    (dist / "manifest.json").write_text("{}")

    with pytest.raises(ValueError, match=r"src/main\.js"):
        graphiql_page([DEPOSIT], dist=dist)


def test_nothing_to_serve_where_nothing_was_built(tmp_path: Path) -> None:
    assert assets_app(tmp_path) is None


async def test_serves_every_file_for_good_and_nothing_else(dist: Path) -> None:
    app = assets_app(dist)
    assert app is not None
    page = Page(graphiql_page([DEPOSIT], assets_url="", dist=dist))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app, raise_app_exceptions=False), base_url="http://commander"
    ) as client:
        for url in page.loaded():
            response = await client.get(url)
            assert response.status_code == 200
            assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert response.headers["content-type"].partition(";")[0] in {
                "text/css",
                "text/javascript",
                "application/javascript",
            }

            again = await client.get(url, headers={"if-none-match": response.headers["etag"]})
            assert again.status_code == 304
            assert again.headers["cache-control"] == response.headers["cache-control"]

        for missing in ("/manifest.json", "/../manifest.json", "/gone-00.js"):
            response = await client.get(missing)
            assert response.status_code != 200
            assert "cache-control" not in response.headers
