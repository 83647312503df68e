"""At the start of a part: compares the names of what is stored with those that its code knows.

Each stored name that the code does not know is a warning. The part does not start if it would lose or repeat
something.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from commander.domain import CommanderError, Domain
from commander.domain.comparing import (
    StoredNames,
    misplaced_streams,
    nearest,
    several_checkpoints,
    unknown_names,
)
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.stored_names import stored_names
from commander.eventstore.reactions.beginnings import begin_effects, begin_reactors

logger = logging.getLogger("commander.names")

_EVERY_PART = ("event", "aggregate", "command")
_OF_PART = {
    "processor": ("unique key",),
    "reactors": ("reactor", "recurring"),
    "effects": ("effect",),
    "projections": ("projection",),
}


class StoredNamesDiffer(CommanderError):
    """With these names the part would lose or repeat something. The message says what to write."""


async def compare_names(database: Database, domain: Domain, part: str) -> None:
    """Warns of stored names that the domain does not know, and stores the checkpoints of what is new.

    Raises StoredNamesDiffer and Unavailable.
    """
    stored = await stored_names(database)
    kinds = _OF_PART.get(part, ())
    for sentence in unknown_names(domain, stored, (*_EVERY_PART, *kinds)):
        logger.warning("%s", sentence)
    problems = misplaced_streams(domain, stored)
    if not problems:
        problems = await _begin(database, domain, stored, kinds)
    if problems:
        raise StoredNamesDiffer("; ".join(problems))


async def _begin(database: Database, domain: Domain, stored: StoredNames, kinds: Iterable[str]) -> list[str]:
    """Stores the checkpoints of new reactors and effects. Returns the problems of those that the part runs.

    Those that the part does not run begin here only if they do not say where: on an empty log they then have
    a checkpoint before the first event, whichever process starts first.
    """
    problems = []
    for kind, begin, types in (
        ("reactor", begin_reactors, domain.reactors.values()),
        ("effect", begin_effects, domain.effects.values()),
    ):
        own = kind in kinds
        refused = await begin(database, {t.name: t.begins for t in types if own or t.begins is None})
        if own:
            head = await head_position(database)
            problems += several_checkpoints(domain, stored, kind)
            problems += [_must_say(domain, stored, kind, name, head) for name in refused]
    return problems


def _must_say(domain: Domain, stored: StoredNames, kind: str, name: str, head: int) -> str:
    without = [one for one in stored.others[kind] if not domain.names.known(kind, one)]
    earlier = nearest(name, without, least=0)
    renamed = (
        f'; or was=("{earlier}",) if that is its earlier name, which has a checkpoint' if earlier else ""
    )
    return (
        f'the {kind} {name} is new, and the log has {head} events: write begins="now" in its decorator to '
        f'begin with the next event, or begins="beginning" to begin with the first{renamed}'
    )
