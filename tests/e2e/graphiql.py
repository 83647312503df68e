"""GraphiQL as a reader uses it, in a real browser."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Locator, Page, async_playwright, expect

from commander.schema.http.graphiql_page import DIST

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
MODEL = "globalThis.__MONACO.editor.getModels().find((model) => model.uri.path.endsWith(name))"
TEXT = f"(name) => {MODEL}.getValue()"
WRITE = f"([name, text]) => {MODEL}.setValue(text)"
SHOWS = f"([name, text]) => {MODEL}.getValue().includes(text)"
WAIT_SECONDS = 90
"""How long a page is waited for. A browser on a machine with other work can stop for seconds."""
expect.set_options(timeout=WAIT_SECONDS * 1000)
POLLING_MS = 50
"""How often a condition is checked. By default it is in each frame, which makes the page draw without end."""
RESPONSE, OPERATION = "response.json", "operation.graphql"
VARIABLES, HEADERS = "variables.json", "request-headers.json"
TAB_STATE = "commander/graphiql:tabState"
# GraphiQL stores which tab is open, and what its editors hold, a moment after that.
SETTLED = """([key, title]) => {
  const { tabs, activeTabIndex } = JSON.parse(localStorage.getItem(key));
  return tabs[activeTabIndex].title === title;
}"""


FORGET = """if (window.name !== "begun") {
  localStorage.clear();
  window.name = "begun";
}"""
"""What others have stored is forgotten when the page is loaded for the first time."""


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
        """Loads the page and waits until its editor is there. Skips the test without a build."""
        if not (DIST / "manifest.json").is_file():
            pytest.skip("NOT RUN: GraphiQL is not built (make graphiql), so it was tried in no browser")
        await self.page.goto(url)
        await self.page.wait_for_selector(".graphiql-query-editor .view-line")

    async def choose(self, tab: str) -> None:
        """Opens a tab."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not re.search(rf"^\w+ {tab}\b", await self.text(OPERATION), re.MULTILINE):
                await self.page.locator(".graphiql-tab", has_text=tab).click()
            await self.page.wait_for_function(SETTLED, arg=[TAB_STATE, tab], polling=POLLING_MS)

    async def execute(self) -> None:
        await self.page.get_by_role("button", name="Execute query").click()

    async def run(self, tab: str, holding: str) -> Any:
        """Opens a tab of the examples and runs what stands there: the response, which holds this text."""
        await self.choose(tab)
        await self.execute()
        return await self.response(holding)

    async def response(self, holding: str) -> Any:
        """What the response pane shows, once it holds this text."""
        await self.page.wait_for_function(SHOWS, arg=[RESPONSE, holding], polling=POLLING_MS)
        return json.loads(await self.text(RESPONSE))

    async def text(self, name: str) -> str:
        """What an editor holds."""
        text: str = await self.page.evaluate(TEXT, name)
        return text

    async def write(self, name: str, text: str) -> None:
        """Replaces what an editor holds."""
        await self.page.evaluate(WRITE, [name, text])

    async def subscribe(self, operation: str) -> None:
        """Runs this operation in a tab of its own."""
        await self.page.get_by_role("button", name="New tab").click()
        await self.write(OPERATION, operation)
        await self.execute()

    @property
    def status(self) -> Locator:
        """Where the subscription stands, in words."""
        return self.page.get_by_role("status")

    @property
    def count(self) -> Locator:
        """How many items came, in words."""
        return self.page.locator(".commander-feed-count")

    @property
    def items(self) -> Locator:
        """What the subscription of the open tab lists, the newest first, without heartbeats."""
        return self.page.locator(".commander-feed li").filter(has_not_text='"Heartbeat"')

    async def listed(self) -> list[Any]:
        """The value of each of `items`, the oldest first."""
        texts = await self.items.locator("pre").all_text_contents()
        return [json.loads(text) for text in reversed(texts)]


@asynccontextmanager
async def browser() -> AsyncIterator[BrowserContext]:
    """Headless Chromium, as wide as a small laptop. Skips the test where it is absent."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("NOT RUN: chromium is absent, so GraphiQL was tried in no browser")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield await started.new_context(viewport={"width": 1280, "height": 800})
        await started.close()


@asynccontextmanager
async def browsing(browser: BrowserContext) -> AsyncIterator[Browsed]:
    """A page with nothing stored. The browser knows the scripts that others have loaded before: compiling
    them is most of what a first page costs."""
    page = await browser.new_page()
    page.set_default_timeout(WAIT_SECONDS * 1000)
    await page.add_init_script(FORGET)
    yield Browsed(page)
    await page.close()
    await browser.clear_cookies()
    await browser.clear_permissions()
