"""Where the console of an API process can work, by the settings of the process."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from commander.examples.bank import bank
from commander.parts.api import ApiPart
from commander.schema.http.console_page import DIST
from commander.settings import Settings
from tests.schema.test_graphiql_page import Page


async def console_of(**settings: Any) -> str:
    """The page at /console/log of an API process with these settings, before it has connected."""
    app = ApiPart(Settings(**settings), bank).app()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://commander"
    ) as client:
        page = await client.get("/console/log")
    assert page.status_code == 200
    return page.text


@pytest.mark.parametrize(
    ("settings", "setting"),
    [({"documents": "trusted"}, "COMMANDER_DOCUMENTS"), ({"federation": "subgraph"}, "COMMANDER_FEDERATION")],
)
async def test_an_api_that_refuses_the_documents_of_the_console_says_so_in_its_place(
    settings: dict[str, str], setting: str
) -> None:
    refused = await console_of(auth="none", **settings)
    assert setting in Page(refused).text_of("waiting")
    assert Page(refused).loaded() == []
    assert setting not in await console_of(auth="none")


@pytest.mark.skipif(not (DIST / "manifest.json").is_file(), reason="NOT RUN: the console is not built")
@pytest.mark.parametrize(("auth", "acting"), [("none", None), ("jwt", "token")])
async def test_the_console_signs_in_as_graphiql_does(auth: str, acting: str | None) -> None:
    page = await console_of(auth=auth, auth_secret="x" * 32)
    assert Page(page).config()["acting"] == acting
