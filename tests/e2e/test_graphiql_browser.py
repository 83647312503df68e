"""GraphiQL as a newcomer meets it, in a real browser: the examples run as they stand, the feed is live."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright, expect

from commander.schema.http.graphiql_page import DIST, graphiql_page
from tests.e2e.bank import apply
from tests.system import System

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
RESPONSE = """() => globalThis.__MONACO.editor.getModels()
    .find((model) => model.uri.path.endsWith("response.json")).getValue()"""
SHOWS = """(text) => globalThis.__MONACO.editor.getModels()
    .find((model) => model.uri.path.endsWith("response.json")).getValue().includes(text)"""
# GraphiQL sends the name of the former tab's operation until it has parsed the text of the new one, and
# stores which tab is open a moment after that.
SETTLED = """(title) => {
  const { tabs, activeTabIndex } = JSON.parse(localStorage.getItem("commander/graphiql:tabState"));
  return tabs[activeTabIndex].title === title;
}"""


class Browsed:
    """The page, and all that it asked for or complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requested: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("websocket", lambda socket: self.requested.append(socket.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text) if message.type in ("error", "warning") else None
            ),
        )

    async def open(self, url: str) -> None:
        """Loads the page and waits until its editor is there."""
        await self.page.goto(url)
        await self.page.wait_for_selector(".graphiql-query-editor .view-line")

    async def run(self, tab: str, holding: str) -> Any:
        """Opens a tab of the examples and runs what stands there: the response, which holds this text."""
        async with asyncio.timeout(30):
            while tab not in await self.page.locator(".graphiql-query-editor .view-lines").inner_text():
                await self.page.locator(".graphiql-tab", has_text=tab).click()
            await self.page.wait_for_function(SETTLED, arg=tab)
            await self.page.get_by_role("button", name="Execute query").click()
            return await self.response(holding)

    async def response(self, holding: str) -> Any:
        """What the response pane shows, once it holds this text."""
        await self.page.wait_for_function(SHOWS, arg=holding, timeout=20_000)
        return json.loads(await self.page.evaluate(RESPONSE))


@pytest_asyncio.fixture
async def browsed() -> AsyncIterator[Browsed]:
    """A page in headless Chromium with nothing stored."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("NOT RUN: chromium is absent, so GraphiQL was tried in no browser")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        context = await browser.new_context(viewport={"width": 1400, "height": 900})
        yield Browsed(await context.new_page())
        await browser.close()


async def test_a_newcomer_runs_each_example_and_sees_an_event_arrive_live(
    system: System, browsed: Browsed
) -> None:
    if not (DIST / "manifest.json").is_file():
        pytest.skip("NOT RUN: GraphiQL is not built (make graphiql), so it was tried in no browser")
    page = browsed.page
    await browsed.open(system.url)
    assert await page.locator("#waiting").count() == 0
    assert await page.title() == "Commander"
    assert await page.get_by_role("tab").all_inner_texts() == ["OpenAccount", "Accounts", "Feed"]

    result = (await browsed.run("OpenAccount", "CommandApplied"))["data"]["openAccount"]
    assert result["events"][0]["type"] == "AccountOpened"

    accounts = (await browsed.run("Accounts", "totalCount"))["data"]["accounts"]
    assert accounts["totalCount"] >= 1
    assert accounts["edges"][0]["node"]["owner"]

    caught_up = (await browsed.run("Feed", "CaughtUp"))["data"]["events"]
    assert int(caught_up["position"]) >= int(result["events"][0]["position"])
    second = Browsed(await page.context.new_page())
    await second.open(system.url)
    result = (await second.run("OpenAccount", "CommandApplied"))["data"]["openAccount"]
    live = (await browsed.response(result["stream"]))["data"]["events"]
    assert (live["__typename"], live["owner"]) == ("AccountOpened", "Ada")
    deposit = {"accountId": live["accountId"], "amount": "1.00"}
    applied = apply(system, "deposit", deposit)
    live = (await browsed.response("MoneyDeposited"))["data"]["events"]
    assert live["position"] == applied["position"]

    await page.get_by_role("button", name="Show Documentation Explorer").click()
    await page.locator(".graphiql-doc-explorer").get_by_text("MoneyDeposited", exact=True).click()
    await expect(page.locator(".graphiql-doc-explorer")).to_contain_text("Money was put into an account.")

    origins = (f"http://127.0.0.1:{system.port}/", f"ws://127.0.0.1:{system.port}/", "data:", "blob:")
    requested = browsed.requested + second.requested
    assert [url for url in requested if not url.startswith(origins)] == []
    assert system.ws_url in browsed.requested
    assert browsed.complaints + second.complaints == []


@pytest.mark.parametrize(
    ("built", "shown"),
    [
        pytest.param(True, ("/graphiql-assets/", "proxy"), id="built"),
        pytest.param(False, ("make graphiql", "https://esm.sh"), id="unbuilt"),
    ],
)
async def test_a_browser_that_cannot_load_graphiql_shows_what_is_missing(
    browsed: Browsed, tmp_path: Path, built: bool, shown: tuple[str, ...]
) -> None:
    """Every request but the one for the page fails, as it does without a network."""
    if built:
        (tmp_path / "manifest.json").write_text('{"src/main.js": {"file": "assets/main-1a.js"}}')
    html, url = graphiql_page([], dist=tmp_path), "http://commander.test/graphql"
    await browsed.page.route("**/*", lambda route: route.abort("internetdisconnected"))
    await browsed.page.route(url, lambda route: route.fulfill(body=html, content_type="text/html"))
    await browsed.page.goto(url)
    assert len(browsed.requested) > 1
    for text in shown:
        await expect(browsed.page.locator("#waiting").get_by_text(text).first).to_be_visible()
