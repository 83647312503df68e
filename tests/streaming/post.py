"""A domain of letters, and an office in this process that sends them, as a test has it answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from commander import Domain, EffectCall, Rejected
from commander.domain import EffectType
from commander.eventstore.reactions.effects import effect_positions
from commander.streaming.effects.attempts import Backoff, CallExclusion
from commander.streaming.effects.runner import EffectRunner
from tests.streaming.conftest import Bank, running

post = Domain("post")
QUICK = Backoff(0.01, 0.02)


@post.event
@dataclass(frozen=True)
class Written:
    box_id: UUID
    text: str


@post.event
@dataclass(frozen=True)
class Emptied:
    box_id: UUID


@post.command
@dataclass(frozen=True)
class Write:
    box_id: UUID
    text: str


@post.command
@dataclass(frozen=True)
class Empty:
    box_id: UUID


@post.aggregate(key="box_id")
@dataclass(frozen=True)
class Box:
    def write(self, command: Write) -> Written:
        if command.text == "refused":
            raise Rejected("NO")
        return Written(command.box_id, command.text)

    def empty(self, command: Empty) -> Emptied:
        return Emptied(command.box_id)

    def written(self, event: Written) -> Box:
        return self

    def emptied(self, event: Emptied) -> Box:
        return self


@dataclass
class Office:
    """What was sent, and how the office answers."""

    calls: list[tuple[str, EffectCall]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    answer: Callable[[str], Awaitable[None]] | None = None

    async def send(self, event: Any, call: EffectCall) -> None:
        self.calls.append((event.text, call))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            if self.answer is not None:
                await self.answer(event.text)
        finally:
            self.at_once -= 1

    @property
    def texts(self) -> list[str]:
        return [text for text, _ in self.calls]


def runner(
    servers: Bank,
    office: Office,
    *,
    name: str = "send",
    backoff: Backoff = QUICK,
    events: type = Written,
    exclusion: CallExclusion | None = None,
    **limits: Any,
) -> EffectRunner:
    effect = EffectType(name, frozenset({events}), office.send, True, "here", **limits)
    return EffectRunner(post, servers.database, servers.nats, effect, backoff, exclusion)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


async def written(servers: Bank, *texts: str, box: UUID | None = None) -> None:
    """Letters in the log, in this order."""
    ids = [await servers.submit(Write(box or uuid4(), text), post) for text in texts]
    for id in ids:
        await servers.outcome(id)


async def begun(servers: Bank, office: Office) -> None:
    """The effect is known, and the log is empty."""
    one = runner(servers, office)
    async with running(one.run()):
        async with asyncio.timeout(20):
            while "send" not in await effect_positions(servers.database):
                await asyncio.sleep(0.01)


async def logged(servers: Bank, office: Office, *texts: str) -> None:
    """Letters in the log that the effect has not seen, at positions from 1."""
    await begun(servers, office)
    async with running(servers.processor(post).run()):
        await written(servers, *texts)


async def calls(servers: Bank) -> list[tuple[int, int, str]]:
    """What is remembered of single calls: position, attempts, state."""
    rows = await servers.database.fetch(
        "select position, attempts, state from effect_calls where effect = 'send' order by position"
    )
    return [(row["position"], row["attempts"], row["state"]) for row in rows]


async def interrupted(servers: Bank, *rows: tuple[str, int, int, str]) -> None:
    """As whoever made these calls left them: effect, position, attempts, state."""
    for row in rows:
        await servers.database.fetch("insert into effect_calls values ($1, $2, $3, $4)", *row)


async def broken(_: str) -> None:
    raise OSError("no answer")


async def hanging(_: str) -> None:
    await asyncio.Event().wait()
