"""The page of examples/bank-web in a real browser: rows are live, and a transfer is told to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, Page, Route, expect

from tests.e2e.bank import apply, balance_of, opened
from tests.e2e.bank_web import WEB, built, served
from tests.e2e.graphiql import Browsed, browsing
from tests.system import System

MOST_LINES = 100
OBSERVE = """(element) => {
  window.shown = [element.textContent];
  const note = () => window.shown.push(element.textContent);
  new MutationObserver(note).observe(element, { characterData: true, childList: true, subtree: true });
}"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
CONTRAST = """(element) => {
  const luminance = (colours) => {
    const canvas = document.createElement("canvas").getContext("2d");
    for (const colour of colours) {
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
    }
    const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data]
      .map((value) => value / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const own = (one) => getComputedStyle(one).backgroundColor;
  const behind = (one) => (one ? [...behind(one.parentElement), own(one)] : ["white"]);
  const both = [luminance([getComputedStyle(element).color]), luminance(behind(element))];
  const [light, dark] = both.sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}"""


class Customer:
    """The page of one owner, who has two accounts."""

    def __init__(self, page: Page, url: str, owner: str, accounts: list[str]) -> None:
        self.page = page
        self.url = f"{url}?owner={owner}"
        self.owner = owner
        self.source, self.target = accounts

    def balance(self, account: str) -> Locator:
        return self.page.locator("article", has_text=_name_of(account)).locator("strong")

    async def open(self) -> None:
        await self.page.goto(self.url)
        await expect(self.balance(self.source)).to_have_text("€100.00")

    async def transfer(self, amount: str) -> None:
        await self.page.locator("[name=sourceId]").select_option(self.source)
        await self.page.locator("[name=targetId]").select_option(self.target)
        await self.page.get_by_label("Amount").fill(amount)
        await self.page.get_by_role("button", name="Transfer").click()

    async def shows(self, source: str, target: str) -> None:
        await expect(self.balance(self.source)).to_have_text(source)
        await expect(self.balance(self.target)).to_have_text(target)

    async def says(self, text: str) -> None:
        await expect(self.page.get_by_role("status")).to_have_text(text)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browsed(chromium: BrowserContext) -> AsyncIterator[Browsed]:
    async with browsing(chromium) as page:
        yield page


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(system: System, browsed: Browsed) -> AsyncIterator[str]:
    await asyncio.to_thread(built)
    async with served(f"http://127.0.0.1:{system.port}") as page:
        yield page


@pytest.fixture
def customer(system: System, browsed: Browsed, url: str) -> Customer:
    owner = f"Ada {uuid4().hex[:8]}"
    accounts = [opened(system, owner=owner, balance=balance) for balance in ("100.00", "5.00")]
    return Customer(browsed.page, url, owner, accounts)


def _name_of(account: str) -> str:
    return f"Account {account[-4:]}"


async def test_accounts_are_live(system: System, customer: Customer, browsed: Browsed) -> None:
    browsed.complaints.clear()
    page = customer.page
    await customer.open()
    await customer.shows("€100.00", "€5.00")
    await expect(page.locator("header p")).to_have_text("€105.00")
    elsewhere = {"accountId": customer.source, "amount": "0.55"}
    await asyncio.to_thread(apply, system, "deposit", elsewhere)
    await customer.shows("€100.55", "€5.00")
    await page.locator("article", has_text=_name_of(customer.target)).get_by_role("button").click()
    await customer.shows("€100.55", "€105.00")
    await page.get_by_role("button", name="Open an account").click()
    await expect(page.locator("article")).to_have_count(3)
    await expect(page.locator("header p")).to_have_text("€205.55")
    assert browsed.complaints == []


async def test_a_transfer_shows_its_balances_at_once_and_then_how_it_ended(
    system: System, customer: Customer, browsed: Browsed
) -> None:
    browsed.complaints.clear()
    page, on_its_way, may_go = customer.page, asyncio.Event(), asyncio.Event()

    async def held(route: Route) -> None:
        if "requestTransfer(" in (route.request.post_data or ""):
            on_its_way.set()
            await may_go.wait()
        await route.continue_()

    await customer.open()
    await customer.balance(customer.source).evaluate(OBSERVE)
    await page.route("**/graphql", held)
    await customer.transfer("30.50")
    await on_its_way.wait()
    await customer.says("On its way…")
    await customer.shows("€69.50", "€35.50")
    await expect(page.locator("article.expected")).to_have_count(2)
    assert balance_of(system, customer.source) == "100.00", "it is shown before it is true"
    may_go.set()
    await customer.says("Done.")
    await expect(page.locator("article.expected")).to_have_count(0)
    await customer.shows("€69.50", "€35.50")
    assert await page.evaluate("() => window.shown") == ["€100.00", "€69.50"], "it does not go back and forth"
    await expect(page.locator("li")).to_contain_text("COMPLETED")
    assert balance_of(system, customer.source) == "69.50"

    await customer.transfer("500")
    await customer.says("Refused: the balance is 69.50, 500 was asked for.")
    await customer.shows("€69.50", "€35.50")
    await expect(page.locator("li").first).to_contain_text("REFUSED")
    await page.unroute("**/graphql")
    assert browsed.complaints == []


async def test_a_transfer_whose_answer_is_lost_goes_on_after_a_reload_and_is_made_once(
    system: System, customer: Customer
) -> None:
    page, stored = customer.page, asyncio.Event()

    async def lost(route: Route) -> None:
        if "requestTransfer(" not in (route.request.post_data or "") or stored.is_set():
            await route.continue_()
            return
        await route.fetch()
        stored.set()

    await customer.open()
    await page.route("**/graphql", lost)
    await customer.transfer("30.50")
    await stored.wait()
    await page.reload()
    await customer.says("Done.")
    await customer.shows("€69.50", "€35.50")
    await expect(page.locator("li")).to_have_count(1)
    assert await page.evaluate("() => sessionStorage.length") == 0
    await page.reload()
    await customer.shows("€69.50", "€35.50")
    await customer.says("")
    await page.unroute("**/graphql")


async def test_the_page_fits_a_phone_and_can_be_read_in_light_and_dark(customer: Customer) -> None:
    page = customer.page
    await customer.open()
    await customer.transfer("30.50")
    await customer.says("Done.")
    seen = set()
    for scheme in ("light", "dark"):
        for width in (390, 1280):
            await page.emulate_media(color_scheme=scheme)
            await page.set_viewport_size({"width": width, "height": 900})
            assert await page.evaluate(OVERFLOW) == 0, (scheme, width)
        seen.add(await page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor"))
        for text in await page.locator("h1, h2, p:not(:empty), strong, button:enabled, label, li *").all():
            assert await text.evaluate(CONTRAST) >= 4.5, (scheme, await text.inner_text())
    assert len(seen) == 2


def test_the_page_has_less_than_a_hundred_lines_of_its_own() -> None:
    own = [path.read_text("utf-8").splitlines() for path in (WEB / "src").glob("*.ts*")]
    assert sum(map(len, own)) < MOST_LINES
    assert max(len(line) for lines in own for line in lines) <= 120
