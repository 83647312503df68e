"""The services that the resolvers use: one instance per API process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

from commander.domain import Domain
from commander.domain.affordances import Affordances
from commander.domain.rights import OPERATORS
from commander.eventstore.database import Database
from commander.eventstore.log.epochs import Epochs
from commander.eventstore.projections.tables import Table
from commander.eventstore.projections.versions import RowVersions
from commander.resolvers.allowances import Allowances
from commander.resolvers.identity.authentication import Authentication
from commander.streaming.commands.outcomes import OutcomeWaiter
from commander.streaming.commands.queue_watch import UNLIMITED, QueueWatch
from commander.streaming.commands.submitting import Submitter
from commander.streaming.feed.feed import Feed
from commander.streaming.live.live import Live
from commander.streaming.nats.clock import utc_now
from commander.streaming.nats.connection import Nats
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.standstill import Standstill
from commander.streaming.system.api_processes import OwnFigures
from commander.streaming.system.watch import SystemWatch


@dataclass(frozen=True)
class Limits:
    """The limits of requests.

    max_page: the most items of a page. max_wait_seconds: the longest wait of a mutation.
    max_batch: the most commands in one request.
    max_events_of_rows: the most events of all rows of a list together.
    max_answer_items: the most items of all lists in an answer.
    max_schedule_days: how far in the future `notBefore` may be.
    max_live_rows: the most rows of a live list.
    heartbeat_seconds: after how long without a change a live list sends a heartbeat.
    operation_seconds: the longest time of an operation; 0: no limit. A mutation has max_wait_seconds more.
    """

    max_page: int = 500
    default_page: int = 50
    max_wait_seconds: float = 60
    max_command_bytes: int = 512 * 1024
    max_batch: int = 100
    max_events_of_rows: int = 10_000
    max_answer_items: int = 50_000
    max_schedule_days: int = 366
    max_live_rows: int = 1000
    heartbeat_seconds: float = 15
    operation_seconds: float = 0


class DatabaseService(Protocol):
    """The services of a resolver that uses only Postgres. The command line has no others."""

    @property
    def database(self) -> Database: ...


class SubmittingService(DatabaseService, Protocol):
    """The services of a resolver that uses Postgres and submits commands."""

    @property
    def submitter(self) -> Submitter: ...


@dataclass(frozen=True)
class Services:
    """All services of an API process.

    database: for operations; it raises Overloaded when too many of them wait. background: for subscriptions;
    None: the same. tables: by the name of the projection. actor_header: the header that names the actor.
    now: the clock that decides whether a command is due. table_errors: what is wrong with the tables that are
    read, by projection. standstill: whether events and rows move with the log. allowances: what the clients
    of this process may use; None: no limits. authentication: who asks; None: everyone may do everything.
    operator_roles: the roles of operators. queue: as this process watches it; None: it is read when it is
    asked for, and never full. connections: how many WebSockets and streamed responses are open.
    """

    domain: Domain
    database: Database
    nats: Nats
    submitter: Submitter
    outcomes: OutcomeWaiter
    progress: ProjectionProgress
    feed: Feed
    tables: Mapping[str, Table]
    limits: Limits
    actor_header: str | None = None
    now: Callable[[], datetime] = utc_now
    table_errors: Callable[[], Mapping[str, str]] = dict
    standstill: Standstill | None = None
    allowances: Allowances | None = None
    background: Database | None = None
    authentication: Authentication | None = None
    operator_roles: frozenset[str] = OPERATORS
    queue: QueueWatch | None = None
    connections: Callable[[], int] = int

    @property
    def epochs(self) -> Epochs:
        """The epochs of the log. A process ends when there is a new one."""
        return self.nats.names.identity.epochs

    @cached_property
    def versions(self) -> RowVersions:
        """Rows of the past, with a cache for long streams."""
        return RowVersions(self.domain, self.database)

    @cached_property
    def affordances(self) -> Mapping[str, Affordances]:
        """The commands that clients send to an aggregate, by its stored name."""
        aggregates = self.domain.aggregates.values()
        return {one.stored_name: Affordances(self.domain, one) for one in aggregates}

    @cached_property
    def system(self) -> SystemWatch:
        """The figures of the whole system."""
        queue = self.queue or QueueWatch(self.nats, UNLIMITED)
        return SystemWatch(self.domain, self.background or self.database, self.nats, queue, self._own_figures)

    def _own_figures(self) -> OwnFigures:
        standing = None if self.standstill is None else self.standstill.of_events()
        return OwnFigures(
            submitted=self.submitter.submitted,
            connections=self.connections(),
            subscribers=self.feed.subscribers,
            feed_position=self.feed.followed_position(),
            problem=None if standing is None else standing.reason,
        )

    @cached_property
    def live(self) -> Live:
        """Rows and their changes."""
        return Live(
            self.domain,
            self.background or self.database,
            self.progress,
            self.tables,
            max_rows=self.limits.max_live_rows,
            heartbeat_seconds=self.limits.heartbeat_seconds,
            standstill=self.standstill,
        )
