"""The console in a real browser: a part that breaks is red and says why, and is mended from the page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, expect

from tests.clusters import Clusters
from tests.e2e.console import Console
from tests.e2e.graphiql import browsing
from tests.system import System

GRIND = """mutation ($sack: UUID!, $breaks: String!) {
  grind(input: {sackId: $sack, breaks: $breaks}) { __typename } }"""


class Mill:
    """A mill under `commander dev`. mended: what is told to break breaks until this file exists."""

    def __init__(self, system: System, mended: Path) -> None:
        self.system = system
        self._mended = mended

    def mend(self) -> None:
        self._mended.touch()

    def grind(self, breaks: str = "") -> str:
        """How the command ended."""
        return str(self.system.data(GRIND, sack=str(uuid4()), breaks=breaks)["grind"]["__typename"])


@pytest.fixture
def mill(clusters: Clusters, tmp_path: Path) -> Iterator[Mill]:
    mended, domain = tmp_path / "mended", "tests.streaming.mill:mill"
    with System(clusters.copy("mill"), COMMANDER_DOMAIN=domain, MENDED=str(mended)) as system:
        yield Mill(system, mended)


@pytest_asyncio.fixture
async def console(chromium: BrowserContext, mill: Mill) -> AsyncIterator[Console]:
    async with browsing(chromium) as page:
        yield Console(page, mill.system)


def box(console: Console, title: str) -> Locator:
    """A box of the picture."""
    return console.page.locator(".part").filter(
        has=console.page.get_by_role("heading", name=title, exact=True)
    )


async def sure(console: Console, label: str, about: str | re.Pattern[str] = "") -> str:
    """Chooses an action and confirms it. Returns what was said of it before."""
    name = re.compile(rf"^{label} {about}") if isinstance(about, str) else about
    await console.page.get_by_role("button", name=name).first.click()
    dialog = console.page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    said = await dialog.locator("p").inner_text()
    await dialog.get_by_role("button", name=label, exact=True).click()
    await expect(dialog).to_be_hidden()
    return said


async def test_what_breaks_is_red_with_its_reason_and_is_mended_from_the_page(
    console: Console, mill: Mill
) -> None:
    page = console.page
    await console.open("/flow")
    await expect(console.status).to_have_text("Nothing stands still.")
    assert mill.grind() == "CommandApplied"
    await expect(box(console, "Log")).to_contain_text(re.compile(r"position\s*2"))
    await expect(box(console, "Processor")).to_contain_text(re.compile(r"partitions held\s*8 of 8"))
    await expect(box(console, "Projections")).to_contain_text(re.compile(r"sack\s*at the end"))
    await console.looks_right("flow")

    for breaks in ("projection", "reactor", "effect"):
        mill.grind(breaks)
    assert mill.grind("processor") == "CommandFailed"
    for title, reason in (
        ("Projections", "sack: it has stopped: projection sack failed on Ground at position"),
        ("Reactors", "sweeping: keys that wait because an event of theirs failed: 1"),
        ("Effects", "tell: calls that failed for good: 1"),
    ):
        await expect(box(console, title)).to_have_attribute("data-standing", "true")
        await expect(box(console, title)).to_contain_text(reason)
    await expect(console.status).to_contain_text("3 things to look at")
    await expect(box(console, "Mirror")).to_have_count(0)
    await expect(box(console, "EVENTS")).to_have_attribute("data-standing", "false")
    await console.looks_right("flow-red")

    await page.get_by_role("link", name="Projections").first.click()
    tables = console.part("Tables of projections")
    await expect(tables).to_contain_text("RuntimeError: a stone in the projection (")
    await expect(tables).to_contain_text("mill.py:")
    await tables.locator("summary").click()
    await expect(tables).to_contain_text("Traceback (most recent call last)")
    await console.looks_right("projections")
    await page.get_by_role("link", name=re.compile("^Reactors")).click()
    parked = console.part("Parked keys")
    await parked.locator("summary").click()
    await expect(parked).to_contain_text("Traceback (most recent call last)")
    await console.looks_right("reactors")
    await page.get_by_role("link", name=re.compile("^Effects")).click()
    await expect(console.part("Failed calls")).to_contain_text("a stone in the effect")
    await console.looks_right("effects")
    await console.open("/operations/dead-letters")
    await expect(console.part("Dead letters").first).to_contain_text("a stone in the processor")
    await console.looks_right("dead-letters")

    mill.mend()
    said = await sure(console, "Retry", "Grind")
    assert said.startswith("Grind is sent again for sack-")
    await expect(page.get_by_text("No command has failed.")).to_be_visible()
    await page.get_by_role("link", name=re.compile("^Effects")).click()
    await sure(console, "Retry", "tell")
    await expect(page.get_by_text("No call has failed for good.")).to_be_visible()
    await page.get_by_role("link", name=re.compile("^Reactors")).click()
    await sure(console, "Retry", "sweeping")
    await expect(page.get_by_text("No key is parked.")).to_be_visible()

    await page.get_by_role("link", name=re.compile("^Projections")).click()
    await expect(tables.locator(".problem")).to_have_count(0)
    rows = tables.locator("tbody")
    name = await rows.locator("td code").inner_text()
    first = rows.filter(has=page.locator("td > code", has_text=name))
    said = await sure(console, "Rebuild", "sack")
    assert "Another table is filled from the whole log" in said
    await expect(rows).to_have_count(2)
    said = await sure(console, "Roll back", "sack")
    assert "serves again, in place of projection_sack_" in said
    await expect(first).to_contain_text("serves")
    await console.looks_right("projections-two")
    await sure(console, "Drop", "projection_sack")
    await expect(rows).to_have_count(1)
    await page.get_by_role("link", name=re.compile("^Schedules")).click()
    await expect(console.part("Schedules").first).to_contain_text("0 0 1 1 *")
    await console.looks_right("schedules")
    await page.get_by_role("link", name="Flow").click()
    await expect(console.status).to_have_text("Nothing stands still.")
    console.asked_only_its_own_origin()
