"""A dry run: the decision on a command, on the current state of its stream, without storing it."""

from __future__ import annotations

from commander.eventstore.records import Decision, SubmittedCommand
from commander.resolvers.current_states import current_states
from commander.resolvers.services import Services
from commander.streaming.commands.basis import Basis
from commander.streaming.commands.deciding import CannotDecide, decide
from commander.streaming.commands.indexing import active_across
from commander.streaming.commands.key_holders import KeyHolders
from commander.streaming.commands.models import Models
from commander.streaming.commands.needs import needs_of


async def dry_run(services: Services, command: SubmittedCommand) -> Decision:
    """The decision that the processor would make now. Nothing is stored.

    Raises CannotDecide if this code lacks the knowledge to decide it.
    """
    domain, now = services.domain, services.now()
    needs = needs_of(domain, command)
    states = dict(await current_states(services, needs.streams))
    across = await active_across(domain, services.database)
    if across is None:
        return decide(domain, command, states[command.stream], now)[0]
    basis = Basis(domain, across, states, KeyHolders(), Models(domain))
    if needs.queries and across.tags is None:
        raise CannotDecide(command, "the index of tags is being built")
    if (rule := basis.look_ups.missing(needs)) is not None:
        raise CannotDecide(command, f"the index of the unique key {rule} is being built")
    states.update(await current_states(services, await basis.look_ups.find([needs], services.database)))
    async with services.database.connection() as connection:
        await basis.read(connection, needs.queries)
    while True:
        decision, _ = decide(domain, command, basis.state(command.stream), now, basis)
        if await basis.stands(services.database):
            return decision
