"""The settings of every process. They are read once from the environment (COMMANDER_…)."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from commander.domain import CommanderError
from commander.eventstore.database import without_password
from commander.setting_types import (
    Algorithms,
    DomainReference,
    HttpUrl,
    NatsUrl,
    Networks,
    Origins,
    Port,
    PostgresUrl,
    Rate,
    SystemName,
    demand_on,
    parts_of,
    problem_of_networks,
)

PREFIX = "COMMANDER_"


class SettingsError(CommanderError):
    """A variable has an invalid value. The message names both."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Each field is the variable COMMANDER_<NAME IN CAPITALS>."""

    postgres_url: PostgresUrl | None = None
    """The URL of Postgres: postgresql://user:password@host:5432/name. Unset: `commander dev` starts one."""
    nats_url: NatsUrl | None = None
    """The URL of NATS: nats://host:4222, or several with commas. Unset: `commander dev` starts one."""
    domain: DomainReference = "commander.examples.bank:bank"
    """The domain that the process serves: module:name."""

    system: SystemName | None = None
    """The name of the system, with which its streams and subjects on NATS begin. Unset: the domain's name.

    It is fixed at the first start. Systems on one NATS need different names."""

    host: str = "127.0.0.1"
    """The address on which the API listens."""
    port: Port = 8000
    """The port on which the API listens. 0 means any free port."""
    health_host: str = "127.0.0.1"
    """The address on which a part opens its operators' port."""
    health_port: Port = 0
    """The operators' port of each part. It shows the health in detail, and metrics. 0 means no such port.

    The public port of the API shows only whether the API is ready. `commander dev` uses this port for the API
    and the next ports for the other parts. With 0 it uses free ports."""
    origins: Origins = ""
    """Other origins whose pages may call the API, separated by commas. * means all."""
    require_preflight: bool = False
    """Whether an operation by GET needs a header for which browsers ask first: `Apollo-Require-Preflight`,
    `X-Apollo-Operation-Name`, or `Content-Type: application/json`. Use true if browsers reach the API by
    plain HTTP, or are older than 2023. Then `EventSource` cannot be used."""
    auth: Literal["none", "dev", "jwt"] | None = None
    """Who may ask. The API does not start without it, except in `commander dev`. none: everyone, for
    development, or behind a gateway that authenticates. jwt: who has a token, see [rights.md](rights.md).
    dev: the same, with a key that `commander dev` makes."""
    auth_secret: str | None = None
    """The secret that is shared with the issuer of tokens (HS256), at least 32 bytes."""
    auth_secret_file: str | None = None
    """The file that has this secret. Blanks and line ends around it do not count."""
    auth_public_key: str | None = None
    """The public key of the issuer of tokens, in PEM."""
    auth_public_key_file: str | None = None
    """The file that has this key."""
    auth_jwks_url: HttpUrl | None = None
    """Where the issuer of tokens publishes its keys (JWKS)."""
    auth_issuer: str | None = None
    """The `iss` that tokens must have. If no key is given and no URL of keys, this issuer is asked for them
    (OpenID Connect Discovery)."""
    auth_audience: str = ""
    """The `aud` that tokens must name, or several with commas. Not set: a token must name none. * means any:
    only for an issuer that gives tokens for this API alone."""
    auth_algorithms: Algorithms = ""
    """The algorithms of tokens that are accepted, with commas. Not set: HS256 with a secret, else those of
    the public keys."""
    auth_leeway_seconds: Annotated[float, Meta(ge=0, le=300)] = 0
    """How far the clocks of the issuer and of this process may differ: a token is accepted that long before
    its `nbf` and after its `exp`."""
    auth_subject_claim: str = "sub"
    """The claim of a token that names the subject. A dot leads into an object."""
    auth_roles_claim: str = "roles"
    """The claim that has the roles, as a list or as a text with blanks: `realm_access.roles`, for example."""
    operator_roles: str = "operator"
    """The roles of operators, with commas between them. They see everything and keep the system running."""
    auth_keys_seconds: Annotated[float, Meta(ge=1)] = 300
    """How old the published keys may get before they are fetched again."""
    actor_header: str = ""
    """The header that names the actor of a request, like X-Forwarded-User. A gateway before the API fills it.
    Set this only if clients cannot set that header themselves."""
    federation: Literal["off", "subgraph"] = "off"
    """`subgraph`: the API is part of a graph of several domains, behind a gateway of Apollo Federation."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged."""
    log_format: Literal["text", "json"] = "text"
    """The form of a line of the log: text, or an object of JSON. Neither holds a token or a password."""

    partitions: Annotated[int, Meta(ge=1, le=256)] = 8
    """The number of partitions of commands. It is fixed at the first start of a system."""
    nats_replicas: Annotated[int, Meta(ge=1, le=5)] = 1
    """The number of nodes of a NATS cluster that store each stream. Use 3 in production."""
    batch_size: Annotated[int, Meta(ge=1, le=5000)] = 500
    """The most commands decided in one transaction."""
    postgres_connections: Annotated[int, Meta(ge=1, le=1000)] = 10
    """The most connections in the pool of a process. A process holds a few more for its locks.

    An API process has at least 2, and uses three of five for queries."""

    max_waiting_operations: Annotated[int, Meta(ge=0)] = 5000
    """The most reads of an API process that wait for a connection to Postgres. One more gets OVERLOADED."""
    postgres_wait_seconds: Annotated[float, Meta(gt=0)] = 20
    """How long a read of an API process waits for a connection to Postgres. Then it gets OVERLOADED."""

    queue_max_commands: Annotated[int, Meta(ge=1)] = 500_000
    """The most commands that are queued. Beyond it, and beyond the next two limits, a new command of a client
    gets OVERLOADED. Commands of reactors and of cron expressions are never refused."""
    queue_max_bytes: Annotated[int, Meta(ge=1024)] = 4 * 1024**3
    """The most bytes that the stream COMMANDS has, with its schedules."""
    queue_max_age_seconds: Annotated[float, Meta(gt=0)] = 86_400
    """How long a command may be queued before new ones are refused, also in a partition that waits for other
    code."""

    projection_takeover_seconds: Annotated[float, Meta(ge=0)] = 15
    """How long a projection's serving table may be without a process that keeps it up with the log. After
    that, the table of the code that runs serves in its place. `commander dev` uses 0."""

    max_body_bytes: Annotated[int, Meta(ge=1024)] = 1024 * 1024
    """The largest body of a request, and the largest message on a WebSocket.

    A larger message, up to four times that, is refused alone. One beyond closes the WebSocket."""
    max_command_bytes: Annotated[int, Meta(ge=1024, le=900 * 1024)] = 512 * 1024
    """The largest command, as JSON."""
    max_schedule_days: Annotated[int, Meta(ge=1, le=36500)] = 366
    """How many days in the future the time of a command (`notBefore`) may be."""
    keep_accepted: bool = False
    """Whether a command of a client is stored in Postgres too before its receipt, until it has an outcome.

    If NATS loses its disk, it is then sent again. While Postgres is away, no command is accepted. See
    [A lost NATS](running.md#a-lost-nats) for the price."""
    max_page: Annotated[int, Meta(ge=1)] = 500
    """The most items that one page of a list has."""
    max_answer_items: Annotated[int, Meta(ge=1)] = 50_000
    """The most items that all lists of one answer have together."""
    max_live_rows: Annotated[int, Meta(ge=1)] = 1000
    """The most rows of a live list."""
    max_connections: Annotated[int, Meta(ge=1)] = 10_000
    """The most WebSockets and streamed responses that one API process serves at once. It has twice as many
    connections in all, and no more than its open files allow."""
    max_subscriptions_per_connection: Annotated[int, Meta(ge=1)] = 100
    """The most open operations on one WebSocket."""

    operations_per_second: Rate = 0
    """How many operations one client may begin in a second, on all transports. 0: no limit. A client is the
    one who is signed in, otherwise an address. Each API process counts for itself."""
    commands_per_second: Rate = 0
    """How many commands one client may send in a second. 0: no limit. Each field of a mutation is a command,
    and each command of `submit`."""
    cost_per_second: Rate = 0
    """How many points of cost the operations of one client may have in a second. 0: no limit."""
    burst_seconds: Annotated[float, Meta(gt=0, le=3600)] = 10
    """After a pause, a client may use at once what it may use in so many seconds."""
    max_cost: Annotated[int, Meta(ge=0)] = 0
    """The most points that one operation may cost, computed before it runs. 0: no limit."""
    operation_seconds: Annotated[float, Meta(ge=0)] = 0
    """How long an operation may take. Then it is ended, with what it runs in Postgres. 0: no limit. A
    mutation has the 60 seconds that it may wait in addition; for a subscription each item counts."""
    max_streams: Annotated[int, Meta(ge=0)] = 0
    """How many subscriptions one client may have open in one API process. 0: no limit."""
    documents: Literal["any", "trusted"] = "any"
    """Which documents of GraphQL are run: any, or only trusted ones (`commander documents add`)."""
    introspection: Literal["full", "visible"] = "full"
    """What introspection and the schema as text show: all of the schema, or what the roles of the viewer can
    ever reach. Then the rest is unknown to it in errors and suggestions too. Operators see all."""
    trusted_proxies: Networks = ""
    """The addresses or networks of the gateways before the API, separated by commas. Of a request from one
    of them, the client's address is the last in X-Forwarded-For that is not one of them."""

    request_head_seconds: Annotated[float, Meta(gt=0)] = 15
    """How long a client may take to send the head of a request. For the first one, from the connection."""
    request_body_seconds: Annotated[float, Meta(gt=0)] = 60
    """How long a client may take to send the body of a request."""
    idle_seconds: Annotated[float, Meta(gt=0)] = 75
    """How long a connection is kept after an answer without a next request. More than a gateway keeps it."""
    untaken_seconds: Annotated[float, Meta(gt=0)] = 60
    """How long a client may take nothing of what was sent to it. Then its connection ends. Linux only."""
    connection_init_seconds: Annotated[float, Meta(gt=0)] = 10
    """How long a client may take to send connection_init on a WebSocket."""
    ping_seconds: Annotated[float, Meta(gt=0)] = 20
    """How often a ping is sent on a WebSocket."""
    ping_timeout_seconds: Annotated[float, Meta(gt=0)] = 20
    """How long a client may take to answer a ping. On Linux, it has longer while it takes what was
    sent before the ping."""
    keep_alive_seconds: Annotated[float, Meta(gt=0)] = 15
    """How often a keep-alive is sent on a streamed response and on a WebSocket of the legacy protocol."""
    heartbeat_seconds: Annotated[float, Meta(gt=0)] = 15
    """After how long without an item a subscription sends a heartbeat with its position."""
    feed_tail_events: Annotated[int, Meta(ge=1)] = 10_000
    """How many of the newest events each API process keeps in memory for subscribers."""
    handler_seconds: Annotated[float, Meta(gt=0, le=86400)] = 10
    """How long one call of the domain's code may take: of a decider, a handler, a hook. A longer call is
    interrupted. Effects have a timeout each instead."""
    loop_blocked_seconds: Annotated[float, Meta(ge=0.05, le=3600)] = 1
    """How long code may block the event loop of a process before it is counted in the metric
    `commander_event_loop_blocks_total` and logged with its stack."""
    reactor_parked_keys: Annotated[int, Meta(ge=0)] = 100
    """How many keys of a reactor may be parked, because an event of them failed. If one more key fails, its
    partition stops. With 0 the partition stops at once."""
    shutdown_seconds: Annotated[float, Meta(ge=0)] = 10
    """How long open requests may take to end when a process stops."""

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        return parts_of(self.origins)

    @property
    def allowed_proxies(self) -> tuple[str, ...]:
        return parts_of(self.trusted_proxies)

    @property
    def roles_of_operators(self) -> frozenset[str]:
        """`operator_roles`, one by one."""
        return frozenset(one.strip() for one in self.operator_roles.split(",") if one.strip())


def read_settings(**overrides: object) -> Settings:
    """The settings from the environment. overrides: those from the command line; None means not given.

    Raises SettingsError, which names each invalid variable and its value.
    """
    read, problems = dict[str, Any](), []
    for field in msgspec.structs.fields(Settings):
        value = overrides.get(field.name)
        if value is None:
            value = os.environ.get(f"{PREFIX}{field.name.upper()}")
        if value is None:
            continue
        try:
            read[field.name] = _converted(value, field.type)
        except msgspec.ValidationError:
            shown = without_password(value) if isinstance(value, str) else value
            problems.append(f"{PREFIX}{field.name.upper()}={shown!r}: {demand_on(field.type)}")
    networks = read.get("trusted_proxies", "")
    if problem := problem_of_networks(networks):
        problems.append(f"{PREFIX}TRUSTED_PROXIES={networks!r}: {problem}")
    if problems:
        raise SettingsError("; ".join(problems))
    return Settings(**read)


def _converted(value: object, kind: Any) -> Any:
    return msgspec.convert(value.strip() if isinstance(value, str) else value, kind, strict=False)


def system_name_of(domain: str) -> str:
    """The name of a system that has none given: the domain's. Raises SettingsError if it cannot be one."""
    try:
        return msgspec.convert(domain, SystemName)
    except msgspec.ValidationError:
        raise SettingsError(
            f"the domain's name {domain!r} cannot be the name of a system on NATS: set "
            f"COMMANDER_SYSTEM, which {demand_on(SystemName)}"
        ) from None
