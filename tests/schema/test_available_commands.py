"""The field availableCommands: by every field that shows a row, live too, over HTTP and WebSocket."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from websockets import ClientConnection, Subprotocol, connect

from commander.domain import Domain, Viewer
from commander.eventstore.projections.tables import Table
from commander.resolvers.current_states import current_states
from commander.resolvers.identity.authentication import Authentication
from commander.resolvers.identity.keys import GivenKey, secret_key
from commander.resolvers.identity.tokens import Demands, Tokens
from commander.resolvers.node_ids import row_id
from commander.resolvers.services import Services
from commander.schema.build import build_schema
from commander.schema.context import Context
from commander.schema.names import camel, capitalized
from commander.streaming.commands.stream_states import StreamState
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.projections.projectors import Projectors
from tests.domain.tickets import (
    AnswerTicket,
    CloseTicket,
    OpenTicket,
    TicketRow,
    tickets,
)
from tests.schema.built import schema_of
from tests.schema.transports import SOCKETS, serving
from tests.streaming.conftest import Bank, running
from tests.system import NO_TLS
from tests.tokens import SECRET, bearer, secret_token

ADA, EVE, AGENT = Viewer("ada"), Viewer("eve"), Viewer("amy", frozenset({"agent"}))
FIELD = "availableCommands { name allowed code reason }"


@pytest_asyncio.fixture
async def desk(servers: Bank, services: Services) -> AsyncIterator[Services]:
    """An API of the tickets, with a processor and projections that run."""
    tables = {name: Table(projection) for name, projection in tickets.projections.items()}
    progress = ProjectionProgress(services.nats, services.database, tables)
    await progress.start()
    made = replace(services, domain=tickets, tables=tables, progress=progress)
    projectors = Projectors(tickets, servers.database, servers.nats)
    async with running(servers.processor(tickets).run()), running(projectors.run()):
        yield made


async def sent(servers: Bank, *commands: Any) -> int:
    """Sends the commands one by one, and waits for their outcomes. Returns the position of the last event."""
    for command in commands:
        ended = await servers.outcome(await servers.submit(command, domain=tickets), timeout_seconds=30)
        assert ended.position is not None, ended
    return ended.position


async def asked(services: Services, viewer: Viewer | None, document: str, **variables: Any) -> Any:
    rights = None if viewer is None else tickets.rights(viewer)
    result: Any = await schema_of(tickets).execute(document, variables, Context(services, rights=rights))
    assert result.errors is None, result.errors
    return result.data


async def shown(services: Services, servers: Bank, *commands: Any) -> None:
    """Sends the commands, and returns when rows show their events."""
    document = "query ($at: Position!) { tickets(atLeast: $at, timeoutMs: 60000) { edges { cursor } } }"
    await asked(services, None, document, at=str(await sent(servers, *commands)))


def codes(row: Any) -> dict[str, str | None]:
    """The code of each command of a row. Also checks the other fields."""
    found = {}
    for one in row["availableCommands"]:
        assert one["allowed"] is (one["code"] is None) is (one["reason"] is None), one
        found[one["name"].removesuffix("Ticket")] = one["code"]
    return found


async def test_each_field_that_shows_a_row_tells_what_its_viewer_may_send(
    desk: Services, servers: Bank
) -> None:
    mine, other = uuid4(), uuid4()
    await shown(
        desk,
        servers,
        OpenTicket(mine, "ada"),
        OpenTicket(other, "eve"),
        AnswerTicket(mine, "so"),
        CloseTicket(mine),
    )
    document = f"""query ($id: UUID!, $node: ID!) {{
        one: ticket(ticketId: $id) {{ {FIELD} }}
        all: tickets {{ edges {{ node {{ ticketId {FIELD} }} }} }}
        node(id: $node) {{ ... on Ticket {{ {FIELD} }} }} }}"""
    id = row_id(tickets.projections["ticket"], TicketRow(mine, "ada"))
    given = {"id": str(mine), "node": id}
    closed = {
        "open": None,
        "answer": "FORBIDDEN",
        "close": "TICKET_CLOSED",
        "give": None,
        "rate": "TICKET_CLOSED",
    }

    found = await asked(desk, ADA, document, **given)
    assert codes(found["one"]) == codes(found["node"]) == closed | {"purge": "FORBIDDEN"}
    assert [codes(edge["node"]) for edge in found["all"]["edges"]] == [codes(found["one"])]

    found = await asked(desk, AGENT, document, **given)
    rows = {edge["node"]["ticketId"]: codes(edge["node"]) for edge in found["all"]["edges"]}
    assert rows[str(mine)]["answer"] == rows[str(mine)]["close"] == "TICKET_CLOSED"
    assert (rows[str(other)]["answer"], rows[str(other)]["close"]) == (None, "UNANSWERED")

    found = await asked(desk, None, document, **given)
    assert codes(found["one"])["purge"] is None, "with authentication off no rule is asked"
    assert codes(found["one"])["give"] == "TICKET_CLOSED", "guards hold"


async def test_the_states_of_a_list_are_read_together(
    desk: Services, servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [uuid4() for _ in range(5)]
    await shown(desk, servers, *(OpenTicket(key, "ada") for key in keys))
    read: list[int] = []

    async def counted(services: Services, streams: Collection[str]) -> Mapping[str, StreamState]:
        read.append(len(streams))
        return await current_states(services, streams)

    monkeypatch.setattr("commander.resolvers.affordances.current_states", counted)
    document = f"{{ tickets {{ edges {{ node {{ {FIELD} again: {FIELD} }} }} }} }}"
    found = await asked(desk, AGENT, document)
    assert [codes(edge["node"])["close"] for edge in found["tickets"]["edges"]] == ["UNANSWERED"] * 5
    assert read == [5]


async def test_the_row_that_a_command_has_changed_has_them(desk: Services) -> None:
    document = f"""mutation ($id: UUID!) {{ openTicket(input: {{ticketId: $id, owner: "ada"}},
        options: {{timeoutMs: 30000}}) {{ __typename ... on CommandApplied {{ ticket {{ {FIELD} }} }} }} }}"""
    found = (await asked(desk, ADA, document, id=str(uuid4())))["openTicket"]
    assert found["__typename"] == "CommandApplied", found
    assert codes(found["ticket"])["close"] == "UNANSWERED"


async def test_a_stream_that_cannot_be_read_leaves_the_row(desk: Services, servers: Bank) -> None:
    key = uuid4()
    await shown(desk, servers, OpenTicket(key, "ada"))
    document, variables = (
        f"query ($id: UUID!) {{ ticket(ticketId: $id) {{ owner {FIELD} }} }}",
        {"id": str(key)},
    )
    assert codes((await asked(desk, ADA, document, **variables))["ticket"])["close"] == "UNANSWERED"
    async with servers.database.connection() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")  # the log is append-only
        await connection.execute("update events set schema_version = 9 where stream = $1", f"ticket-{key}")
    result: Any = await schema_of(tickets).execute(
        document, variables, Context(desk, rights=tickets.rights(ADA))
    )
    assert result.data == {"ticket": {"owner": "ada", "availableCommands": None}}
    assert [error.extensions["code"] for error in result.errors] == ["UNREADABLE"]


def test_rows_of_the_past_do_not_have_them() -> None:
    sdl = schema_of(tickets).as_str()
    past = sdl.partition("type TicketAt")[2].partition("}")[0]
    assert "owner" in past
    assert "availableCommands" not in past


def test_a_column_of_the_name_is_the_only_field_of_the_name() -> None:
    made = Domain("made")

    @made.command
    @dataclass(frozen=True)
    class Make:
        key: str

    @made.event
    @dataclass(frozen=True)
    class Made:
        key: str

    @made.aggregate(key="key")
    @dataclass(frozen=True)
    class Thing:
        def make(self, command: Make) -> Made:
            return Made(command.key)

        def made(self, event: Made) -> "Thing":
            return self

    def row(column: str) -> str:
        @made.projection(f"thing_{column}", key="key")
        class Row:
            __annotations__ = {"key": str, column: int}

            @classmethod
            def made(cls, event: Made) -> "Row":
                return cls(event.key, 1)  # type: ignore[call-arg]

        return f"Thing{capitalized(camel(column))}"

    with_column, without = row("available_commands"), row("other")
    types: Any = build_schema(made)._schema.type_map
    assert str(types[with_column].fields["availableCommands"].type) == "Int!"
    assert str(types[without].fields["availableCommands"].type) == "[AvailableCommand!]"


LIVE = {
    "row": f"subscription ($id: UUID!) {{ ticket(ticketId: $id) {{ row {{ owner {FIELD} }} }} }}",
    "list": f"subscription {{ tickets {{ changes {{ row {{ owner {FIELD} }} }} }} }}",
}


class Watching:
    """A live row, or a live list of one row, on a WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    @classmethod
    @asynccontextmanager
    async def of(
        cls, port: int, protocol: str, token: str, document: str, id: UUID
    ) -> AsyncIterator["Watching"]:
        payload = {"query": document, "variables": {"id": str(id)} if "$id" in document else {}}
        begin = {"type": SOCKETS[protocol]["begin"], "id": "1", "payload": payload}
        url = f"ws://127.0.0.1:{port}/graphql"
        async with connect(url, subprotocols=[Subprotocol(protocol)], proxy=None) as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": bearer(token)}))
            await socket.send(json.dumps(begin))
            yield cls(socket)

    async def until(self, command: str, code: str | None) -> None:
        """Returns when the row says so of the command. A row is sent again only when it changes."""
        async with asyncio.timeout(60):
            while True:
                message = json.loads(await self._socket.recv())
                for row in rows_in(message.get("payload") or {}):
                    if codes(row)[command] == code:
                        return


def rows_in(payload: dict[str, Any]) -> list[Any]:
    assert "errors" not in payload, payload
    [item] = (payload.get("data") or {"": {}}).values()
    rows = [item.get("row"), *(change["row"] for change in item.get("changes", ()))]
    return [row for row in rows if row is not None]


@pytest_asyncio.fixture
async def port(desk: Services) -> AsyncIterator[int]:
    """Of an API that wants tokens."""
    tokens = Tokens(GivenKey(secret_key(SECRET)), Demands(frozenset(("HS256",))))
    signed = replace(desk, authentication=Authentication(tokens))
    async with serving(schema_of(tickets), lambda: signed) as port:
        yield port


async def posted(port: int, text: str, id: UUID, subject: str, *roles: str) -> Any:
    """The outcome of a mutation over HTTP."""
    document = f"""mutation ($id: UUID!) {{ {text} {{ __typename
        ... on CommandRejected {{ code message }} ... on CommandApplied {{ ticket {{ {FIELD} }} }} }} }}"""
    async with httpx.AsyncClient(timeout=60, verify=NO_TLS) as client:
        answer = await client.post(
            f"http://127.0.0.1:{port}/graphql",
            json={"query": document, "variables": {"id": str(id)}},
            headers=bearer(secret_token(subject, *roles)),
        )
    assert "errors" not in answer.json(), answer.json()
    [outcome] = answer.json()["data"].values()
    return outcome


async def test_what_is_told_over_http_is_what_sending_gives(port: int) -> None:
    id, options = uuid4(), "options: {timeoutMs: 30000}"
    opened = await posted(port, f'openTicket(input: {{ticketId: $id, owner: "ada"}}, {options})', id, "ada")
    told = {one["name"]: one for one in opened["ticket"]["availableCommands"]}

    close = f"closeTicket(input: {{ticketId: $id}}, {options})"
    refused = await posted(port, close, id, "ada")
    dry_run = close.replace("options: {", "options: {validateOnly: true, ")
    assert await posted(port, dry_run, id, "ada") == refused
    assert refused["__typename"] == "CommandRejected"
    assert (refused["code"], refused["message"]) == (
        told["closeTicket"]["code"],
        told["closeTicket"]["reason"],
    )

    answer = f'answerTicket(input: {{ticketId: $id, text: "so"}}, {options})'
    assert (await posted(port, answer, id, "ada"))["__typename"] == "CommandForbidden"
    assert told["answerTicket"]["code"] == "FORBIDDEN"

    answered = await posted(port, answer, id, "amy", "agent")
    told = {one["name"]: one for one in answered["ticket"]["availableCommands"]}
    assert told["closeTicket"]["allowed"] is True
    assert (await posted(port, close, id, "ada"))["__typename"] == "CommandApplied"


@pytest.mark.parametrize("protocol", SOCKETS)
async def test_live_rows_tell_it_again_with_each_change(port: int, servers: Bank, protocol: str) -> None:
    id, token = uuid4(), secret_token("ada")
    await sent(servers, OpenTicket(id, "ada"))
    async with AsyncExitStack() as stack:
        watching = [
            await stack.enter_async_context(Watching.of(port, protocol, token, document, id))
            for document in LIVE.values()
        ]
        for one in watching:
            await one.until("close", "UNANSWERED")
        await sent(servers, AnswerTicket(id, "so"))
        for one in watching:
            await one.until("close", None)
        await sent(servers, CloseTicket(id))
        for one in watching:
            await one.until("close", "TICKET_CLOSED")
