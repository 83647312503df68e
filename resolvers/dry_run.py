"""A dry run: the decision on a command, on the current state of its stream, without storing it."""

from __future__ import annotations

from commander.domain.deciders import QuerySource
from commander.eventstore.records import Decision, SubmittedCommand
from commander.resolvers.current_states import current_states
from commander.resolvers.services import Services
from commander.streaming.commands.basis import Basis, KeyHolders, sources_of, streams_of
from commander.streaming.commands.deciding import CannotDecide, decide
from commander.streaming.commands.indexing import active_across
from commander.streaming.commands.models import Models


async def dry_run(services: Services, command: SubmittedCommand) -> Decision:
    """The decision that the processor would make now. Nothing is stored.

    Raises CannotDecide if this code lacks the knowledge to decide it.
    """
    domain, now = services.domain, services.now()
    states = dict(await current_states(services, streams_of(domain, command)))
    across = await active_across(domain, services.database)
    if across is None:
        return decide(domain, command, states[command.stream], now)[0]
    basis = Basis(domain, across, states, KeyHolders(), Models(domain))
    queries = [one for one in sources_of(domain, command) if isinstance(one, QuerySource)]
    if queries and across.tags is None:
        raise CannotDecide(command, "the index of tags is being built")
    async with services.database.connection() as connection:
        await basis.read(connection, queries)
    while True:
        decision, _ = decide(domain, command, basis.state(command.stream), now, basis)
        if await basis.stands(services.database):
            return decision
