"""What GraphiQL shows of a subscription, in a real browser: the list, its limits, and breaks."""

from __future__ import annotations

import json
from typing import Any

import httpx
from playwright.async_api import expect

from tests.e2e.bank import apply, opened
from tests.e2e.graphiql import RESPONSE, Browsed
from tests.e2e.parts import Parts
from tests.system import NO_TLS, System

FEED = """subscription Own { events(filter: {streams: ["account-%s"]}, after: "0") {
  __typename position ... on MoneyDeposited { amount } } }"""
ROW = """subscription Row { account(accountId: "%s") { row { balance } } }"""
ALL = 'subscription All { events(after: "0") { __typename position } }'
MANY = """mutation ($commands: [AnyCommand!]!) { submit(commands: $commands, options: {timeoutMs: 30000}) {
  __typename } }"""


def deposit_many(system: System, account: str, batches: int) -> None:
    deposit = {"deposit": {"accountId": account, "amount": "1"}}
    for _ in range(batches):
        results = system.data(MANY, commands=[deposit] * 100)["submit"]
        assert {result["__typename"] for result in results} == {"CommandApplied"}


async def test_a_long_feed_keeps_its_newest_items_and_counts_those_it_dropped(
    system: System, browsed: Browsed
) -> None:
    account = opened(system)
    deposit_many(system, account, 6)
    await browsed.open(system.url)
    await browsed.subscribe(FEED % account)
    await expect(browsed.items.first).to_contain_text("CaughtUp")
    await expect(browsed.count).to_contain_text("602 items")
    await expect(browsed.count).to_contain_text("The newest 500 are listed, 102 older ones were dropped.")
    assert await browsed.items.count() == 500
    await expect(browsed.items.nth(499)).to_contain_text("103")

    await browsed.page.get_by_role("button", name="Clear", exact=True).click()
    await expect(browsed.items).to_have_count(0)
    apply(system, "deposit", {"accountId": account, "amount": "2.50"})
    await expect(browsed.items.first).to_contain_text("2.50")
    await expect(browsed.count).to_contain_text("1 item,")


async def test_a_paused_list_stands_still_and_what_came_meanwhile_is_shown_after_it(
    system: System, browsed: Browsed
) -> None:
    account = opened(system, balance="1.00")
    await browsed.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await browsed.open(system.url)
    await browsed.subscribe(ROW % account)
    await expect(browsed.items).to_have_count(1)
    await browsed.page.get_by_role("button", name="Pause", exact=True).click()
    apply(system, "deposit", {"accountId": account, "amount": "2.00"})
    await expect(browsed.count).to_contain_text("Paused: 1 more since.")
    await expect(browsed.items).to_have_count(1)
    await browsed.page.get_by_role("button", name="Resume", exact=True).click()
    await expect(browsed.items).to_have_count(2)
    await expect(browsed.items.first).to_contain_text("3.00")

    await browsed.page.get_by_role("button", name="Copy", exact=True).click()
    await expect(browsed.page.get_by_role("button", name="Copied")).to_be_visible()
    copied = json.loads(await browsed.page.evaluate("navigator.clipboard.readText()"))
    assert [item["data"]["account"]["row"]["balance"] for item in copied] == ["1.00", "3.00"]

    await browsed.page.get_by_role("button", name="Stop", exact=True).click()
    await expect(browsed.status).to_contain_text("Ended. Stopped.")
    apply(system, "deposit", {"accountId": account, "amount": "4.00"})
    await expect(browsed.items).to_have_count(2)


async def test_an_error_stands_in_the_list_with_its_words(system: System, browsed: Browsed) -> None:
    await browsed.open(system.url)
    await browsed.subscribe('subscription { events(after: "9000000000") { position } }')
    await expect(browsed.status).to_contain_text("Ended.")
    refused = system.query('{ account(accountId: "nobody") { owner } }')["errors"][0]["message"]
    await expect(browsed.page.locator(".commander-feed-error > p")).not_to_be_empty()
    await browsed.subscribe('subscription { account(accountId: "nobody") { row { owner } } }')
    await expect(browsed.page.locator(".commander-feed-error > p")).to_contain_text(refused[:20])


async def test_a_stream_that_is_one_too_many_says_so_and_begins_when_it_may(
    parts: Parts, browsed: Browsed
) -> None:
    [api] = parts.start("api", COMMANDER_MAX_STREAMS="1")
    await browsed.open(api.url)
    streamed = {"json": {"query": ALL}, "headers": {"accept": "text/event-stream"}}
    async with (
        httpx.AsyncClient(verify=NO_TLS, timeout=60) as http,
        http.stream("POST", api.url, **streamed) as stream,  # type: ignore[arg-type]
    ):
        texts = stream.aiter_text()  # kept: when it is gone, so is the stream
        assert "CaughtUp" in await anext(texts)
        await browsed.subscribe(ALL)
        await expect(browsed.status).to_contain_text("Reconnecting in")
        await expect(browsed.status).to_contain_text("you have 1 open subscriptions, which is the limit")
        await expect(browsed.items).to_have_count(0)
    await expect(browsed.items.first).to_contain_text("CaughtUp")


async def test_a_restart_of_the_api_is_told_in_words_and_nothing_is_missed_or_repeated(
    parts: Parts, browsed: Browsed
) -> None:
    api, *_ = parts.start("api", "processor", "relay", "projections")
    account = opened(api, balance="1.00")
    await browsed.open(api.url)
    await browsed.subscribe(ROW % account)
    await expect(browsed.items.first).to_contain_text("1.00")
    await browsed.subscribe(FEED % account)
    await expect(browsed.items.first).to_contain_text("CaughtUp")

    api.process.process.kill()
    api.process.process.wait()
    await expect(browsed.status).to_contain_text("Reconnecting in")
    await expect(browsed.status).to_contain_text("cannot be reached")
    await browsed.run("OpenAccount", "cannot be reached")
    [error] = json.loads(await browsed.text(RESPONSE))["errors"]
    assert "may have received it" in error["message"]

    api.process.__enter__()
    api.wait_ready()
    for amount in ("2.00", "3.00"):
        apply(api, "deposit", {"accountId": account, "amount": amount})
    await browsed.choose("Own")
    await expect(browsed.items.filter(has_text="3.00")).to_have_count(1)
    await expect(browsed.page.locator(".commander-feed-note")).to_contain_text("goes on behind the last item")
    listed: list[Any] = await browsed.listed()
    assert [item["amount"] for item in listed if "amount" in item] == ["1.00", "2.00", "3.00"]
    await browsed.choose("Row")
    await expect(browsed.items.filter(has_text="6.00")).to_have_count(1)
