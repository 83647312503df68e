"""An API process whose one mutation does nothing: what GraphQL over HTTP alone costs.

The server, the endpoint, the extensions, the arguments and the type of the result are those of
`commander api`; only the resolver is another. As a process: `--port <port>`, in the same environment.
"""

from __future__ import annotations

import sys
from typing import Any
from uuid import uuid4

import strawberry
from starlette.types import ASGIApp
from strawberry.schema.config import StrawberryConfig

from commander.cli.loading import load_domain
from commander.domain import Domain
from commander.parts.api import ApiPart, routes_of
from commander.parts.health import public_health_answers
from commander.parts.logs import configure_logging
from commander.parts.process import run
from commander.schema.context import Context
from commander.schema.execution.operations import CommanderSchema
from commander.schema.http.application import application
from commander.schema.http.endpoint import HttpSettings
from commander.schema.types.commands import CommandOptions, command_inputs
from commander.schema.types.events import EventTypes
from commander.schema.types.field_types import TypeMap
from commander.schema.types.results import CommandAccepted, CommandOutcome
from commander.schema.types.scalars import SCALARS
from commander.settings import read_settings


class NoopPart(ApiPart):
    """`commander api` with another schema: connected and feeding as it is, and serving no command."""

    def app(self) -> ASGIApp:
        settings = HttpSettings(max_body_bytes=self.settings.max_body_bytes)
        routes = routes_of(public_health_answers(self.readiness, self.answers))
        return application(noop_schema(self.domain), self._connected, settings, routes)


def noop_schema(domain: Domain) -> CommanderSchema:
    """Mutation.deposit as the bank has it, answered at once with CommandAccepted."""
    types = TypeMap()
    events = EventTypes(domain, types)
    deposit = next(made for made in command_inputs(domain, types) if made.field == "deposit")

    def declared(input: Any, options: CommandOptions | None = None) -> object: ...

    declared.__annotations__ |= {"input": deposit.python, "return": CommandOutcome}

    async def resolve(_context: Context, **_: Any) -> CommandAccepted:
        return CommandAccepted(command_id=uuid4(), type="Deposit", stream="account-1")

    def ping() -> bool:
        return True

    mutation = strawberry.mutation(declared, name=deposit.field)
    schema = CommanderSchema(
        query=strawberry.type(type("Query", (), {"ping": strawberry.field(ping)})),
        mutation=strawberry.type(type("Mutation", (), {deposit.field: mutation})),
        types=[*events.classes, CommandAccepted],
        config=StrawberryConfig(scalar_map=SCALARS),
    )
    schema.resolve_mutations({deposit.field: resolve})
    return schema


if __name__ == "__main__":
    settings = read_settings(port=int(sys.argv[2]))
    configure_logging("noop", settings.log_level)
    run(NoopPart(settings, load_domain(settings.domain)))
