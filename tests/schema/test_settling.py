"""A mutation with `wait: SETTLED` says how all that it set going has ended. Mutations give changed rows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from commander.eventstore.database import Connection, Database
from commander.examples.bank.messages import OpenAccount
from commander.resolvers.lineage_watch import _Signals
from commander.resolvers.services import Services
from tests.resolvers.conftest import servers, services
from tests.schema.conftest import all_parts
from tests.schema.lineages import SCHEMA, accounts, asked, fed
from tests.schema.transports import CARRIES, client_of, first, serving
from tests.streaming.conftest import Bank, running

__all__ = ["all_parts", "servers", "services"]
SETTLED = """__typename stream ... on CommandApplied {
  settled { position truncated commands { type status } rejected { type code reactor } failed { type } }
  transfer { status reason amount } account { balance } }
  ... on CommandPending { stage position behind { projection } }"""
PATIENT = 20_000


def transfer(source: UUID, target: UUID, amount: int = 20, options: str = "wait: SETTLED") -> str:
    given = f'{{sourceId: "{source}", targetId: "{target}", amount: {amount}}}'
    return (
        f"mutation {{ requestTransfer(input: {given}, options: {{{options}, timeoutMs: {PATIENT}}}) "
        f"{{ {SETTLED} }} }}"
    )


@pytest_asyncio.fixture
async def bank_with_two(all_parts: Services, servers: Bank) -> tuple[Services, UUID, UUID]:
    source, target = uuid4(), uuid4()
    await accounts(servers, source, target)
    return all_parts, source, target


@pytest.mark.parametrize("transport", [one for one, kinds in CARRIES.items() if "mutation" in kinds])
async def test_a_mutation_waits_until_its_transfer_has_ended_and_shows_the_rows_of_then(
    bank_with_two: tuple[Services, UUID, UUID], transport: str
) -> None:
    services, source, target = bank_with_two
    async with serving(SCHEMA, lambda: services) as port, client_of(transport, port) as client:
        [answer] = await first(client, transfer(source, target))
    assert "errors" not in answer, answer
    found = answer["data"]["requestTransfer"]
    assert found["__typename"] == "CommandApplied"
    position = found["settled"].pop("position")
    assert found["settled"] == {
        "truncated": False,
        "rejected": [],
        "failed": [],
        "commands": [
            {"type": name, "status": "APPLIED"}
            for name in ("WithdrawForTransfer", "RecordWithdrawal", "DepositFromTransfer", "RecordDeposit")
        ],
    }
    assert found["transfer"] == {"status": "COMPLETED", "reason": None, "amount": "20"}
    assert found["account"] is None, "the command is decided on the stream of a transfer"
    head = await asked(services, "{ events(last: 1) { edges { node { type position } } } }")
    assert head == {"edges": [{"node": {"type": "TransferCompleted", "position": position}}]}
    row = await asked(services, f'{{ account(accountId: "{target}") {{ balance }} }}')
    assert row == {"balance": "70.00"}, "the projections show what followed, without atLeast"


async def test_a_transfer_that_is_refused_is_not_done(bank_with_two: tuple[Services, UUID, UUID]) -> None:
    services, source, target = bank_with_two
    found = await asked(services, transfer(source, target, amount=1000))
    assert found["settled"]["rejected"] == [
        {"type": "WithdrawForTransfer", "code": "INSUFFICIENT_FUNDS", "reactor": "transfers"}
    ]
    assert found["transfer"] == {"status": "REFUSED", "reason": "INSUFFICIENT_FUNDS", "amount": "1000"}


async def test_what_sets_nothing_going_is_settled_and_what_is_rejected_is_rejected(
    bank_with_two: tuple[Services, UUID, UUID],
) -> None:
    services, source, _ = bank_with_two
    for amount, expected in ((5, []), (5000, None)):
        document = f"""mutation {{ withdraw(input: {{accountId: "{source}", amount: {amount}}},
          options: {{wait: SETTLED}}) {{ __typename
          ... on CommandApplied {{ settled {{ commands {{ type }} }} }}
          ... on CommandRejected {{ withdrawCode depositCode code }} }} }}"""
        found = await asked(services, document)
        if expected is None:
            assert found == {
                "__typename": "CommandRejected",
                "withdrawCode": "INSUFFICIENT_FUNDS",
                "depositCode": None,
                "code": "INSUFFICIENT_FUNDS",
            }
        else:
            assert found == {"__typename": "CommandApplied", "settled": {"commands": []}}


async def test_a_mutation_that_does_not_wait_for_it_says_nothing_of_what_follows(
    bank_with_two: tuple[Services, UUID, UUID],
) -> None:
    services, source, target = bank_with_two
    found = await asked(services, transfer(source, target, options="wait: APPLIED"))
    assert (found["__typename"], found["settled"]) == ("CommandApplied", None)


async def test_the_same_mutation_again_waits_again(bank_with_two: tuple[Services, UUID, UUID]) -> None:
    services, source, target = bank_with_two
    options = f'wait: APPLIED, commandId: "{uuid4()}"'
    first_one = await asked(services, transfer(source, target, options=options))
    again = await asked(services, transfer(source, target, options=options.replace("APPLIED", "SETTLED")))
    assert first_one["stream"] == again["stream"]
    assert (again["transfer"]["status"], len(again["settled"]["commands"])) == ("COMPLETED", 4)


async def test_without_reactors_it_is_pending_and_its_mutation_holds_no_connection_while_it_waits(
    servers: Bank, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = uuid4(), uuid4()
    async with fed(servers, services), running(servers.processor().run()):
        await accounts(servers, source, target)
        began = time.monotonic()
        document = transfer(source, target).replace(f"timeoutMs: {PATIENT}", "timeoutMs: 900")
        held = Held(servers.database, monkeypatch)
        found = await asked(services, document)
    assert held.waits > 0
    assert 0.9 <= time.monotonic() - began < 10
    assert (found["__typename"], found["stage"], found["behind"]) == ("CommandPending", "REACTIONS", [])
    assert int(found["position"]) > 0


class Held:
    """Which tasks hold a connection of the pool. waits: how often one without any waited for a signal."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits = 0
        self._holders: list[asyncio.Task[Any] | None] = []
        self._take, self._next = database.connection, _Signals.next
        held = self

        async def next_signal(signals: _Signals, at: float | None) -> bool:
            assert asyncio.current_task() not in held._holders
            held.waits += 1
            return await held._next(signals, at)

        monkeypatch.setattr(database, "connection", self._counted)
        monkeypatch.setattr(_Signals, "next", next_signal)

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[Connection]:
        async with self._take() as connection:
            task = asyncio.current_task()
            self._holders.append(task)
            try:
                yield connection
            finally:
                self._holders.remove(task)


async def changed(services: Services, account: UUID, more: str = "", *, options: str = "") -> Any:
    document = f"""mutation {{ deposit(input: {{accountId: "{account}", amount: "1.50"}}{options}) {{
      __typename ... on CommandApplied {{ row: account {{ owner balance }} transfer {{ status }} {more} }}
      ... on CommandPending {{ stage behind {{ projection code }} }} }} }}"""
    return await asked(services, document)


async def test_a_mutation_gives_the_row_that_it_changed_without_any_option(
    bank_with_two: tuple[Services, UUID, UUID],
) -> None:
    services, account, other = bank_with_two
    for balance in ("51.50", "53.00", "54.50"):
        found = await changed(services, account)
        assert found == {
            "__typename": "CommandApplied",
            "row": {"owner": "Ada", "balance": balance},
            "transfer": None,
        }
    given = ", ".join(f'{{deposit: {{accountId: "{one}", amount: 1}}}}' for one in (account, other))
    fragment = "fragment A on CommandApplied { account { balance } }"
    many = await asked(services, f"mutation {{ submit(commands: [{given}]) {{ ...A }} }} {fragment}")
    assert many == [{"account": {"balance": "55.50"}}, {"account": {"balance": "51.00"}}]


async def test_a_row_that_is_late_makes_the_mutation_pending_in_the_time_it_was_given(
    servers: Bank, services: Services
) -> None:
    account = uuid4()
    async with running(servers.processor().run()):
        await servers.outcome(await servers.submit(OpenAccount("Ada", account)))
        found = await changed(services, account, options=", options: {timeoutMs: 300}")
    assert found == {
        "__typename": "CommandPending",
        "stage": "PROJECTION",
        "behind": [{"projection": "account", "code": "PROJECTION_BEHIND"}],
    }


async def test_a_mutation_that_only_has_to_be_accepted_does_not_wait_for_rows(
    servers: Bank, services: Services
) -> None:
    found = await changed(services, uuid4(), options=", options: {wait: ACCEPTED}")
    assert found == {"__typename": "CommandAccepted"}
