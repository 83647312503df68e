"""Which projections can be asked how they were: those whose every row is made by the events of one stream.

Then a row at any point is a fold of its stream up to there, and no other event need be read. So it is where

- all events that the projection handles belong to one aggregate,
- the projection's key has the name and the type of that aggregate's key, and no handler says that it touches
  other rows,
- each event bears the key of its stream (a deposit into an account names that account).

The first two are seen from the types. The third is the author's to keep; where a stream is read that breaks
it, the question fails.
"""

from __future__ import annotations

from typing import Any

from commander.domain.aggregates import AggregateType
from commander.domain.domain import Domain
from commander.domain.projections import ProjectionType

_ARGUMENT = "as_of"


def aggregate_behind(domain: Domain, projection: ProjectionType) -> AggregateType | None:
    """The aggregate whose streams make the rows of this projection; None where they come from elsewhere too.

    The domain has passed its check.
    """
    owners = {domain.aggregate_of_event(event.__name__).name for event in projection.handlers}
    if len(owners) != 1 or projection.key == _ARGUMENT:
        return None
    if not all(handler.by_own_key for handler in projection.handlers.values()):
        return None
    aggregate = domain.aggregates[owners.pop()]
    if aggregate.key != projection.key:
        return None
    for command in aggregate.deciders:
        fields = domain.commands[command.__name__].fields
        key = next(field for field in fields if field.name == aggregate.key)
        if key.type != projection.key_field.type:
            return None
    return aggregate


def stream_of_row(aggregate: AggregateType, key: Any) -> str:
    """The id of the stream that makes the row with this key."""
    return f"{aggregate.name}-{key}"
