"""Which code made the states of a reactor. States that other code made are kept: it is only told."""

from __future__ import annotations

from commander.eventstore.database import Connection, reaching_postgres


async def states_are_of(connection: Connection, name: str, fingerprint: str) -> bool:
    """Whether code with this fingerprint made the states.

    The fingerprint is stored if there are no states, or if none is stored. Raises Unavailable.
    """
    with reaching_postgres(connection):
        await connection.execute(
            """update reactors set fingerprint = $2
               where name = $1 and fingerprint is distinct from $2
                 and (fingerprint is null or not exists (select from reactor_states where reactor = $1))""",
            name,
            fingerprint,
        )
        made_by = await connection.fetchval("select fingerprint from reactors where name = $1", name)
    return made_by is None or made_by == fingerprint
