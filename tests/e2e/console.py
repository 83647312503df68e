"""The console as a reader uses it, in a real browser."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from commander.schema.http.console_page import DIST
from tests.e2e.graphiql import Browsed
from tests.system import System

AXE = DIST.parent / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS = Path(__file__).with_name("screenshots")
"""Ignored by git, for people to look at."""
SIZES = {1280: 900, 390: 844}
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
FINDINGS = """async () => {
  const { violations } = await axe.run();
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => html + failureSummary)}`);
}"""


class Console:
    """The console of a system, in one page of the browser."""

    def __init__(self, browsed: Browsed, system: System) -> None:
        self._browsed = browsed
        self.page: Page = browsed.page
        self.system = system
        self.base = f"http://127.0.0.1:{system.port}/console"

    async def open(self, path: str = "") -> None:
        """Loads a page by its address, as a deep link. Skips the test without a build."""
        if not (DIST / "manifest.json").is_file():
            pytest.skip("NOT RUN: the console is not built (make console), so it was tried in no browser")
        await self.page.goto(f"{self.base}{path}")
        await expect(self.page.locator("h1")).to_be_visible()

    def part(self, label: str) -> Locator:
        """The part of the page with this name."""
        return self.page.get_by_label(label, exact=True)

    @property
    def status(self) -> Locator:
        """Where the page stands, in words."""
        return self.page.get_by_role("status").first

    @property
    def rows(self) -> Locator:
        """The events in sight in the log, the newest first."""
        return self.page.locator(".log-row")

    async def positions(self) -> list[int]:
        """Of the rows of the log that are in sight, from top to bottom."""
        tops: list[tuple[float, int]] = [
            tuple(one)
            for one in await self.rows.evaluate_all(
                "(rows) => rows.map((row) => [row.getBoundingClientRect().top,"
                " Number(row.querySelector('.position').textContent)])"
            )
        ]
        return [position for _, position in sorted(tops)]

    async def shows(self, *positions: int) -> None:
        """Waits until the newest rows are these."""
        async with asyncio.timeout(20):
            while (await self.positions())[: len(positions)] != list(positions):
                await asyncio.sleep(0.05)

    async def filter(self, **given: str) -> None:
        """Fills in the filter of the log, and nothing else, and sends it."""
        form = self.page.get_by_role("form", name="Filter")
        for label in ("Type", "Stream", "Aggregate", "Correlation"):
            await form.get_by_label(label).fill(given.get(label.lower(), ""))
        await form.get_by_role("button", name="Filter").click()

    async def looks_right(self, name: str) -> None:
        """In light and dark, wide and narrow: nothing overflows, axe-core finds nothing serious.

        Keeps a picture of each.
        """
        SCREENSHOTS.mkdir(exist_ok=True)
        await self.page.evaluate(AXE.read_text("utf-8"))
        for width, height in SIZES.items():
            await self.page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                await self.part("Colours").select_option(scheme)
                found: list[str] = await self.page.evaluate(FINDINGS)
                assert found == [], f"{scheme}, {width}: {found}"
                assert await self.page.evaluate(OVERFLOW) == 0, f"{scheme}, {width}"
                await self.page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}-{width}.png", full_page=True)
        await self.part("Colours").select_option("system")
        await self.page.set_viewport_size({"width": 1280, "height": 900})

    def asked_only_its_own_origin(self) -> None:
        """No request left this origin, and the browser complained of nothing."""
        origins = tuple(f"{scheme}://127.0.0.1:{self.system.port}/" for scheme in ("http", "ws"))
        left = [url for url in self._browsed.requested if not url.startswith((*origins, "data:"))]
        assert left == []
        assert self._browsed.complaints == []


async def heap_bytes(page: Page) -> int:
    """What the page's scripts hold, after the garbage is collected."""
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.collectGarbage")
    used: dict[str, Any] = await session.send("Runtime.getHeapUsage")
    await session.detach()
    return int(used["usedSize"])
