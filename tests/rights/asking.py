"""Asking every root field of the branch, by each transport, as each viewer."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, NamedTuple

from tests.rights.story import OPERATOR, Branch, Exported
from tests.schema.transports import CARRIES, Answer, Client, Http, client_of

TRANSPORTS = {"get": ("query",), **CARRIES}
"""Each transport, and the types of operations that it carries. `http` is POST."""


class Ask(NamedTuple):
    """One operation: a root field with these arguments."""

    operation: str
    field: str
    given: dict[str, Any]
    document: str


class Asks:
    """What the table is asked: each root field, with values of the arguments that it needs."""

    def __init__(self, branch: Branch, exported: Exported) -> None:
        self._branch = branch
        self._truth: dict[str, Any] = {}
        first = {event["type"]: position for position, event in reversed([*exported.events.items()])}
        ids = branch.asked(OPERATOR, _IDS)["data"]
        every = [edge["node"]["id"] for connection in ids.values() for edge in connection["edges"]]
        self._given: dict[str, list[Any]] = {
            "accountId": [branch.accounts["ada"], branch.accounts["bob"]],
            "transferId": branch.transfers[:2],
            "complaintId": [branch.complaints[name] for name in ("ada", "public", "handed over")],
            "text": ["slow", "slower", "wrong"],
            "commandId": [branch.commands[name] for name in _COMMANDS],
            "position": [first[type_] for type_ in _EVENTS],
            "asOf": [{"position": max(exported.events, key=int)}, {"position": first["Published"]}],
            "id": [connection["edges"][0]["node"]["id"] for connection in ids.values()],
            "ids": [every],
            "after": ["0"],
            "first": [100],
        }

    def of(self, operation: str, *, every: bool) -> Iterator[Ask]:
        """every: with each of the values, not only with the first ones."""
        documents = self._branch.documents
        for name in documents.roots(operation):
            needed = documents.required(operation, name)
            needed += _MORE.get((operation, name), [])
            document = documents.document(operation, name, needed)
            given = [self._given[argument][: None if every else 1] for argument in needed]
            for values in itertools.product(*given):
                yield Ask(operation, name, dict(zip(needed, values, strict=True)), document)

    async def truth(self, operator: Client, ask: Ask) -> Any:
        """What operators get. It is asked once."""
        key = repr(ask)
        if key not in self._truth:
            value, code = await answered(operator, ask)
            assert code is None, f"{OPERATOR} gets {code} from {ask}"
            self._truth[key] = value
        return self._truth[key]


_MORE = {
    ("subscription", "events"): ["after"],
    ("query", "events"): ["first"],
    ("query", "commands"): ["first"],
}
"""Arguments that a field is given though it does not need them: all the past, and all on one page."""
_COMMANDS = (
    "ada requestTransfer",
    "tom deposit",
    "ada deposit",
    "bob withdraw",
    "complain: jammed",
)
_EVENTS = ("AccountOpened", "MoneyDeposited", "TransferRequested", "Complained", "Published", "Archived")
_KINDS = ("accounts", "transfers", "complaints", "dossiers", "commands", "events(first: 40)")
_IDS = "{ " + " ".join(f"{kind} {{ edges {{ node {{ id }} }} }}" for kind in _KINDS) + " }"
"""The ids of all things."""


class Get(Http):
    """One answer as JSON, to a request by GET."""

    async def answers(self, document: str, **variables: Any) -> AsyncGenerator[Answer, None]:
        params = {"query": document, "variables": json.dumps(variables)}
        yield (await self.client.get(self.url, params=params)).json()


@asynccontextmanager
async def client(branch: Branch, transport: str, viewer: str) -> AsyncIterator[Client]:
    headers = branch.headers[viewer]
    if transport != "get":
        async with client_of(transport, branch.system.port, headers) as made:
            yield made
        return
    got = Get(branch.system.port, headers)
    try:
        yield got
    finally:
        await got.close()


async def answered(client: Client, ask: Ask) -> tuple[Any, str | None]:
    """The value of the root field, and the code of the error.

    Of a subscription: its first item; of the feed, what has happened until now.
    """
    found: list[Any] = []
    async with aclosing(client.answers(ask.document, **ask.given)) as answers:
        async for answer in answers:
            errors = answer.get("errors")
            value: Any = (answer.get("data") or {}).get(ask.field)
            if errors:
                assert value is None, answer
                return None, errors[0]["extensions"]["code"]
            if (ask.operation, ask.field) != ("subscription", "events"):
                return value, None
            if value["__typename"] == "CaughtUp":
                return [*found, value], None
            if value["__typename"] not in ("Heartbeat", "StandsStill"):
                found.append(value)
    raise AssertionError(f"{ask.field} ended without an answer")
