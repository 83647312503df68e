"""What bench/rights measures: 50 rules, which let every viewer do what is measured, and 10 that differ."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from decimal import Decimal
from types import ModuleType
from uuid import UUID, uuid4

import jwt
import pytest

from bench.feed.client import Watch
from bench.feed.subscribers import subscribed
from bench.load import Load, mutations
from bench.processes import MeasurementFailed
from bench.rights.variants import DOMAIN
from bench.rights.viewers import SECRET, subject_of, tokens
from commander.domain import Domain, Rights, Verdict, Viewer
from commander.domain.filters import matches
from commander.domain.rules import parts_of
from commander.eventstore.records import EventFilter
from commander.resolvers.visible_events import rules_key


def loaded(monkeypatch: pytest.MonkeyPatch, rules: str) -> ModuleType:
    """The domain, as a process with this variable loads it."""
    monkeypatch.setenv("BENCH_RULES", rules)
    spec = importlib.util.spec_from_file_location("branches", DOMAIN / "branches.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "branches", module)
    spec.loader.exec_module(module)
    return module


def rules_of(domain: Domain) -> int:
    """How many commands, events, rows and fields have a rule."""
    events, rows = list(domain.events.values()), list(domain.projections.values())
    rules = [type_.allow for type_ in domain.commands.values()]
    rules += [type_.visible for type_ in events] + [type_.visible for type_ in rows]
    fields = [field for type_ in events for field in type_.fields]
    fields += [field for type_ in rows for field in type_.fields]
    return sum(any(parts_of(rule)) for rule in rules) + sum(f.visible_to is not None for f in fields)


def rights_of(domain: Domain, token: str) -> Rights:
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    return domain.rights(Viewer(claims["sub"], frozenset(), claims))


def test_there_are_fifty_rules_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules_of(loaded(monkeypatch, "1").bank) == 50
    assert rules_of(loaded(monkeypatch, "").bank) == 0


@pytest.mark.parametrize("different", [1, 10])
def test_the_rules_of_the_viewers_differ_and_each_sees_every_deposit(
    monkeypatch: pytest.MonkeyPatch, different: int
) -> None:
    branches = loaded(monkeypatch, "1")
    viewers = [rights_of(branches.bank, token) for token in tokens(30, different)]
    deposited = branches.bank.events["MoneyDeposited"]
    assert len({viewer.event_filter(deposited) for viewer in viewers}) == different
    event = branches.MoneyDeposited(uuid4(), Decimal(1))
    assert all(matches(viewer.event_filter(deposited).own, event) for viewer in viewers)
    others = branches.MoneyDeposited(uuid4(), Decimal(1), withheld_from="branch 0")
    seen = [matches(viewer.event_filter(deposited).own, others) for viewer in viewers]
    assert seen.count(False) == 30 // different, "the rule is asked for each event"


def test_subscribers_share_what_is_rendered_by_their_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    """They ask for deposits. Other events are for their owner, so those rules differ for each viewer."""
    branches = loaded(monkeypatch, "1")
    viewers = [rights_of(branches.bank, token) for token in tokens(50)]
    deposits = EventFilter(types=frozenset({"MoneyDeposited"}))
    keys = {rules_key(branches.bank, viewer, deposits) for viewer in viewers}
    assert (len({rules for _, rules in keys}), len({fields for fields, _ in keys})) == (10, 1)
    assert len({rules_key(branches.bank, viewer, EventFilter()) for viewer in viewers}) == 50


def test_the_owner_deposits_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    branches = loaded(monkeypatch, "1")
    type_ = branches.bank.commands["Deposit"]
    command, account = branches.Deposit(uuid4(), Decimal(1)), branches.Account(subject_of(0))
    owner, other = (rights_of(branches.bank, token) for token in tokens(2))
    for viewer, may in ((owner, True), (other, False)):
        verdict = viewer.may_submit(type_, command)
        assert verdict is Verdict.NEEDS_STATE
        assert branches.bank.may_send(type_, viewer.sender(type_, verdict), command, account) is may


async def test_clients_send_their_tokens() -> None:
    """By HTTP with each mutation to an account, by WebSocket each in its connection_init."""
    headers: list[bytes] = []
    opened: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            headers.extend(line for line in head.split(b"\r\n") if line.lower().startswith(b"authorization"))
        else:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
            opened.append(_init(await reader.read(65536)))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(MeasurementFailed):
            await mutations(Load(port, "ACCEPTED", [UUID(int=1)], 1, 0, 1, tokens=["one"]))
        with pytest.raises(MeasurementFailed):
            async with subscribed(Watch(port, "subscription", 1, 1, tokens=["two"])):
                pass
    assert headers == [b"Authorization: Bearer one"]
    assert opened == ["Bearer two"]


def _init(frame: bytes) -> str:
    """The authorization in a client's connection_init, whose mask is 0."""
    begin = frame.index(b"{")
    message = json.loads(frame[begin:])
    assert message["type"] == "connection_init"
    return str(message["payload"]["authorization"])
