"""GraphiQL as a newcomer meets it, in a real browser: the examples run as they stand, the feed is live."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright, expect

from schema.ide import DIST
from tests.e2e.bank import apply, opened
from tests.system import System

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
RESPONSE = """() => globalThis.__MONACO.editor.getModels()
    .find((model) => model.uri.path.endsWith("response.json")).getValue()"""
SHOWS = """(text) => globalThis.__MONACO.editor.getModels()
    .find((model) => model.uri.path.endsWith("response.json")).getValue().includes(text)"""


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

    async def run(self, tab: str) -> None:
        """Opens a tab of the examples and runs what stands there."""
        await self.page.locator(".graphiql-tab", has_text=tab).click()
        await expect(self.page.locator(".graphiql-query-editor .view-lines")).to_contain_text(tab)
        await self.page.get_by_role("button", name="Execute query").click()

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
    if not (DIST / "manifest.json").is_file():
        pytest.skip("NOT RUN: GraphiQL is not built (make graphiql), so it was tried in no browser")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield Browsed(await browser.new_page(viewport={"width": 1400, "height": 900}))
        await browser.close()


async def test_a_newcomer_runs_each_example_and_sees_an_event_arrive_live(
    system: System, browsed: Browsed
) -> None:
    page = browsed.page
    await page.goto(system.url)
    await page.wait_for_selector(".graphiql-query-editor .view-line")
    assert await page.title() == "Commander"
    assert await page.get_by_role("tab").all_inner_texts() == ["OpenAccount", "Accounts", "Feed"]

    await browsed.run("OpenAccount")
    result = (await browsed.response("CommandApplied"))["data"]["openAccount"]
    assert result["events"][0]["type"] == "AccountOpened"

    await browsed.run("Accounts")
    accounts = (await browsed.response("totalCount"))["data"]["accounts"]
    assert accounts["totalCount"] >= 1
    assert accounts["edges"][0]["node"]["owner"]

    await browsed.run("Feed")
    caught_up = (await browsed.response("CaughtUp"))["data"]["events"]
    assert int(caught_up["position"]) >= int(result["events"][0]["position"])
    account = opened(system, owner="Live from elsewhere")
    live = (await browsed.response(f"account-{account}"))["data"]["events"]
    assert (live["__typename"], live["owner"]) == ("AccountOpened", "Live from elsewhere")
    applied = apply(system, "deposit", {"accountId": account, "amount": "1.00"})
    live = (await browsed.response("MoneyDeposited"))["data"]["events"]
    assert live["position"] == applied["position"]

    await page.get_by_role("button", name="Show Documentation Explorer").click()
    await page.locator(".graphiql-doc-explorer").get_by_text("MoneyDeposited", exact=True).click()
    await expect(page.locator(".graphiql-doc-explorer")).to_contain_text("Money was put into an account.")

    origins = (f"http://127.0.0.1:{system.port}/", f"ws://127.0.0.1:{system.port}/", "data:", "blob:")
    assert [url for url in browsed.requested if not url.startswith(origins)] == []
    assert system.ws_url in browsed.requested
    assert browsed.complaints == []
