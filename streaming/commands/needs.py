"""What the decision on a command needs beside the command: found once for each command of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from commander.domain import Domain, InvalidDecision
from commander.domain.deciders import QuerySource, Source, StreamSource
from commander.domain.look_ups import KeySource
from commander.eventstore.records import SubmittedCommand
from commander.streaming.commands.stream_states import described


class Needs(NamedTuple):
    """What a decision needs.

    sources: what each state of a decider over several states is folded from, in its order. () for a command
    that an aggregate decides. streams: those of the sources; the first is the command's own.
    problem: why the sources cannot be found, as a code and a message; None if they can.
    instance: the command; None if it is to be decoded for each decision, because a decider could change it.
    queries: the sources that are decision models. keys: those that are unique keys.
    """

    streams: Sequence[str]
    sources: Sequence[Source] = ()
    problem: tuple[str, str] | None = None
    instance: Any = None
    queries: Sequence[QuerySource] = ()
    keys: Sequence[KeySource] = ()


def needs_of(domain: Domain, command: SubmittedCommand) -> Needs:
    """What the decision on a command needs. It never raises."""
    own = command.stream
    type_ = domain.command_type(command.type)
    decider = None if type_ is None else domain.deciders.get(type_.name)
    if type_ is None or decider is None:
        return Needs((own,))
    try:
        instance = type_.decode(command.data)
        sources = decider.sources_of(instance)
    except InvalidDecision as error:
        return Needs((own,), problem=("INVALID_DECISION", str(error)))
    except BaseException as error:  # a __post_init__ may raise anything
        return Needs((own,), problem=("UNDECODABLE_COMMAND", described(error)))
    return Needs(
        [*dict.fromkeys((own, *(one.stream for one in sources if isinstance(one, StreamSource))))],
        sources,
        instance=None if type_.is_mutable else instance,
        queries=[one for one in sources if isinstance(one, QuerySource)] if decider.models else (),
        keys=[one for one in sources if isinstance(one, KeySource)] if decider.finds_by_key else (),
    )
