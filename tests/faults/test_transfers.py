"""A thousand transfers at once while the parts that carry them are killed: the money stays to the cent."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

from tests.faults.customers import Client
from tests.faults.part_process import PartProcess
from tests.faults.waiting import until
from tests.system import System

ACCOUNTS = 20
TRANSFERS = 1000
AT_ONCE = 100
BROUGHT = Decimal("100.00")

_SUBMIT = """mutation ($commands: [AnyCommand!]!, $options: SubmitOptions) {
  submit(commands: $commands, options: $options) { __typename } }"""
_BALANCE = 'a{n}: account(accountId: "{id}") {{ balance }}'
_STATUS = 't{n}: transfer(transferId: "{id}") {{ status }}'
_ENDED = """{ transfers(first: 1, where: {status: {in: [COMPLETED, REFUSED, RETURNED]}}) { totalCount } }"""


async def test_money_is_kept_to_the_cent_and_every_transfer_ends(breakable: System, tmp_path: Path) -> None:
    """Two processes share the reactors; both are killed, the second comes twice."""
    random = Random(1)
    accounts = [str(uuid4()) for _ in range(ACCOUNTS)]
    closed = str(uuid4())
    async with Client(breakable.url) as client:
        await submit(client, [{"openAccount": {"owner": "Ada", "accountId": a}} for a in (*accounts, closed)])
        await submit(client, [{"deposit": {"accountId": a, "amount": str(BROUGHT)}} for a in accounts])
        await submit(client, [{"closeAccount": {"accountId": closed}}])
        transfers = []
        for number in range(TRANSFERS):
            source, target = random.sample(accounts, 2)
            if number % 10 == 0:
                target = closed
            amount = "1000000.00" if number % 10 == 1 else f"{random.randint(1, 2000) / 100:.2f}"
            way = {"transferId": str(uuid4()), "sourceId": source, "targetId": target}
            transfers.append({"requestTransfer": {**way, "amount": amount}})
        ids = [str(one["requestTransfer"]["transferId"]) for one in transfers]
        ended_before = await ended_so_far(client)

        environment = breakable.environment_of("reactors") | {"COMMANDER_HEALTH_PORT": "0"}
        sending = asyncio.create_task(send_all(client, transfers))
        with PartProcess("reactors", tmp_path, environment) as beside:
            for part, ended in (("reactors", 20), ("processor", 150), ("reactors", 300)):
                await until_ended(client, ended_before + ended)
                await until_runs(breakable, part)
                breakable.kill(part)
            assert beside.lines("reactor transfers: partitions"), "it took its share"
        with PartProcess("reactors", tmp_path, environment):
            await until_ended(client, ended_before + 500)
            await until_runs(breakable, "reactors")
            breakable.kill("reactors")
            await sending
            await until_ended(client, ended_before + TRANSFERS)
        statuses = [row["status"] for row in await many(client, _STATUS, ids)]
        balances = await many(client, _BALANCE, accounts)
    assert sum(Decimal(row["balance"]) for row in balances) == BROUGHT * ACCOUNTS
    assert min(Decimal(row["balance"]) for row in balances) >= 0
    assert len(statuses) == TRANSFERS
    assert {"COMPLETED", "REFUSED", "RETURNED"} == set(statuses)


async def until_runs(system: System, part: str) -> None:
    """Returns when a part that was killed has been started again."""

    def runs() -> bool:
        try:
            system.find(part)
        except LookupError:
            return False
        return True

    await until(runs, f"{part} runs")


async def send_all(client: Client, transfers: list[dict[str, Any]]) -> None:
    """All at once, each until it is accepted: its id makes sure that it counts once."""
    groups = [transfers[n : n + AT_ONCE] for n in range(0, len(transfers), AT_ONCE)]
    await asyncio.gather(*(submit(client, group, wait="ACCEPTED") for group in groups))


async def submit(client: Client, commands: list[dict[str, Any]], wait: str = "PROJECTED") -> None:
    options = {"wait": wait, "timeoutMs": 30000}
    results = (await client.data(_SUBMIT, commands=commands, options=options))["submit"]
    expected = "CommandAccepted" if wait == "ACCEPTED" else "CommandApplied"
    assert {one["__typename"] for one in results} == {expected}, results


async def ended_so_far(client: Client) -> int:
    """How many transfers of the whole system have ended."""
    return int((await client.data(_ENDED))["transfers"]["totalCount"])


async def until_ended(client: Client, at_least: int) -> None:
    async def ended() -> bool:
        return await ended_so_far(client) >= at_least

    await until(ended, f"{at_least} transfers have ended", timeout_seconds=60)


async def many(client: Client, field: str, ids: list[str]) -> list[dict[str, Any]]:
    """One field for each id, in few requests."""
    rows: list[dict[str, Any]] = []
    for begin in range(0, len(ids), 100):
        fields = [field.format(n=n, id=one) for n, one in enumerate(ids[begin : begin + 100])]
        data = await client.data("{ " + " ".join(fields) + " }")
        rows += [data[f"{field[0]}{n}"] for n in range(len(fields))]
    return rows
