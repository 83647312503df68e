"""What the decision on a command needs beside the command: found once for each command of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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
    """

    streams: Sequence[str]
    sources: Sequence[Source] = ()
    problem: tuple[str, str] | None = None

    @property
    def queries(self) -> Sequence[QuerySource]:
        """The sources that are decision models."""
        return [one for one in self.sources if isinstance(one, QuerySource)]

    @property
    def keys(self) -> Sequence[KeySource]:
        """The unique keys by which states are found."""
        return [one for one in self.sources if isinstance(one, KeySource)]


def needs_of(domain: Domain, command: SubmittedCommand) -> Needs:
    """What the decision on a command needs. It never raises."""
    own = command.stream
    type_ = domain.command_type(command.type)
    decider = None if type_ is None else domain.deciders.get(type_.name)
    if type_ is None or decider is None:
        return Needs((own,))
    try:
        sources = decider.sources_of(type_.decode(command.data))
    except InvalidDecision as error:
        return Needs((own,), problem=("INVALID_DECISION", str(error)))
    except BaseException as error:  # a __post_init__ may raise anything
        return Needs((own,), problem=("UNDECODABLE_COMMAND", described(error)))
    streams = (one.stream for one in sources if isinstance(one, StreamSource))
    return Needs([*dict.fromkeys((own, *streams))], sources)
