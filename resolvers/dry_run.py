"""A dry run: the decision on a command, on the current state of its stream, without storing it."""

from __future__ import annotations

from commander.eventstore.records import Decision, SubmittedCommand
from commander.resolvers.current_states import current_states
from commander.resolvers.services import Services
from commander.streaming.commands.deciding import decide


async def dry_run(services: Services, command: SubmittedCommand) -> Decision:
    """The decision that the processor would make now. Nothing is stored.

    Raises CannotDecide if this code lacks the knowledge to decide it.
    """
    states = await current_states(services, [command.stream])
    decision, _ = decide(services.domain, command, states[command.stream], services.now())
    return decision
