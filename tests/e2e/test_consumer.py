"""The contract of EVENTS, as another service meets it: the consumer that ships, and the forms on the page."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import nats
from nats.aio.msg import Msg

from commander import BigInt, Domain
from commander.domain.fields import SCALARS
from tests.domain.everything import Colour, Price
from tests.e2e.bank import apply, opened, until
from tests.e2e.proxy import Proxy
from tests.system import System

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "contract.md").read_text("utf-8")
EVENTS = """query ($after: Position!) { events(after: $after, first: 500) {
  edges { node { position type correlationId } } } }"""


def nats_url(system: System) -> str:
    """As `source .commander/bank/environment` has it."""
    for line in (system.data_dir / "environment").read_text().splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        if name == "COMMANDER_NATS_URL":
            return shlex.split(value)[0]
    raise AssertionError("commander dev writes down where its servers are")


class Consumer:
    """examples/consumer.py as a process; read: what it has printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.read: list[dict[str, Any]] = []

    def until_position(self, position: int) -> list[dict[str, Any]]:
        assert self.process.stdout is not None
        while not self.read or self.read[-1]["position"] < position:
            line = self.process.stdout.readline()
            assert line, "the consumer ended"
            self.read.append(json.loads(line))
        return self.read


@contextmanager
def consuming(system: System, name: str, *subject: str, url: str | None = None) -> Iterator[Consumer]:
    """Runs it; on leaving it is killed, as by a power cut. url: of NATS, if not the system's own."""
    program = [
        sys.executable,
        str(ROOT / "examples" / "consumer.py"),
        url or nats_url(system),
        "bank",
        name,
        *subject,
    ]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
    ) as process:
        too_late = Timer(30, process.kill)
        too_late.start()
        try:
            yield Consumer(process)
        finally:
            too_late.cancel()
            process.kill()


def logged(system: System, after: int) -> list[dict[str, Any]]:
    return [edge["node"] for edge in system.data(EVENTS, after=str(after))["events"]["edges"]]


def test_a_consumer_sees_the_log_and_goes_on_where_it_was_when_it_was_killed(system: System) -> None:
    account = opened(system, balance="10")
    head = int(apply(system, "withdraw", {"accountId": account, "amount": "3.50"})["position"])
    name = f"test-{uuid4()}"
    with consuming(system, name) as consumer:
        seen = list(consumer.until_position(head))
    assert [event["position"] for event in seen[:head]] == list(range(1, head + 1))
    assert seen[head - 1]["data"] == {"account_id": account, "amount": "3.50", "transfer_id": None}
    later = int(apply(system, "deposit", {"accountId": account, "amount": "1"})["position"])
    with consuming(system, name) as consumer:
        again = list(consumer.until_position(later))
    first = again[0]["position"]
    assert first in (seen[-1]["position"], seen[-1]["position"] + 1), "at most the last one comes again"
    assert [event["position"] for event in again] == list(range(first, again[-1]["position"] + 1))
    everything = {event["position"]: event for event in [*seen, *again]}
    for event in logged(system, max(0, head - 5)):
        shown = everything[int(event["position"])]
        assert (shown["type"], shown["correlation"]) == (event["type"], event["correlationId"])
        if int(event["position"]) == later:
            break


def test_a_consumer_of_some_subjects_sees_these_alone(system: System) -> None:
    account = opened(system, balance="10")
    head = int(apply(system, "deposit", {"accountId": account, "amount": "2"})["position"])
    with consuming(system, f"test-{uuid4()}", f"*.MoneyDeposited.account-{account}") as consumer:
        seen = consumer.until_position(head)
    assert [event["data"]["amount"] for event in seen] == ["10", "2"]


async def test_a_consumer_is_not_late_after_a_reconnection(system: System) -> None:
    account = opened(system, balance="1")
    subject = f"*.MoneyDeposited.account-{account}"
    url = urlsplit(nats_url(system))
    assert url.port is not None
    async with Proxy(url.port) as proxy:
        behind = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{proxy.port}")).geturl()
        with consuming(system, f"test-{uuid4()}", subject, url=behind) as consumer:
            await asyncio.to_thread(consumer.until_position, 1)
            proxy.cut()
            proxy.mend()
            deposit = {"accountId": account, "amount": "2"}
            last = int((await asyncio.to_thread(apply, system, "deposit", deposit))["position"])
            async with asyncio.timeout(15):
                await asyncio.to_thread(consumer.until_position, last)


def test_a_consumer_whose_name_has_another_filter_says_so(system: System) -> None:
    opened(system, balance="1")
    name = f"test-{uuid4()}"
    with consuming(system, name, "account.>") as consumer:
        consumer.until_position(1)
    with consuming(system, name, "*.MoneyDeposited.*") as consumer:
        assert consumer.process.stderr is not None
        assert "follows bank.events.account.>: give another name" in consumer.process.stderr.read()
        assert consumer.process.wait(10) == 1


async def test_a_consumer_that_is_deleted_ends(system: System) -> None:
    opened(system)
    name = f"test-{uuid4()}"
    with consuming(system, name, "account.>") as consumer:
        await asyncio.to_thread(consumer.until_position, 1)
        client = await nats.connect(nats_url(system))
        await client.jetstream().delete_consumer("bank-EVENTS", name)
        await client.close()
        assert consumer.process.stderr is not None
        assert f"the consumer {name} was deleted" in await asyncio.to_thread(consumer.process.stderr.read)
        assert await asyncio.to_thread(consumer.process.wait, 10) == 1


async def message_at(system: System, position: int) -> Msg:
    client = await nats.connect(nats_url(system))
    try:
        found = await client.jetstream().get_msg("bank-EVENTS", seq=position)
        return Msg(client, found.subject or "", data=found.data or b"", headers=found.headers)
    finally:
        await client.close()


async def test_a_message_has_the_subject_and_the_headers_on_the_page(system: System) -> None:
    trace = f"00-{uuid4().hex}-{uuid4().hex[:16]}-01"
    document = """mutation { openAccount(input: {owner: "A"}) {
      ... on CommandApplied { position stream commandId } } }"""
    made = system.data(document, headers={"traceparent": trace.encode()})["openAccount"]
    head = int(made["position"])
    await asyncio.to_thread(until, lambda: mirrored(system), lambda last: last >= head)
    message = await message_at(system, head)
    assert message.subject == f"bank.events.account.AccountOpened.{made['stream']}"
    headers = {k: v for k, v in (message.headers or {}).items() if not k.startswith("Nats-")}
    [edge] = system.data("query ($p: Position!) { event(position: $p) { recordedAt } }", p=str(head)).values()
    assert headers == {
        **{"Commander-Epoch": "1", "Commander-Version": "1", "Commander-Schema-Version": "1"},
        "traceparent": trace,
        **{"Commander-Command-Id": made["commandId"], "Commander-Correlation-Id": made["commandId"]},
        "Commander-Recorded-At": edge["recordedAt"],
    }
    listed = set(re.findall(r"^\| `([\w-]+)` \|[^|]*\| (?:always|if)", PAGE, re.MULTILINE))
    assert listed == {*headers, "Commander-Causation-Position"}


def mirrored(system: System) -> int:
    async def ask() -> int:
        client = await nats.connect(nats_url(system))
        try:
            return (await client.jetstream().stream_info("bank-EVENTS")).state.last_seq
        finally:
            await client.close()

    with asyncio.Runner() as runner:
        return runner.run(ask())


# The payload: each row of the page's table is what is written.

forms = Domain("forms")


@forms.event
@dataclass(frozen=True)
class Forms:
    text: str
    truth: bool
    whole: int
    big: BigInt
    real: float
    exact: Decimal
    identity: UUID
    moment: datetime
    day: date
    hour: time
    colour: Colour
    price: Price
    texts: tuple[str, ...]
    nothing: str | None


WRITTEN = {
    "`str`": "Ada",
    "`bool`": True,
    "`int`": 7,
    "`BigInt`": 2**53 + 1,
    "`float`": 0.5,
    "`Decimal`": Decimal("10.50"),
    "`UUID`": UUID("7b1c2e0a-2b1f-4b62-9a0e-3f6f5a7d0c01"),
    "`datetime`": datetime(2030, 1, 31, 12, tzinfo=UTC),
    "`date`": date(2030, 1, 31),
    "`time`": time(12),
    "an enum": Colour.RED,
    "a value object": Price(Decimal("10.50"), "EUR"),
    "a list or tuple": ("a", "b"),
    r"… `\| None`": None,
}


def test_the_page_shows_the_form_of_every_type_as_it_is_written() -> None:
    table = PAGE[PAGE.index("| type | in JSON |") :].split("\n\n")[0].splitlines()[2:]
    cells = [re.split(r" (?<!\\)\| ", row.strip("| ")) for row in table]
    shown = {name: example.strip("`") for name, _, example in cells}
    encoded = forms.events["Forms"].encode(Forms(*WRITTEN.values()))  # type: ignore[arg-type]
    assert (
        encoded.decode()
        == "{"
        + ",".join(
            f'"{field}":{shown[row]}' for field, row in zip(Forms.__annotations__, WRITTEN, strict=True)
        )
        + "}"
    )
    assert set(shown) == set(WRITTEN)
    named = {getattr(one, "__name__", "") for one in SCALARS}
    assert named <= {row.strip("`") for row in shown}
