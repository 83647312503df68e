"""A page of another site can make a browser send no operation, and the answers have headers that protect."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from commander.examples.bank import bank
from commander.resolvers.services import Services
from commander.schema.build import build_schema
from commander.schema.http.csrf import Forged, must_not_be_forged
from commander.schema.http.endpoint import HttpSettings
from tests.schema.transports import serving
from tests.system import NO_TLS

APP, EVIL, HOST = "https://app.example.org", "https://evil.example", "api.example.org"
ALLOWED = frozenset({APP})
QUERY = {"query": "{ __typename }"}


def passes(headers: Mapping[str, str], *, strict: bool = False, origins: frozenset[str] = ALLOWED) -> bool:
    try:
        must_not_be_forged({"host": HOST, **headers}, origins, strict=strict)
    except Forged:
        return False
    return True


@pytest.mark.parametrize(
    ("headers", "usual", "strict"),
    [
        ({}, True, False),  # no browser: curl, a server
        ({"sec-fetch-site": "same-origin"}, True, False),
        ({"sec-fetch-site": "none"}, True, False),
        ({"sec-fetch-site": "cross-site"}, False, False),
        ({"sec-fetch-site": "same-site"}, False, False),
        ({"sec-fetch-site": "cross-site", "origin": EVIL}, False, False),
        ({"sec-fetch-site": "cross-site", "origin": APP}, True, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://APP.example.org:443"}, True, False),
        ({"origin": EVIL}, False, False),
        ({"origin": "null"}, False, False),
        ({"origin": f"https://{HOST}"}, True, False),
        # a browser asks first for these, and gets no leave
        ({"sec-fetch-site": "cross-site", "content-type": "application/json"}, True, True),
        ({"sec-fetch-site": "cross-site", "apollo-require-preflight": "1"}, True, True),
        ({"sec-fetch-site": "cross-site", "x-apollo-operation-name": "Accounts"}, True, True),
        # and not for these
        ({"sec-fetch-site": "cross-site", "apollo-require-preflight": ""}, False, False),
        ({"sec-fetch-site": "cross-site", "content-type": "text/plain"}, False, False),
        ({"sec-fetch-site": "cross-site", "content-type": "Text/Plain; a=application/json"}, False, False),
        ({"sec-fetch-site": "cross-site", "content-type": "multipart/form-data; boundary=x"}, False, False),
        ({"sec-fetch-site": "cross-site", "content-type": "application/x-www-form-urlencoded"}, False, False),
        ({"sec-fetch-site": "cross-site", "content-type": ""}, False, False),
    ],
)
def test_who_may_send_an_operation_by_get(headers: dict[str, str], usual: bool, strict: bool) -> None:
    assert (passes(headers), passes(headers, strict=True)) == (usual, strict)


def test_all_origins_may_if_all_are_allowed() -> None:
    everyone = frozenset({"*"})
    assert passes({"sec-fetch-site": "cross-site", "origin": EVIL}, origins=everyone)
    assert not passes({"sec-fetch-site": "cross-site"}, origins=everyone), "no origin, so no CORS"


async def test_each_response_has_headers_that_protect(services: Services) -> None:
    settings = HttpSettings(origins=(APP,))
    schema = build_schema(bank)
    async with (
        serving(schema, lambda: services, settings) as port,
        httpx.AsyncClient(verify=NO_TLS, timeout=20, base_url=f"http://127.0.0.1:{port}") as http,
    ):
        query = await http.get("/graphql", params=QUERY)
        page = await http.get("/graphql", headers={"accept": "text/html", "sec-fetch-site": "cross-site"})
        stream = await http.get("/graphql", params=QUERY, headers={"accept": "text/event-stream"})
        others = [await http.post("/graphql", json=QUERY), await http.get("/nothing"), await http.get("/")]
        for response in (query, page, stream, *others):
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["x-frame-options"] == "DENY"
            assert response.headers["referrer-policy"] == "no-referrer"
            assert response.headers["cross-origin-resource-policy"] == "same-origin"
            assert "server" not in response.headers
        assert (query.status_code, query.headers["cache-control"]) == (200, "no-store")
        assert (page.status_code, page.headers["cross-origin-opener-policy"]) == (200, "same-origin")
        assert stream.headers["cache-control"] == "no-cache, no-transform"

        for accept in ("application/json", "text/event-stream", "text/html"):
            headers = {"accept": accept, "sec-fetch-site": "cross-site"}
            forged = await http.get("/graphql", params=QUERY, headers=headers)
            assert forged.status_code == 403
            [error] = forged.json()["errors"]
            assert error["extensions"]["code"] == "FORBIDDEN"
            assert "apollo-require-preflight" in error["message"]

        asked = {"origin": APP, "access-control-request-method": "POST"}
        preflight = await http.options("/graphql", headers=asked)
        assert preflight.headers["access-control-allow-origin"] == APP
        assert "access-control-allow-credentials" not in preflight.headers
        refused = await http.options("/graphql", headers={**asked, "origin": EVIL})
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers


async def test_each_operation_by_get_needs_the_header_if_it_is_set_so(services: Services) -> None:
    async with (
        serving(build_schema(bank), lambda: services, HttpSettings(requires_preflight=True)) as port,
        httpx.AsyncClient(verify=NO_TLS, timeout=20, base_url=f"http://127.0.0.1:{port}") as http,
    ):
        assert (await http.get("/graphql", params=QUERY)).status_code == 403
        headers = {"apollo-require-preflight": "true"}
        assert (await http.get("/graphql", params=QUERY, headers=headers)).status_code == 200
        assert (await http.post("/graphql", json=QUERY)).status_code == 200
        assert (await http.get("/graphql", headers={"accept": "text/html"})).status_code == 200
