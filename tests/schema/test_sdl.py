"""The schema as text is for those who may introspect."""

from __future__ import annotations

from dataclasses import replace

import httpx

from commander.examples.bank import bank
from commander.resolvers.services import Services
from commander.schema.build import build_schema
from commander.schema.context import Context
from commander.schema.execution.gate import FieldRefused
from commander.schema.execution.selections import SelectedField
from tests.schema.transports import serving
from tests.system import NO_TLS

NOBODY = {"x-actor": "nobody"}


def refuse_introspection(context: Context, field: SelectedField) -> None:
    if field.name == "__schema" and context.actor == "nobody":
        raise FieldRefused("FORBIDDEN", "the schema is not for you")


async def test_who_may_not_introspect_does_not_get_the_text(services: Services) -> None:
    named = replace(services, actor_header=next(iter(NOBODY)))
    async with (
        serving(build_schema(bank, [refuse_introspection]), lambda: named) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/graphql/", timeout=20, verify=NO_TLS) as client,
    ):
        answer = await client.get("schema.graphql", headers=NOBODY)
        assert answer.status_code == 403
        [error] = answer.json()["errors"]
        assert error["message"] == "the schema is not for you"
        assert error["extensions"] == {"code": "FORBIDDEN", "field": "Query.__schema"}
        assert "etag" not in answer.headers
        assert (await client.get("schema.graphql")).status_code == 200
