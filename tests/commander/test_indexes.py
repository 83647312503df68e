"""`commander indexes`: what is kept of the log, and the way back to code without a rule."""

from __future__ import annotations

import asyncio
from uuid import UUID

from commander.eventstore.database import Database
from tests.commander.conftest import Run
from tests.domain.school import Register, school
from tests.streaming.conftest import Bank, running, servers

__all__ = ["servers"]


async def test_indexes_are_listed_and_dropped_while_no_processor_decides(
    servers: Bank, commander: Run
) -> None:
    async def asked(*arguments: str) -> tuple[int, str, str]:
        url = servers.database.url
        ended = await asyncio.to_thread(commander, "indexes", *arguments, COMMANDER_POSTGRES_URL=url)
        return ended.returncode, ended.stdout, ended.stderr

    assert await asked("list") == (0, "", "")
    async with running(servers.processor(school).run()):
        await servers.outcome(await servers.submit(Register(UUID(int=1), "a@x"), school))
        code, shown, _ = await asked("list")
        assert code == 0
        listed = [tuple(line.split("\t")) for line in shown.splitlines()]
        assert [(name, state) for name, _, state in listed] == [
            ("tags", "on"),
            ("unique student.email", "on"),
            ("unique student.phones", "on"),
        ]
        code, _, error = await asked("drop", "unique student.email")
        assert (code, error) == (
            1,
            "commander: a processor is deciding: stop the processors first\n",
        )
    assert await asked("drop", "unique student.email") == (0, "dropped unique student.email\n", "")
    assert await kept(servers.database) == {"unique student.phones"}
    assert (await asked("drop", "unique student.email"))[0] == 1


async def kept(database: Database) -> set[str]:
    rows = await database.fetch(
        """select name from unique_keys as u right join log_indexes as i on i.id = u.index_id
           where i.name <> 'tags'"""
    )
    return {row["name"] for row in rows}
