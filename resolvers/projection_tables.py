"""The tables of projections, for operators: make another one, choose which one serves, drop one.

Processes that follow the tables learn of a change by a signal, which whoever calls these functions publishes.
"""

from __future__ import annotations

from commander.domain import Domain
from commander.domain.errors import NotFound
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.projections import serving
from commander.eventstore.projections.keeping import kept_up
from commander.eventstore.projections.rebuilding import rebuild as make_another
from commander.eventstore.projections.serving import BUILDING, BUILT, CannotServe, TableRecord, table_records
from commander.resolvers.events import must_be_storable


async def records_of(database: Database, name: str) -> list[TableRecord]:
    """The tables of a projection, newest first. Raises NotFound without any."""
    must_be_storable("projection", name)
    records = await table_records(database, [name])
    if not records:
        raise NotFound(f"there is no projection {name}; see commander projections list")
    return records


async def table_to_switch_to(database: Database, name: str, table: str | None = None) -> TableRecord:
    """The table of this name, or the newest that is built and does not serve. Raises NotFound."""
    if table is not None:
        must_be_storable("table", table)
    records = await records_of(database, name)
    built = [one for one in records if one.state == BUILT and not one.serving]
    chosen = [one for one in records if one.table_name == table] if table is not None else built[:1]
    if not chosen:
        raise NotFound(f"the projection {name} has no {table or 'other table that is built'}")
    return chosen[0]


async def table_before(database: Database, name: str) -> TableRecord:
    """The table that served before the one that serves. Raises NotFound."""
    records = await records_of(database, name)
    before = [one for one in records if one.served_at is not None and not one.serving]
    if not before:
        raise NotFound(f"no other table of the projection {name} has served")
    return max(before, key=lambda one: str(one.served_at))


async def serve(database: Database, record: TableRecord, *, behind: bool = False) -> TableRecord:
    """Makes a table serve. behind: also one that no process keeps up with the log. Returns it as it is now.

    Raises CannotServe and NotFound.
    """
    missing = await head_position(database) - record.position
    if missing > 0 and not behind and not await kept_up(database, [record.table_name]):
        raise CannotServe(
            f"{record.table_name} is {missing} events behind and no process keeps it up: run `commander "
            "projections` with its code, or ask for it as it is: --behind, in GraphQL `behind: true`"
        )
    await serving.switch(database, record.name, record.table_name)
    return await _now(database, record.name, record.table_name)


async def rebuild(database: Database, domain: Domain, name: str, *, hold: bool = False) -> TableRecord:
    """Makes another table for this code, which its process fills; the one that is being filled, if there is.

    hold: it does not serve by itself when it is filled. Raises NotFound.
    """
    must_be_storable("projection", name)
    projection = domain.projections.get(name)
    if projection is None:
        known = ", ".join(domain.projections) or "none"
        raise NotFound(f"there is no projection {name}; the domain has {known}")
    for one in await table_records(database, [name]):
        if one.fingerprint == projection.fingerprint and one.state == BUILDING:
            return one
    made = await make_another(database, projection, serves=not hold)
    return await _now(database, name, made.name)


async def drop(database: Database, name: str, table: str) -> TableRecord:
    """Drops a table that does not serve. Returns it as it was. Raises NotFound and CannotServe."""
    must_be_storable("table", table)
    before = await _now(database, name, table)
    await serving.drop(database, name, table)
    return before


async def _now(database: Database, name: str, table: str) -> TableRecord:
    for one in await records_of(database, name):
        if one.table_name == table:
            return one
    raise NotFound(f"the projection {name} has no table {table}")
