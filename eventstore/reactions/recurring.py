"""The ticks of recurring commands that are set ahead, with their commands.

A row is stored before its commands are scheduled. So whatever is scheduled is known, and whoever runs other
code can take it back.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

from commander.eventstore.database import Connection, reaching_postgres
from commander.eventstore.records import SubmittedCommand

_commands = msgspec.json.Decoder(tuple[SubmittedCommand, ...])


class SetTick(NamedTuple):
    """A tick that is set ahead. name: of the recurring command. cron: the expression that gave the tick."""

    name: str
    cron: str
    tick: datetime
    commands: tuple[SubmittedCommand, ...]


async def set_ticks(connection: Connection) -> dict[str, SetTick]:
    """The ticks that are set ahead, by name. Raises Unavailable."""
    with reaching_postgres(connection):
        rows = await connection.fetch("select name, cron, tick, commands from recurring")
    return {
        name: SetTick(name, cron, tick, _commands.decode(commands)) for name, cron, tick, commands in rows
    }


async def save_tick(connection: Connection, tick: SetTick) -> None:
    """Stores a tick, in place of an earlier one. Raises Unavailable."""
    with reaching_postgres(connection):
        await connection.execute(
            """insert into recurring (name, cron, tick, commands) values ($1, $2, $3, $4)
               on conflict (name) do update set cron = excluded.cron, tick = excluded.tick,
                   commands = excluded.commands, updated_at = now()""",
            tick.name,
            tick.cron,
            tick.tick,
            msgspec.json.encode(tick.commands).decode(),
        )


async def forget_tick(connection: Connection, name: str) -> None:
    """Deletes the tick of a recurring command. Raises Unavailable."""
    with reaching_postgres(connection):
        await connection.execute("delete from recurring where name = $1", name)
