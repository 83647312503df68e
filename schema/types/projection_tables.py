"""The mutations about tables of projections, for operators: rebuild, switch, roll back, drop."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import strawberry
from strawberry.types import Info

from commander.eventstore.projections.serving import TableRecord
from commander.resolvers import projection_tables as resolving
from commander.schema.context import Context
from commander.schema.types.for_operators import FOR_OPERATORS
from commander.schema.types.scalars import Position
from commander.streaming.nats.signals import tables_signal

logger = logging.getLogger("commander.projections")


@strawberry.type(description="A table of a projection.")
class ProjectionTable:
    projection: str
    table: str
    state: str = strawberry.field(description="BUILDING or BUILT.")
    serving: bool = strawberry.field(description="Whether queries read it.")
    served_at: datetime | None = strawberry.field(description="When it began to serve. Null if it never has.")
    position: Position = strawberry.field(description="The position up to which the log is folded into it.")


async def _done(info: Info[Context, None], deed: str, found: TableRecord) -> ProjectionTable:
    """Tells the processes that the tables have changed, and the log who did it."""
    context = info.context
    nats = context.services.nats
    await nats.publish_signals([tables_signal(nats.names)])
    logger.info("%s %s by %s", deed, found.table_name, context.actor or "somebody without a name")
    return ProjectionTable(
        projection=found.name,
        table=found.table_name,
        state=found.state,
        serving=found.serving,
        served_at=found.served_at,
        position=Position(found.position),
    )


def projection_table_fields() -> list[Any]:
    """The fields of Mutation about tables of projections."""

    async def rebuild_projection(
        info: Info[Context, None], projection: str, hold: bool = False
    ) -> ProjectionTable:
        info.context.must_operate()
        services = info.context.services
        made = await resolving.rebuild(services.database, services.domain, projection, hold=hold)
        return await _done(info, "building", made)

    async def switch_projection(
        info: Info[Context, None], projection: str, table: str | None = None, behind: bool = False
    ) -> ProjectionTable:
        info.context.must_operate()
        database = info.context.services.database
        chosen = await resolving.table_to_switch_to(database, projection, table)
        return await _done(info, "switched to", await resolving.serve(database, chosen, behind=behind))

    async def roll_back_projection(
        info: Info[Context, None], projection: str, behind: bool = False
    ) -> ProjectionTable:
        info.context.must_operate()
        database = info.context.services.database
        before = await resolving.table_before(database, projection)
        return await _done(info, "switched back to", await resolving.serve(database, before, behind=behind))

    async def drop_projection_table(
        info: Info[Context, None], projection: str, table: str
    ) -> ProjectionTable:
        info.context.must_operate()
        dropped = await resolving.drop(info.context.services.database, projection, table)
        return await _done(info, "dropped", dropped)

    return [
        strawberry.mutation(
            rebuild_projection,
            name="rebuildProjection",
            metadata=FOR_OPERATORS,
            description="Build another table from the whole log, while the old one serves. It serves when it "
            "is filled, unless `hold` is true.",
        ),
        strawberry.mutation(
            switch_projection,
            name="switchProjection",
            metadata=FOR_OPERATORS,
            description="Let another table serve: this one, or the newest that is built. `behind`: also one "
            "that no process keeps up with the log.",
        ),
        strawberry.mutation(
            roll_back_projection,
            name="rollBackProjection",
            metadata=FOR_OPERATORS,
            description="Let the table serve again that served before. `behind`: as of `switchProjection`.",
        ),
        strawberry.mutation(
            drop_projection_table,
            name="dropProjectionTable",
            metadata=FOR_OPERATORS,
            description="Drop a table that does not serve. API processes with other code can still read it: "
            "stop them first.",
        ),
    ]
