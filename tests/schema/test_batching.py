"""The loaders of an answer: each place has what it would have alone, and the answer has a largest size."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from strawberry.dataloader import DataLoader

from commander.domain.filters import EVERY_ROW, Condition, Operator, Order
from commander.domain.links import links_of
from commander.eventstore.log.command_history import CommandFilter
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.queries import RowPage
from commander.examples.bank import bank
from commander.examples.bank.transfers import TransferStatus
from commander.resolvers.affordances import Asked
from commander.resolvers.answer_size import AnswerSize, AnswerTooLarge
from commander.resolvers.links import Referring
from commander.resolvers.read_your_writes import Shown
from commander.resolvers.services import Limits, Services
from commander.resolvers.status import commands_page
from commander.resolvers.stream_events import StreamPage
from commander.resolvers.time_travel import AsOf, PastRow
from commander.schema.batching import Batching
from commander.schema.context import Context
from tests.resolvers.conftest import servers, services
from tests.schema.lineages import SCHEMA, asked, projecting, transferred
from tests.streaming.conftest import Bank, running

__all__ = ["servers", "services"]
UNBOUNDED = AnswerSize(1_000_000)


async def keys_of_all_loaders(servers: Bank, services: Services) -> dict[str, Sequence[Hashable]]:
    log = await servers.log()
    found = await commands_page(services, CommandFilter(), first=100)
    accounts = [UUID(event.stream[8:]) for event in log if event.type == "AccountOpened"]
    outgoing, incoming = links_of(bank.projections)
    referring = [Referring(link, key) for link in (outgoing, incoming) for key in (*accounts, uuid4())]
    status = outgoing.source.field("status")
    done, by_key = (
        Condition(status, Operator.EQ, TransferStatus.COMPLETED),
        Order((outgoing.source.key_field,)),
    )
    points = [AsOf(position=event.position) for event in log] + [
        AsOf(time=event.recorded_at) for event in log
    ]
    return {
        "events": found.items,
        "reactions": [(event.position, event.correlation_id) for event in log],
        "stream_events": [
            StreamPage(stream, after, before, size, forward)
            for stream in {event.stream for event in log}
            for after, before, size, forward in (
                (0, None, 1, True),
                (0, 3, 3, True),
                (1, None, 3, True),
                (0, None, 2, False),
                (1, None, 1, False),
            )
        ],
        "rows": [
            *(("account", account) for account in accounts),
            *(("transfer", UUID(event.stream[9:])) for event in log if event.type == "TransferRequested"),
            ("account", uuid4()),
        ],
        "pages_of_links": [
            (one, RowPage(where, order, limit))
            for one in referring
            for where in (EVERY_ROW, done)
            for order, limit in ((by_key, 2), (by_key.reversed, 1))
        ],
        "counts_of_links": [(one, where) for one in referring for where in (EVERY_ROW, done)],
        "past_rows": [PastRow("account", key, point) for key in (*accounts, uuid4()) for point in points],
        "reached": [
            Shown("account"),
            Shown("transfer", 1),
            Shown("account", 10_000),
            Shown("account", 1, -1),
        ],
        "available_commands": [
            *(Asked("account", account) for account in accounts),
            Asked("account", uuid4()),
        ],
        "commands": [*(one.command_id for one in found.items), uuid4()],
        "events_at": [*(event.position for event in log), 10_000],
    }


async def loaded(services: Services, name: str, keys: Sequence[Hashable]) -> list[Any]:
    """What a loader gives for these keys together; the text of an error in its place."""
    loader = getattr(Batching(services, UNBOUNDED), name)
    found = await asyncio.gather(*map(loader.load, keys), return_exceptions=True)
    return [str(one) if isinstance(one, Exception) else one for one in found]


async def test_what_a_loader_gives_for_a_key_depends_on_no_other_key(
    servers: Bank, services: Services
) -> None:
    await transferred(servers, 3)
    head = (await servers.log())[-1].position
    await ensure_tables(servers.database, services.tables.values())
    async with running(projecting(servers, services)):
        assert not await services.progress.reach(dict.fromkeys(services.tables, head), 20)
    keys = await keys_of_all_loaders(servers, services)
    loaders = {
        name for name, one in vars(Batching(services, UNBOUNDED)).items() if isinstance(one, DataLoader)
    }
    assert loaders == {*keys, "rows_by_unique_keys"}, "the bank has no unique keys: see test_unique_rows.py"
    for name, known in keys.items():
        await assert_the_same_alone_and_together(services, name, known)


async def assert_the_same_alone_and_together(
    services: Services, name: str, known: Sequence[Hashable]
) -> None:
    alone = {key: (await loaded(services, name, [key]))[0] for key in known}
    assert len({str(value) for value in alone.values()}) > 1
    chosen = random.Random(name)
    for _ in range(20):
        several = chosen.choices(known, k=chosen.randint(1, 3 * len(known)))
        together = await loaded(services, name, several)
        assert together == [alone[key] for key in several], name


async def test_a_command_that_an_answer_shows_twice_has_its_events_once_each(
    servers: Bank, services: Services
) -> None:
    await transferred(servers, 1)
    [transfer] = [event for event in await servers.log() if event.type == "TransferRequested"]
    aliases = """query ($id: UUID!) { a: command(commandId: $id) { events { position } }
      b: command(commandId: $id) { events { position } } }"""
    result = await SCHEMA.execute(aliases, {"id": str(transfer.command_id)}, Context(services))
    one = {"events": [{"position": str(transfer.position)}]}
    assert result.data == {"a": one, "b": one}
    nested = """{ events(first: 500) { edges { node { position reactions { command {
      commandId events { position reactions { command { commandId events { position } } } } } } } } } }"""
    for edge in (await asked(services, nested))["edges"]:
        for reaction in edge["node"]["reactions"]:
            positions = [event["position"] for event in reaction["command"]["events"]]
            assert len(positions) == len(set(positions))


async def items_of(services: Services, document: str, limit: int) -> Any:
    limited = replace(services, limits=Limits(max_answer_items=limit))
    return await SCHEMA.execute(document, None, Context(limited))


async def test_an_answer_has_a_largest_number_of_items(servers: Bank, services: Services) -> None:
    await transferred(servers, 2)
    count = len(await servers.log())
    page = "events(first: 500) { edges { cursor } }"
    assert (await items_of(services, f"{{ {page} }}", count)).errors is None
    twice = f"{{ {page} other: {page} }}"
    assert (await items_of(services, twice, 2 * count)).errors is None
    result = await items_of(services, twice, 2 * count - 1)
    [error] = result.errors
    assert (result.data, error.extensions) == (None, {"code": "ANSWER_TOO_LARGE", "limit": 2 * count - 1})
    assert error.message.startswith(f"the answer has more than {2 * count - 1} items in its lists; ask for")


async def test_a_level_that_alone_exceeds_the_limit_is_not_loaded_whole(
    servers: Bank, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await transferred(servers, 3)
    keys = await keys_of_all_loaders(servers, services)
    for name in ("events", "reactions"):
        with pytest.raises(AnswerTooLarge):
            await getattr(Batching(services, AnswerSize(2)), name).load_many(keys[name])
