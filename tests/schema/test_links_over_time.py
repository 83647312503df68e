"""Links of rows that wait for a position, that a command has changed, that are followed, and of the past."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from commander.eventstore.database import Database
from commander.eventstore.projections.folding import ensure_tables
from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit, OpenAccount, RequestTransfer, Withdraw
from commander.resolvers.services import Services
from commander.schema.context import Context
from commander.streaming.projections.projecting import Projector
from tests.schema.test_projections import SCHEMA, data, executed, statements
from tests.streaming.conftest import Bank, running

SOURCE = "{ transferId amount status source { owner balance } target { owner balance } }"


async def opened(servers: Bank, owner: str, amount: int = 0) -> UUID:
    account = uuid4()
    await servers.submit(OpenAccount(owner, account))
    if amount:
        await servers.outcome(await servers.submit(Deposit(account, Decimal(amount))))
    return account


async def ended(servers: Bank, services: Services, type_: str = "TransferCompleted", count: int = 1) -> int:
    """Returns the head when so many transfers have ended and all rows show it."""
    async with asyncio.timeout(20):
        while sum(event.type == type_ for event in await servers.log()) < count:
            await asyncio.sleep(0.02)
        log = await servers.log()
        while any(services.progress.position_of(name) < log[-1].position for name in services.tables):
            await asyncio.sleep(0.02)
    return log[-1].position


async def moved(servers: Bank, services: Services, *amounts: int) -> tuple[UUID, UUID, list[UUID]]:
    """alice has paid these amounts to bob, one after another; she had 100."""
    source, target = await opened(servers, "alice", 100), await opened(servers, "bob")
    transfers = []
    for n, amount in enumerate(amounts, 1):
        transfers.append(uuid4())
        await servers.submit(RequestTransfer(source, target, Decimal(amount), transfers[-1]))
        await ended(servers, services, count=n)
    return source, target, transfers


async def test_a_link_shows_the_position_that_its_query_waits_for(servers: Bank, services: Services) -> None:
    await ensure_tables(services.database, services.tables.values())
    async with running(servers.processor().run()):
        source, target = await opened(servers, "alice", 10), await opened(servers, "bob")
        asked = RequestTransfer(source, target, Decimal(5), uuid4())
        head = (await servers.outcome(await servers.submit(asked))).position
    document = """query ($id: UUID!, $p: Position) {
      waiting: transfer(transferId: $id, atLeast: $p, timeoutMs: 300) { source { owner } }
      other: transfer(transferId: $id) { source { owner } } }"""
    lists = """query ($p: Position, $t: Int! = 0) { transfers(atLeast: $p, timeoutMs: $t,
      where: {source: {owner: {eq: "alice"}}}) { edges { node { source { owner } } } } }"""
    database, nats, tables = services.database, services.nats, services.tables
    async with running(Projector(bank, database, nats, tables["transfer"]).run()):
        assert not await services.progress.reach({"transfer": head}, 20)
        result = await executed(services, document, id=str(asked.transfer_id), p=str(head))
        assert result.data == {"waiting": {"source": None}, "other": {"source": None}}
        [error] = result.errors
        assert (error.path, error.extensions["code"]) == (["waiting", "source"], "PROJECTION_BEHIND")
        assert (error.extensions["projection"], error.extensions["wanted"]) == ("account", str(head))
        assert result.extensions["projections"]["account"]["position"] == "0"
        [error] = (await executed(services, lists, p=str(head))).errors
        assert error.extensions["projection"] == "account"
        result = await executed(services, lists, p=str(head), t=-1)
        assert result.errors[0].extensions == {"code": "BAD_REQUEST", "argument": "timeoutMs"}
        waiting = asyncio.create_task(data(services, lists, p=str(head), t=20_000))
        async with running(Projector(bank, database, nats, tables["account"]).run()):
            [edge] = (await waiting)["transfers"]["edges"]
    assert edge["node"] == {"source": {"owner": "alice"}}


async def test_a_list_that_cannot_be_read_leaves_its_row_as_it_is(servers: Bank, services: Services) -> None:
    await ensure_tables(services.database, services.tables.values())
    async with running(servers.processor().run()):
        account = await opened(servers, "alice", 10)
    document = """query ($p: Position) { accounts(atLeast: $p, timeoutMs: 200) { edges { node { owner
      outgoing { totalCount } } } } }"""
    table = services.tables["account"]
    async with running(Projector(bank, services.database, services.nats, table).run()):
        assert not await services.progress.reach({"account": 2}, 20)
        result = await executed(services, document, p="2")
    assert result.data == {"accounts": {"edges": [{"node": {"owner": "alice", "outgoing": None}}]}}
    [error] = result.errors
    assert error.path == ["accounts", "edges", 0, "node", "outgoing"]
    assert (error.extensions["code"], error.extensions["projection"]) == ("PROJECTION_BEHIND", "transfer")
    assert account.version == 4


async def test_links_of_a_changed_row_show_the_events_of_its_command(
    servers: Bank, all_parts: Services
) -> None:
    source, target = await opened(servers, "alice", 10), await opened(servers, "bob")
    document = f"""mutation ($input: RequestTransferInput!) {{
      requestTransfer(input: $input, options: {{wait: SETTLED, timeoutMs: 20000}}) {{
        __typename ... on CommandApplied {{ transfer {SOURCE} }} }} }}"""
    given = {"sourceId": str(source), "targetId": str(target), "amount": "5"}
    found = (await data(all_parts, document, input=given))["requestTransfer"]
    assert found["transfer"]["source"] == {"owner": "alice", "balance": "5.00"}
    assert found["transfer"]["target"] == {"owner": "bob", "balance": "5.00"}
    deposit = """mutation ($input: DepositInput!) { deposit(input: $input, options: {wait: PROJECTED}) {
      ... on CommandApplied { account { balance
        outgoing { totalCount edges { node { amount source { balance } } } } } } } }"""
    paid = (await data(all_parts, deposit, input={"accountId": str(source), "amount": "1"}))["deposit"][
        "account"
    ]
    assert paid == {
        "balance": "6.00",
        "outgoing": {"totalCount": 1, "edges": [{"node": {"amount": "5", "source": {"balance": "6.00"}}}]},
    }


SELECTED = [
    "transfer { source { balance } }",
    "position transfer { ...T } } ... on CommandRejected { code",
    "again: transfer { at: source { owner in: incoming(first: 1) { totalCount } } source { balance } }",
    'transfer { target { outgoing(where: {source: {owner: {eq: "alice"}}}) { edges { cursor } } } }',
    "account { owner }",
    "transfer @include(if: $on) { source { id outgoing(last: 1, orderBy: []) { edges { node { id } } } } }",
    'transfer { source { outgoing(after: "x") { totalCount } } }',
    "transfer { source { outgoing(first: 501) { totalCount } } }",
    "version stream type",
]


def requesting(selected: str) -> str:
    """A mutation that selects this of CommandApplied."""
    variables = "$input: RequestTransferInput!, $options: CommandOptions"
    variables += ", $on: Boolean! = true" if "$on)" in selected else ""
    fragment = (
        "fragment T on Transfer { source { owner } target { accountId } }" if "...T" in selected else ""
    )
    outcome = f"__typename ... on CommandApplied {{ {selected} }}"
    return (
        f"mutation ({variables}) {{ requestTransfer(input: $input, options: $options) {{ {outcome} }} }} "
        f"{fragment}"
    )


async def test_a_mutation_that_selects_links_answers_as_graphql_core_does(
    servers: Bank, all_parts: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target, [transfer] = await moved(servers, all_parts, 30)
    given = {"sourceId": str(source), "targetId": str(target), "amount": "5", "transferId": str(uuid4())}
    options = {"wait": "SETTLED", "timeoutMs": 20_000, "commandId": str(uuid4())}
    assert transfer != UUID(given["transferId"])
    for selected in SELECTED:
        document = requesting(selected)
        answers = []
        for planned in (True, False):
            with monkeypatch.context() as patched:
                if not planned:
                    patched.setattr(SCHEMA, "_mutating", None)
                answered = await executed(all_parts, document, input=given, options=options)
            answers.append((answered.data, [error.formatted for error in answered.errors or ()]))
        assert answers[0] == answers[1]
        assert answers[0][0]["requestTransfer"]["__typename"] == "CommandApplied", answers[0]
        assert bool(answers[0][1]) is ('"x"' in selected or "501" in selected), answers[0]


async def live(services: Services, document: str, **variables: Any) -> AsyncGenerator[Any, None]:
    async with aclosing(await SCHEMA.stream(document, variables, Context(services))) as answers:
        async for answer in answers:
            yield answer


async def test_a_live_row_has_links_that_show_the_position_of_its_item(
    servers: Bank, all_parts: Services
) -> None:
    source, target = await opened(servers, "alice", 10), await opened(servers, "bob")
    await ended(servers, all_parts, "MoneyDeposited")
    document = f"""subscription ($where: TransferWhere) {{
      transfers(where: $where) {{ position changes {{ row {SOURCE} }} }} }}"""
    where = {"status": {"in": ["COMPLETED", "REQUESTED", "WITHDRAWN"]}}
    account = "subscription ($id: UUID!) { account(accountId: $id) { row { outgoing { totalCount } } } }"
    async with (
        asyncio.timeout(20),
        aclosing(live(all_parts, document, where=where)) as items,
        aclosing(live(all_parts, account, id=str(source))) as rows,
    ):
        assert (await anext(items)).errors is None
        assert decoded(await anext(rows)) == {"account": {"row": {"outgoing": {"totalCount": 0}}}}
        await servers.submit(RequestTransfer(source, target, Decimal(4), uuid4()))
        status = None
        while status != "COMPLETED":
            answer = await anext(items)
            assert answer.errors is None
            item = decoded(answer)["transfers"]
            for change in item["changes"]:
                status, owner = change["row"]["status"], change["row"]["source"]["owner"]
                assert owner == "alice"
                if status in ("WITHDRAWN", "COMPLETED"):
                    assert Decimal(change["row"]["source"]["balance"]) == 6
                if status == "COMPLETED":
                    assert Decimal(change["row"]["target"]["balance"]) == 4
        then = decoded(await anext(rows))  # at the position of the transfer or later
        assert then == {"account": {"row": {"outgoing": {"totalCount": 1}}}}


def decoded(answer: Any) -> Any:
    return msgspec.json.decode(answer.data)


LIST = """subscription ($where: TransferWhere, $p: Position, $t: Int! = 20000) {
  transfers(where: $where, atLeast: $p, timeoutMs: $t) {
    position snapshot changes { kind transferId row { source { balance } } } } }"""


async def test_a_row_enters_and_leaves_a_live_list_when_the_row_changes_that_its_link_leads_to(
    servers: Bank, all_parts: Services
) -> None:
    source, _, [transfer] = await moved(servers, all_parts, 30)
    head = (await servers.log())[-1].position
    where = {"source": {"owner": {"eq": "alice"}, "balance": {"gt": "50"}}}

    async with asyncio.timeout(60), aclosing(live(all_parts, LIST, where=where, p=str(head))) as items:

        async def changes_at(position: int) -> list[tuple[str, str, str | None]]:
            """What has changed when the list shows this position."""
            found = []
            while True:
                answer = await anext(items)
                assert answer.errors is None
                item = decoded(answer)["transfers"]
                for change in item["changes"]:
                    row = change["row"] and change["row"]["source"]["balance"]
                    found.append((change["kind"], change["transferId"], row))
                if int(item["position"]) >= position:
                    return found

        assert await changes_at(head) == [("ENTERED", str(transfer), "70.00")]
        for command, told in (
            (Withdraw(source, Decimal(40)), [("LEFT", str(transfer), None)]),
            (Deposit(source, Decimal(60)), [("ENTERED", str(transfer), "90.00")]),
            (Deposit(source, Decimal(1)), []),
        ):
            ended = await servers.outcome(await servers.submit(command))
            assert await changes_at(ended.position) == told


async def test_a_live_list_waits_for_the_position_of_the_rows_that_its_filter_leads_to(
    servers: Bank, services: Services
) -> None:
    await ensure_tables(services.database, services.tables.values())
    async with running(servers.processor().run()):
        await opened(servers, "alice", 10)
    where = {"or": [{"target": {}}, {"source": {"owner": {"eq": "alice"}}}]}
    table = services.tables["transfer"]
    async with running(Projector(bank, services.database, services.nats, table).run()):
        assert not await services.progress.reach({"transfer": 2}, 20)
        [answer] = [answer async for answer in live(services, LIST, where=where, p="2", t=200)]
    [error] = answer.errors
    assert (error.extensions["code"], error.extensions["projection"]) == ("PROJECTION_BEHIND", "account")


PAST = """query ($id: UUID!, $asOf: AsOf!) {
  transferAt(transferId: $id, asOf: $asOf) { version status
    source { __typename owner balance version } target { balance } } }"""
HISTORY = """query ($id: UUID!) { transferHistory(transferId: $id) { edges { node { version
  row { status source { balance } target { balance } } } } } }"""


async def test_a_link_of_a_past_row_leads_to_the_row_as_it_was_then(
    servers: Bank, all_parts: Services, database_url: str
) -> None:
    _, _, [first, second] = await moved(servers, all_parts, 30, 20)
    log = await servers.log()
    own = {event.type: event for event in log if event.stream == f"transfer-{first}"}
    requested, completed = own["TransferRequested"], own["TransferCompleted"]

    async def past(**as_of: Any) -> Any:
        return (await data(all_parts, PAST, id=str(first), asOf=as_of))["transferAt"]

    for point in (
        {"position": str(requested.position)},
        {"version": 1},
        {"time": requested.recorded_at.isoformat()},
    ):
        found = await past(**point)
        assert found["source"] == {
            "__typename": "AccountAt",
            "owner": "alice",
            "balance": "100.00",
            "version": 2,
        }
        assert (found["version"], found["target"]) == (1, {"balance": "0.00"})
    found = await past(version=completed.version)
    assert (found["status"], found["source"]["balance"], found["target"]) == (
        "COMPLETED",
        "70.00",
        {"balance": "30.00"},
    )
    head = await past(position=str(log[-1].position))
    assert (head["version"], head["source"]["balance"], head["target"]) == (3, "50.00", {"balance": "50.00"})

    one = replace(all_parts, database=Database(database_url, max_connections=1))
    await data(one, HISTORY, id=str(second))
    async with statements(one) as asked:
        edges = (await data(one, HISTORY, id=str(second)))["transferHistory"]["edges"]
    rows = [edge["node"]["row"] for edge in edges]
    assert [row["source"]["balance"] for row in rows] == ["70.00", "50.00", "50.00"]
    assert [row["target"]["balance"] for row in rows] == ["30.00", "30.00", "50.00"]
    streams = [sql for sql in asked if "schema_version" in sql]
    assert len(streams) == 3, "the transfer's, and each linked one once"
    await one.database.close()


async def test_a_past_row_leads_to_nothing_where_there_was_nothing(
    servers: Bank, all_parts: Services
) -> None:
    source = await opened(servers, "alice", 10)
    missing, transfer = uuid4(), uuid4()
    await servers.submit(RequestTransfer(source, missing, Decimal(5), transfer))
    await ended(servers, all_parts, "TransferReturned")
    found = (await data(all_parts, PAST, id=str(transfer), asOf={"version": 1}))["transferAt"]
    assert (found["source"]["balance"], found["target"]) == ("10.00", None)
    now = (await data(all_parts, "{ transfers { edges { node { source { owner } target { owner } } } } }"))[
        "transfers"
    ]
    assert now["edges"] == [{"node": {"source": {"owner": "alice"}, "target": None}}]
