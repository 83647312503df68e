"""Whether a command that comes under an id again is the same request."""

from __future__ import annotations

from typing import Any, NamedTuple

from commander.domain.digests import is_of_stored
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.records import SubmittedCommand
from commander.resolvers.services import Services
from commander.streaming.commands.outcomes import Ended, sender_of


class Request(NamedTuple):
    """A client's command, as the domain has it, and as it is submitted."""

    command: Any
    made: SubmittedCommand


async def is_repeated(services: Services, request: Request, first: Ended | SubmittedCommand) -> bool:
    """Whether the first command under the id was the same request, of the same sender. Raises Unavailable.

    With authentication off, all senders count as the same.
    """
    digest, made = first.digest, request.made
    if made.sender is not None:
        earlier = sender_of(first) if isinstance(first, SubmittedCommand) else first.sender
        if earlier != sender_of(made):
            return False
    if digest == made.digest or not is_of_stored(digest):
        return digest == made.digest
    if isinstance(first, SubmittedCommand):
        data = bytes(first.data)
    else:
        outcome = await outcome_of(services.database, made.command_id)
        assert outcome is not None, "an outcome is never removed"
        data = outcome.data.encode()
    type_ = services.domain.commands[made.type]
    return type_.is_stored_as(request.command, made.command_id, digest, data)
