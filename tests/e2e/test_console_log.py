"""The log of the console in a real browser: live, filtered, paused without loss, and one event in full."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest_asyncio
from playwright.async_api import BrowserContext, expect

from tests.e2e.bank import apply, opened
from tests.e2e.console import Console, heap_bytes
from tests.e2e.graphiql import browsing
from tests.system import System

NEWEST = """query ($of: [String!]) {
  events(last: 1, filter: {streams: $of}) { edges { node { position } } }
}"""
SUBMIT = "mutation ($commands: [AnyCommand!]!) { submit(commands: $commands) { __typename } }"
BATCH = 100
"""Commands of one request, and as many as the page reads of the past at once."""
MOST_EVENTS = 10_000
EVENT_BYTES = 1_000
FLAT_BYTES = 500_000
"""Half of what a thousand events take, if none gives way."""
MOST_ROWS = 80


@pytest_asyncio.fixture
async def console(chromium: BrowserContext, system: System) -> AsyncIterator[Console]:
    async with browsing(chromium) as page:
        yield Console(page, system)


def deposited(system: System, account: str, amount: str = "5.00") -> int:
    """The position of the event of a deposit."""
    return int(apply(system, "deposit", {"accountId": account, "amount": amount})["position"])


async def test_a_reader_follows_the_log_pauses_it_without_loss_and_reads_an_event_in_full(
    console: Console, system: System
) -> None:
    page = console.page
    account = opened(system, balance="10.00")
    await console.open()
    assert page.url == f"{console.base}/log"
    await expect(console.status).to_have_text("Live. New events appear here.")
    first = deposited(system, account)
    await console.shows(first, first - 1, first - 2)

    await page.get_by_role("button", name="Pause").click()
    missed = [deposited(system, account) for _ in range(3)]
    await expect(console.status).to_have_text("Paused: 3 more events since.")
    assert (await console.positions())[0] == first
    await console.looks_right("log")
    await page.get_by_role("button", name="Resume").click()
    await console.shows(*reversed(missed), first)

    await console.filter(type="AccountOpened", stream=f"account-{account}")
    await expect(console.rows).to_have_count(1)
    another = opened(system)
    await console.filter(aggregate="account", type="AccountOpened")
    await expect(console.rows.first).to_contain_text(f"account-{another}")
    await console.filter(stream=f"account-{account}")
    await expect(console.rows).to_have_count(6)
    assert (await console.positions())[0] == missed[-1]

    await console.rows.first.get_by_role("link").click()
    await page.reload()  # a deep link shows the same
    await expect(page.get_by_role("heading", name="MoneyDeposited")).to_be_visible()
    await expect(console.part("Content")).to_contain_text("5.00")
    changed = page.locator("tr[data-changed=true]")
    await expect(changed).to_have_count(1)
    assert (await changed.inner_text()).split() == ["balance", "changed", "25.00", "30.00"]
    await expect(console.part("Command")).to_contain_text("APPLIED")
    await expect(console.part("Headers")).to_contain_text("correlationId")
    await console.looks_right("event")

    await page.locator(".log-list").focus()
    await page.keyboard.press("ArrowDown")
    await expect(page).to_have_url(f"{console.base}/log/{missed[-2]}?stream=account-{account}")
    await expect(changed).to_contain_text("20.00")
    console.asked_only_its_own_origin()


def deposit_many(system: System, account: str, number: int) -> int:
    """Stores so many deposits, and gives the position of the last one."""
    for _ in range(number // BATCH):
        commands = [{"deposit": {"accountId": account, "amount": "1.00"}}] * BATCH
        results = system.data(SUBMIT, commands=commands)["submit"]
        assert {one["__typename"] for one in results} == {"CommandApplied"}
    [edge] = system.data(NEWEST, of=[f"account-{account}"])["events"]["edges"]
    return int(edge["node"]["position"])


async def test_a_page_that_follows_thousands_of_events_stays_small(console: Console, system: System) -> None:
    page, account = console.page, opened(system)
    await console.open(f"/log?stream=account-{account}")
    await expect(console.rows).to_have_count(1)
    empty = await heap_bytes(page)
    await console.shows(deposit_many(system, account, MOST_EVENTS + BATCH))
    full = await heap_bytes(page)
    assert (full - empty) / MOST_EVENTS < EVENT_BYTES
    newest = deposit_many(system, account, 1_000)
    await console.shows(newest)
    assert await heap_bytes(page) - full < FLAT_BYTES
    assert await console.rows.count() < MOST_ROWS
    listed = int(await console.rows.first.get_attribute("aria-setsize") or 0)
    assert MOST_EVENTS <= listed <= MOST_EVENTS + BATCH
    await expect(page.get_by_text(re.compile("The newest 10,.* are listed"))).to_be_attached()

    await page.reload()
    await expect(console.rows.first).to_have_attribute("aria-setsize", str(BATCH))
    await page.get_by_role("button", name="Older events").click()
    await expect(console.rows.first).to_have_attribute("aria-setsize", str(2 * BATCH))
    await page.locator(".log-list").evaluate("(list) => (list.scrollTop = 0)")
    await console.shows(newest, newest - 1)


async def test_a_filter_that_the_api_refuses_is_told_in_words(console: Console) -> None:
    await console.open("/log?correlation=nobody")
    await expect(console.status).to_contain_text("The API refused:")
    await console.open(f"/log?correlation={uuid4()}")
    await expect(console.page.get_by_text("No event matches yet.")).to_be_visible()
    await console.open("/log/999999999")
    await expect(console.part("Event")).to_contain_text("There is no event at this position")
