"""The console in a real browser: what a command led to, as it grows, and a stream at any of its versions."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest_asyncio
from playwright.async_api import BrowserContext, expect

from tests.e2e.bank import apply, opened, submit
from tests.e2e.console import Console
from tests.e2e.graphiql import browsing
from tests.system import System


@pytest_asyncio.fixture
async def console(chromium: BrowserContext, system: System) -> AsyncIterator[Console]:
    async with browsing(chromium) as page:
        yield Console(page, system)


async def test_the_way_of_a_transfer_grows_until_it_has_settled(console: Console, system: System) -> None:
    page = console.page
    source, target, transfer = opened(system, balance="100.00"), opened(system), str(uuid4())
    nodes = page.locator(".node b")
    reactors = system.find("reactors")
    reactors.suspend()
    try:
        given = {"sourceId": source, "targetId": target, "amount": "30.00", "transferId": transfer}
        requested = submit(system, "requestTransfer", given)
        command = requested["commandId"]
        await console.open(f"/command/{command}")
        await expect(console.status).to_have_text("It is not settled yet. What follows appears here.")
        await expect(nodes).to_have_text(["RequestTransfer", "TransferRequested"])
    finally:
        reactors.resume()
    await expect(console.status).to_contain_text("It has settled")
    titles = await nodes.all_inner_texts()
    assert titles[:3] == ["RequestTransfer", "TransferRequested", "WithdrawForTransfer"]
    assert {"MoneyWithdrawn", "MoneyDeposited", "TransferCompleted"} <= set(titles)
    way = console.part("The way with times").locator("li")
    await expect(way.first).to_contain_text("submitted +0.0 ms")
    await expect(way.first).to_contain_text("shown by transfer")
    await expect(way.nth(1)).to_contain_text("sent by")
    await expect(console.part("Outcome")).to_contain_text("APPLIED")
    await console.looks_right("command")

    await page.locator(".node", has_text="WithdrawForTransfer").first.click()
    await expect(page.get_by_role("heading", name="WithdrawForTransfer", level=1)).to_be_visible()
    await page.get_by_role("link", name="Commands").click()
    await expect(console.part("Newest").get_by_role("link").first).to_be_visible()
    await console.looks_right("commands")
    await console.open(f"/command/{uuid4()}")
    await expect(console.status).to_contain_text("The API refused:")
    console.asked_only_its_own_origin()


async def test_a_stream_is_read_at_its_versions_and_takes_a_command_after_a_dry_run(
    console: Console, system: System
) -> None:
    page = console.page
    account = opened(system, balance="10.00")
    apply(system, "deposit", {"accountId": account, "amount": "5.00"})
    await console.open(f"/stream/account-{account}?version=2")
    changed = page.locator("tr[data-changed=true]")
    await expect(changed).to_contain_text("10.00")
    assert (await changed.inner_text()).split() == ["balance", "changed", "0.00", "10.00"]
    await page.locator(".time-line").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page).to_have_url(re.compile(r"version=3$"))
    await expect(changed).to_contain_text("15.00")

    await page.get_by_role("link", name="Streams").click()
    await page.get_by_label("Name of a stream").fill(f"account-{account}")
    await page.get_by_role("button", name="Show").click()
    await expect(console.status).to_have_text("Version 3 is the newest.")
    choice = page.get_by_role("combobox", name="Command")
    await expect(choice.locator("option")).to_have_count(5)  # none of the commands of transfers
    await choice.select_option("deposit")
    form = page.get_by_role("form", name="Send deposit")
    await expect(form.get_by_label("accountId")).to_have_value(account)
    told, button = form.get_by_role("status"), form.get_by_role("button")
    await form.get_by_label("amount").fill("-1")
    await button.click()
    await expect(told).to_contain_text("It is invalid: amount")
    await form.get_by_label("amount").fill("2.50")
    await expect(button).to_have_text("What would happen?")
    await button.click()
    await expect(told).to_have_text("It would be applied. The stream would have version 4.")
    await expect(form.get_by_label("Would be stored: MoneyDeposited")).to_contain_text("2.50")
    assert system.data("query ($id: UUID!) { account(accountId: $id) { balance } }", id=account)[
        "account"
    ] == {"balance": "15.00"}
    await console.looks_right("stream")
    await button.click()
    await expect(told).to_have_text("It was applied. The stream has version 4.")
    await expect(console.status).to_have_text("Version 4 is the newest.")
    await expect(changed).to_contain_text("17.50")
    await form.get_by_role("link", name="The way of the command").click()
    await expect(console.status).to_contain_text("It has settled")

    other = str(uuid4())
    await console.open(f"/stream/account-{other}")  # it has no events
    await choice.select_option("openAccount")
    form = page.get_by_role("form", name="Send openAccount")
    await form.get_by_label("owner").fill("Grace")
    await form.get_by_label("accountId").fill(other)
    for label in ("What would happen?", "Send"):
        await form.get_by_role("button", name=label).click()
    await expect(console.status).to_have_text("Version 1 is the newest.")
    await expect(changed.filter(has_text="owner")).to_contain_text("Grace")
    console.asked_only_its_own_origin()
