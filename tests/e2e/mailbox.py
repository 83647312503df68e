"""A domain that writes letters: each sending is a line in the file that SENT names.

A letter goes out at once, or as its text says: never, late, or only once the file that MENDED names exists.
ATTEMPTS says how often one is tried.
"""

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from commander import Domain, EffectCall

mailbox = Domain("mailbox")


@mailbox.event
@dataclass(frozen=True)
class LetterWritten:
    box_id: UUID
    text: str


@mailbox.event
@dataclass(frozen=True)
class BoxEmptied:
    box_id: UUID


@mailbox.command
@dataclass(frozen=True)
class WriteLetter:
    box_id: UUID
    text: str


@mailbox.command
@dataclass(frozen=True)
class EmptyBox:
    box_id: UUID


@mailbox.aggregate(key="box_id")
@dataclass(frozen=True)
class Box:
    letters: int = 0

    def write(self, command: WriteLetter) -> LetterWritten:
        return LetterWritten(command.box_id, command.text)

    def empty(self, command: EmptyBox) -> BoxEmptied:
        return BoxEmptied(command.box_id)

    def written(self, event: LetterWritten) -> "Box":
        return replace(self, letters=self.letters + 1)

    def emptied(self, event: BoxEmptied) -> "Box":
        return Box()


@mailbox.effect(LetterWritten, begins="now", concurrency=4, attempts=int(os.environ.get("ATTEMPTS", "2")))
async def send(event: LetterWritten, call: EffectCall) -> None:
    if event.text == "slow":
        await asyncio.sleep(0.2)
    await asyncio.to_thread(_post, event.text, f"{call.position} {call.key} {event.text}\n")


def _post(text: str, line: str) -> None:
    if text == "broken" and not Path(os.environ["MENDED"]).exists():
        raise ConnectionError("the post office is closed")
    with Path(os.environ["SENT"]).open("a") as file:
        file.write(line)
