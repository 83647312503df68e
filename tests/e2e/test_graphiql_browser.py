"""GraphiQL as a newcomer meets it, in a real browser: the examples run as they stand, the feed is live."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.async_api import TimeoutError as PlaywrightTimeoutError
from playwright.async_api import expect

from commander.schema.http.graphiql_page import graphiql_page
from tests.e2e.bank import apply
from tests.e2e.graphiql import (
    HEADERS,
    OPERATION,
    POLLING_MS,
    SHOWS,
    TAB_STATE,
    VARIABLES,
    WAIT_SECONDS,
    Browsed,
)
from tests.system import System

COLUMNS = """() => {
  const editor = globalThis.__MONACO.editor.getEditors()
    .find((one) => one.getModel().uri.path.endsWith("operation.graphql"));
  const layout = editor.getLayoutInfo();
  return Math.floor((layout.contentWidth - layout.verticalScrollbarWidth) /
    editor.getOption(globalThis.__MONACO.editor.EditorOption.fontInfo).typicalHalfwidthCharacterWidth);
}"""
TOKEN = '{"authorization": "Bearer 4f1c"}'
STORED_IN_TABS = f"() => localStorage.getItem('{TAB_STATE}').includes('4f1c')"
# GraphiQL takes up what is typed after 100 ms and stores it after 1000. Its timer ends before this one,
# however busy the machine is.
TYPED = "() => new Promise((done) => setTimeout(done, 1200))"
STORED = "() => JSON.stringify(localStorage).includes('4f1c')"


async def test_a_newcomer_runs_each_example_and_sees_an_event_arrive_live(
    system: System, browsed: Browsed
) -> None:
    page = browsed.page
    await browsed.open(system.url)
    assert await page.locator("#waiting").count() == 0
    assert await page.title() == "Commander"
    tabs = ["OpenAccount", "Deposit", "Accounts", "Feed"]
    assert await page.get_by_role("tab").all_inner_texts() == tabs

    opened = (await browsed.run("OpenAccount", "CommandApplied"))["data"]["openAccount"]
    assert opened["events"][0]["type"] == "AccountOpened"
    deposited = (await browsed.run("Deposit", "CommandApplied"))["data"]["deposit"]
    assert (deposited["stream"], deposited["version"]) == (opened["stream"], 2)

    accounts = (await browsed.run("Accounts", "totalCount"))["data"]["accounts"]
    assert accounts["totalCount"] >= 1
    assert accounts["edges"][0]["node"]["owner"]

    await browsed.choose("Feed")
    await browsed.execute()
    await expect(browsed.items.first).to_contain_text("CaughtUp")
    await expect(page.get_by_role("link", name="Console")).to_have_attribute("href", "/console/log")
    listed = await browsed.listed()
    own = [item for item in listed if item.get("stream") == opened["stream"]]
    assert [item["__typename"] for item in own] == ["AccountOpened", "MoneyDeposited"]
    assert own[0]["owner"] == "Ada"

    again = (await browsed.run("Deposit", '"version": 3'))["data"]["deposit"]
    await browsed.choose("Feed")  # which has gone on
    await expect(browsed.items.first).to_contain_text(f'"position": "{again["events"][0]["position"]}"')
    applied = apply(system, "deposit", {"accountId": own[0]["accountId"], "amount": "1.00"})
    await expect(browsed.items.first).to_contain_text(f'"position": "{applied["position"]}"')
    later = await browsed.listed()  # the oldest may have given way
    assert later[:-2] == listed[-len(later[:-2]) :]
    assert [item["position"] for item in later[-2:]] == [
        again["events"][0]["position"],
        applied["position"],
    ]

    origins = (f"http://127.0.0.1:{system.port}/", "data:", "blob:")
    assert [url for url in browsed.requested if not url.startswith(origins)] == []
    assert browsed.complaints == []


async def test_a_second_command_names_the_row_made_last_unless_the_reader_wrote_another(
    system: System, browsed: Browsed
) -> None:
    async def account_of_the_deposit() -> str:
        await browsed.choose("Deposit")
        given: dict[str, str] = json.loads(await browsed.text(VARIABLES))["input"]
        return given["accountId"]

    await browsed.open(system.url)
    for _ in range(2):
        await browsed.choose("OpenAccount")
        await browsed.write("response.json", "")
        made = (await browsed.run("OpenAccount", "CommandApplied"))["data"]["openAccount"]["stream"]
        assert f"account-{await account_of_the_deposit()}" == made
    own = "7b1c2e0a-2b1f-4b62-9a0e-3f6f5a7d0c01"
    await browsed.write(VARIABLES, json.dumps({"input": {"accountId": own, "amount": "1"}}))
    await browsed.page.evaluate(TYPED)
    await browsed.run("OpenAccount", "CommandApplied")
    assert await account_of_the_deposit() == own


async def test_each_line_of_the_examples_fits_the_pane_of_a_small_laptop(
    system: System, browsed: Browsed
) -> None:
    await browsed.open(system.url)
    columns = await browsed.page.evaluate(COLUMNS)
    assert columns >= 48
    for tab in ("OpenAccount", "Deposit", "Accounts", "Feed"):
        await browsed.choose(tab)
        for line in (await browsed.text(OPERATION)).splitlines():
            assert len(line) <= columns, line


async def test_inputs_show_their_descriptions_and_constraints(system: System, browsed: Browsed) -> None:
    page = browsed.page
    await browsed.open(system.url)
    await browsed.choose("Deposit")
    named = page.locator(".graphiql-editor-tool .view-line", has_text="amount").locator("span span").nth(1)
    hover = page.locator(".monaco-hover", has_text="Greater than 0, at most 1000000000, whole cents.")
    async with asyncio.timeout(WAIT_SECONDS):
        while not await hover.is_visible():  # the worker that knows the schema starts late
            await page.mouse.move(0, 0)
            await named.hover()
            with suppress(PlaywrightTimeoutError):  # to move on earlier would close what is about to open
                await hover.wait_for(timeout=5000)
    await page.get_by_role("button", name="Show Documentation Explorer").click()
    explorer = page.locator(".graphiql-doc-explorer")
    await explorer.get_by_text("DepositInput", exact=True).last.click()
    await expect(explorer).to_contain_text("Put money into an account.")
    await expect(explorer).to_contain_text("Greater than 0, at most 1000000000, whole cents.")


async def test_headers_are_sent_and_kept_only_on_request(system: System, browsed: Browsed) -> None:
    page = browsed.page

    async def reloaded() -> str:
        await browsed.open(system.url)
        return await browsed.text(HEADERS)

    async def sent(tab: str) -> str | None:
        await browsed.choose(tab)
        await page.get_by_role("button", name="Headers").click()
        await browsed.write(HEADERS, TOKEN)
        async with page.expect_request(lambda request: request.method == "POST") as asked:
            await browsed.execute()
        return await (await asked.value).header_value("authorization")

    await browsed.open(system.url)
    assert [await sent("Feed"), await sent("Accounts")] == ["Bearer 4f1c"] * 2
    keep = page.get_by_role("checkbox", name="Keep headers")
    await expect(keep).not_to_be_checked()
    await expect(page.locator(".commander-keep-headers")).to_contain_text("gone when this page is loaded")
    await page.evaluate(TYPED)
    assert await reloaded() == ""
    assert not await page.evaluate(STORED)

    await page.get_by_role("button", name="Headers").click()
    await browsed.write(HEADERS, TOKEN)
    await page.evaluate(TYPED)  # stored before, it would be stored again without the headers
    await keep.check()
    await expect(page.locator(".commander-keep-headers")).to_contain_text("plain text")
    tabs = await page.get_by_role("tab").count()
    await page.wait_for_function(STORED_IN_TABS, polling=POLLING_MS)
    await browsed.open(system.url)
    await page.wait_for_function(
        SHOWS, arg=[HEADERS, TOKEN], polling=POLLING_MS
    )  # the headers may come after the operation
    assert await browsed.text(HEADERS) == TOKEN
    assert await page.get_by_role("tab").count() == tabs

    await page.get_by_role("button", name="Headers").click()
    await keep.uncheck()
    assert not await page.evaluate(STORED)
    assert await reloaded() == ""


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
