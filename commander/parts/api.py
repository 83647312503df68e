"""The part that serves GraphQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from commander.domain import Domain
from commander.domain.errors import NotServing
from commander.eventstore.database import Database
from commander.eventstore.log.pending import Keep
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.tables import Table
from commander.parts.api_metrics import (
    of_allowances,
    of_read_tables,
    of_submitting,
    of_the_feed,
    of_the_pool,
    of_the_queue,
)
from commander.parts.asgi_server import AsgiServer
from commander.parts.health import public_health_answers
from commander.parts.metrics import Measure
from commander.parts.part import Part, Server, run_all
from commander.parts.status_server import Answer, Answers
from commander.resolvers.allowances import Rates, allowances_of
from commander.resolvers.identity.authentication import Authentication
from commander.resolvers.identity.revoking_events import RevokingEvents
from commander.resolvers.identity.shared_revocations import SharedRevocations
from commander.resolvers.services import Limits, Services
from commander.resolvers.trusted_documents import TrustedDocuments
from commander.schema.build import build_schema
from commander.schema.execution.operations import CommanderSchema
from commander.schema.http.application import PATH, application
from commander.schema.http.connections import Streams
from commander.schema.http.console_page import console_routes
from commander.schema.http.endpoint import HttpSettings
from commander.schema.http.examples import examples_of
from commander.schema.http.graphiql_page import Acting
from commander.schema.http.minting import minting
from commander.schema.naming import PLAIN, Naming
from commander.settings import Settings, SettingsError
from commander.streaming.commands.outcomes import OutcomeWaiter
from commander.streaming.commands.queue_watch import QueueLimits, QueueWatch
from commander.streaming.commands.submitting import Submitter
from commander.streaming.feed.feed import Feed
from commander.streaming.nats.connection import Nats
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.projections.serving import ServingTables
from commander.streaming.standstill import Standstill

_SET_BACK_RETRY_SECONDS = 5
_ACTING = {"dev": Acting.MINT, "jwt": Acting.TOKEN}


class ApiPart(Part):
    """Serves GraphQL. It answers from the start, with UNAVAILABLE until it has connected."""

    name = "api"

    def __init__(self, settings: Settings, domain: Domain) -> None:
        """Raises SettingsError if the settings do not say who may ask."""
        super().__init__(settings, domain)
        self._authentication = authentication_by(settings)
        self._services: Services | None = None
        self._streams = Streams(settings.max_connections)
        self._queue: QueueWatch | None = None
        self._schema: CommanderSchema | None = None
        self._trusted = TrustedDocuments(only=settings.documents == "trusted")
        self._allowances = allowances_of(
            Rates(
                operations_per_second=settings.operations_per_second,
                commands_per_second=settings.commands_per_second,
                cost_per_second=settings.cost_per_second,
                burst_seconds=settings.burst_seconds,
                streams=settings.max_streams,
                max_cost=settings.max_cost,
            )
        )

    def servers(self) -> list[Server]:
        return [AsgiServer(self.app(), self.settings), *super().servers()]

    async def run(self, database: Database, nats: Nats) -> None:
        await ensure_tables(database, [Table(projection) for projection in self.domain.projections.values()])
        tables = ServingTables(database, nats, self.domain.projections)
        await tables.refresh()
        progress = ProjectionProgress(nats, database, tables)
        standstill = Standstill(progress, (database.circuit, nats.circuit), self.domain.projections)
        limits = self.settings.queue_max_commands, self.settings.queue_max_bytes
        self._queue = queue = QueueWatch(nats, QueueLimits(*limits, self.settings.queue_max_age_seconds))
        services = Services(
            domain=self.domain,
            database=self._for_operations(database),
            nats=nats,
            submitter=Submitter(
                nats,
                self.settings.partitions,
                keep=Keep(database) if self.settings.keep_accepted else None,
                queue=queue,
            ),
            outcomes=OutcomeWaiter(nats, database),
            progress=progress,
            feed=Feed(
                database,
                nats,
                tail_size=self.settings.feed_tail_events,
                heartbeat_seconds=self.settings.heartbeat_seconds,
                standstill=standstill,
            ),
            tables=tables,
            table_errors=lambda: tables.errors,
            limits=Limits(
                max_page=self.settings.max_page,
                max_answer_items=self.settings.max_answer_items,
                max_command_bytes=self.settings.max_command_bytes,
                max_schedule_days=self.settings.max_schedule_days,
                max_live_rows=self.settings.max_live_rows,
                heartbeat_seconds=self.settings.heartbeat_seconds,
                operation_seconds=self.settings.operation_seconds,
            ),
            actor_header=self.settings.actor_header or None,
            now=nats.clock.now,
            standstill=standstill,
            allowances=self._allowances,
            background=database,
            authentication=self._authentication,
            operator_roles=self.settings.roles_of_operators,
            queue=queue,
            connections=lambda: self._streams.connections,
        )
        shared = None
        if self._authentication is not None:
            shared = SharedRevocations(self._authentication, database, nats)
            await shared.load()
        await services.outcomes.start()
        await services.progress.start()
        await self._trusted.load(database)
        self._services = services
        followed = services.feed.followed_position
        works = [services.feed.run(), tables.run(), standstill.run(followed), queue.run()]
        works += [self._trusted.run(database), services.system.run()]
        if self._authentication is not None and shared is not None:
            revoking = RevokingEvents(self.domain, database, services.feed, shared)
            works += [self._authentication.run(), shared.run(), revoking.run()]
        await run_all(*works)

    def _for_operations(self, database: Database) -> Database:
        """Three of five connections are for operations, the others for subscriptions and outcomes."""
        return database.share(
            max(1, self.settings.postgres_connections * 3 // 5),
            max_waiting=self.settings.max_waiting_operations,
            max_wait_seconds=self.settings.postgres_wait_seconds,
        )

    def app(self) -> ASGIApp:
        settings = HttpSettings(
            max_body_bytes=self.settings.max_body_bytes,
            origins=self.settings.allowed_origins,
            requires_preflight=self.settings.require_preflight,
            connection_init_timeout_seconds=self.settings.connection_init_seconds,
            max_subscriptions_per_connection=self.settings.max_subscriptions_per_connection,
            keep_alive_seconds=self.settings.keep_alive_seconds,
            acting=_ACTING.get(self.settings.auth or "none"),
        )
        subgraph = self.settings.federation == "subgraph"
        self._schema = schema = build_schema(
            self.domain,
            trusted=self._trusted,
            subgraph=subgraph,
            hides=self.settings.introspection == "visible",
        )
        return application(
            schema,
            self._connected,
            settings,
            [
                *routes_of(public_health_answers(self.readiness, self.answers, self.warnings)),
                *minting_routes(self.settings),
                *console_routes(
                    keep_alive_seconds=settings.keep_alive_seconds,
                    acting=settings.acting,
                    refusal=refusal_of_the_console(self.settings),
                ),
            ],
            examples_of(self.domain, Naming.of_subgraph(self.domain.name) if subgraph else PLAIN),
            self._streams,
        )

    def own_measures(self, database: Database, nats: Nats) -> list[Measure]:
        services = self._services
        if services is None:
            return []
        rendered = 0 if self._schema is None else self._schema.rendered_events
        return [
            partial(of_submitting, services.submitter, services.outcomes),
            partial(of_the_pool, services.database),
            partial(of_the_queue, self._queue),
            partial(of_the_feed, services.feed, self._streams, rendered),
            partial(of_allowances, self._allowances),
            partial(of_read_tables, services.tables, services.table_errors(), services.progress),
        ]

    def stop(self) -> None:
        super().stop()
        self._streams.end()

    def own_readiness(self) -> Mapping[str, str]:
        return {"feed": "not live yet" if self._services is None else self._services.feed.state}

    def answers(self) -> bool:
        """Whether a client gets more than errors: to read needs Postgres, to accept commands needs NATS."""
        if self._services is None or self.stopping:
            return False
        reads = self._services.database.circuit.unreachable is None
        return reads or self._services.nats.circuit.outage is None

    def warnings(self) -> Mapping[str, str]:
        """Full queues, and projections that have stopped: other operations work, so the API stays ready."""
        queue = {} if self._queue is None else self._queue.warnings
        keys = {} if self._authentication is None else self._authentication.warnings
        services = self._services
        if services is None:
            return {**queue, **keys}
        stopped = {name: services.progress.stopped(name) for name in self.domain.projections}
        return {**queue, **keys, **{f"projection {name}": str(why) for name, why in stopped.items() if why}}

    def _connected(self) -> Services:
        if self._services is None:
            if self.waits_for:
                raise NotServing("set back", self.waits_for, _SET_BACK_RETRY_SECONDS)
            raise NotServing("starting", "this process has not reached Postgres and NATS yet")
        return self._services


def authentication_by(settings: Settings) -> Authentication | None:
    """What verifies tokens. None if everyone may ask. Raises SettingsError. It imports what it needs."""
    if settings.auth is None:
        raise SettingsError(
            "COMMANDER_AUTH is not set: set it to jwt, with the key of tokens (docs/rights.md), or "
            "to none if everyone who reaches this API may do everything"
        )
    if settings.auth == "none":
        return None
    from commander.parts.authentication import authentication_of

    return authentication_of(settings)


def minting_routes(settings: Settings) -> list[BaseRoute]:
    """The route that mints tokens for GraphiQL, in development alone."""
    if settings.auth != "dev":
        return []
    from commander.parts.authentication import mint_of

    return [Route(f"{PATH}/token", minting(mint_of(settings).token), methods=["POST"])]


def refusal_of_the_console(settings: Settings) -> str | None:
    """Why the console cannot ask this API. None if it can."""
    if settings.documents == "trusted":
        return (
            "COMMANDER_DOCUMENTS is trusted, so this API refuses the documents of the console. "
            "Start an API for operators without it."
        )
    if settings.federation == "subgraph":
        return (
            "COMMANDER_FEDERATION is subgraph, so the API has other names than the console asks for. "
            "Start an API for operators without it."
        )
    return None


def routes_of(answers: Answers) -> list[BaseRoute]:
    """The routes of these answers on the port of the API, which is public."""
    return [Route(path, _route(answer)) for path, answer in answers.items()]


def _route(answer: Callable[[], Awaitable[Answer]]) -> Callable[[Request], Awaitable[Response]]:
    async def respond(_: Request) -> Response:
        given = await answer()
        return Response(given.body, given.status, media_type=given.media_type)

    return respond
