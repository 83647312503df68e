"""Ticks that are scheduled and not stored: earlier versions of Commander stored none.

They are found by reading all schedules, once: as soon as a tick is stored, nobody looks here any more.
"""

from __future__ import annotations

import msgspec

from commander.eventstore.reactions.recurring import SetTick
from commander.eventstore.records import SubmittedCommand
from commander.streaming.commands.assembling import every, tick_id
from commander.streaming.commands.messages import all_scheduled, commands_in
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.direct_get import next_messages

_AT_ONCE = 500
_BYTES_AT_ONCE = 8 * 1024 * 1024
_MOST_COMMANDS = 1000
"""The maximum of commands in a tick that are recognized as such."""


async def scheduled_ticks(nats: Nats) -> dict[str, SetTick]:
    """The ticks among all schedules, by the name of the recurring command. Raises Unavailable."""
    found: dict[str, list[SubmittedCommand]] = {}
    last, left = 0, 1
    while left:
        stream, subject = nats.names.commands, all_scheduled(nats.names)
        page = await next_messages(nats, stream, subject, last + 1, _AT_ONCE, _BYTES_AT_ONCE)
        for message in page.messages:
            for command in _commands(message.subject, message.data):
                if (name := _name_of(command)) is not None:
                    found.setdefault(name, []).append(command)
        if not page.messages:
            break
        last, left = page.messages[-1].sequence, page.left
    return {
        name: SetTick(name, "", max(one.not_before for one in commands if one.not_before), tuple(commands))
        for name, commands in found.items()
    }


def _commands(subject: str, data: bytes) -> list[SubmittedCommand]:
    try:
        return commands_in(subject, data)
    except msgspec.DecodeError:
        return []


def _name_of(command: SubmittedCommand) -> str | None:
    """The name of its recurring command; None if it is of none. A client may claim any actor."""
    name = (command.actor or "").removeprefix(every(""))
    if command.actor != every(name) or command.not_before is None:
        return None
    ids = (tick_id(name, command.not_before, index) for index in range(_MOST_COMMANDS))
    return name if command.command_id in ids else None
