"""The page of the console: its addresses, its policy, and what it says without its files."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from commander.schema.http.console_page import console_page, console_routes
from commander.schema.http.graphiql_page import Acting
from tests.schema.test_graphiql_page import Page


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A build as Vite leaves it."""
    (tmp_path / "assets").mkdir()
    for name in ("main-1a.js", "main-2b.css"):
        (tmp_path / "assets" / name).write_text(f"/* {name} */")
    entry = {"file": "assets/main-1a.js", "css": ["assets/main-2b.css"], "isEntry": True}
    (tmp_path / "manifest.json").write_text(json.dumps({"src/main.tsx": entry}))
    return tmp_path


def client_of(dist: Path, refusal: str | None = None) -> httpx.AsyncClient:
    app = Starlette(routes=console_routes(dist=dist, refusal=refusal))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://commander")


async def test_each_address_below_the_console_is_its_page_and_its_files_are_served_for_good(
    dist: Path,
) -> None:
    async with client_of(dist) as client:
        pages = [
            await client.get(path) for path in ("/console", "/console/log/7", "/console/stream/account-1")
        ]
        assert {page.status_code for page in pages} == {200}
        assert len({page.text for page in pages}) == 1
        assert {page.headers["cache-control"] for page in pages} == {"no-cache"}
        loaded = Page(pages[0].text).loaded()
        assert sorted(loaded) == ["/console-assets/main-1a.js", "/console-assets/main-2b.css"]
        for url in loaded:
            file = await client.get(url)
            assert (file.status_code, file.headers["cache-control"]) == (
                200,
                "public, max-age=31536000, immutable",
            )
        assert (await client.get("/consoles")).status_code == 404


async def test_the_policy_allows_this_origin_alone_no_inline_script_and_the_one_style_of_the_page(
    dist: Path,
) -> None:
    async with client_of(dist) as client:
        page = await client.get("/console")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    [style] = re.findall(r"<style>(.*?)</style>", page.text)
    hashed = f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'"
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": f"'self' {hashed}",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    for attributes, text in Page(page.text).scripts:
        assert attributes.get("type") == "application/json" or not text.strip()
    assert "//" not in page.text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("acting", [None, Acting.TOKEN, Acting.MINT])
def test_the_page_carries_how_to_ask_and_how_to_sign_in(dist: Path, acting: Acting | None) -> None:
    page = Page(console_page(keep_alive_seconds=7, acting=acting, dist=dist))
    shown = None if acting is None else acting.value
    assert page.config() == {"endpoint": "/graphql", "keepAliveSeconds": 7, "acting": shown}


async def test_without_a_build_the_page_says_how_to_make_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(tmp_path) as client:
        page = await client.get("/console/log")
    [message] = caplog.messages
    for told in (message, Page(page.text).text_of("waiting")):
        assert "make console" in told
        assert "npm" in told
    assert Page(page.text).loaded() == []


async def test_where_the_console_cannot_ask_the_page_says_why(dist: Path) -> None:
    async with client_of(dist, refusal="Only <trusted> documents.") as client:
        page = await client.get("/console")
    assert "Only &lt;trusted&gt; documents." in page.text
    assert Page(page.text).loaded() == []


def test_a_manifest_without_the_entry_is_an_error(dist: Path) -> None:
    (dist / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match=r"src/main\.tsx"):
        console_routes(dist=dist)
