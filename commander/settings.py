"""The settings of every process, read once from the environment (COMMANDER_…) into a frozen object."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from commander.domain import CommanderError
from commander.eventstore.database import without_password

PREFIX = "COMMANDER_"
_HOST = r"(\[[^\]]*\]|[^:/?#,@\[\]]*)(:\d+)?"
_POSTGRES_URL = rf"^postgres(ql)?://([^/?#]*@)?{_HOST}(,{_HOST})*([/?].*)?\Z"
_LIKE_A_POSTGRES_URL = "must be like postgresql://user:password@host:5432/name; a / in a password is %2F"

PostgresUrl = Annotated[str, Meta(pattern=_POSTGRES_URL, extra={"demand": _LIKE_A_POSTGRES_URL})]
DomainReference = Annotated[
    str, Meta(pattern=r"^\w+(\.\w+)*:\w+\Z", extra={"demand": "must be like package.module:domain"})
]
Port = Annotated[int, Meta(ge=0, le=65535)]


class SettingsError(CommanderError):
    """A variable has a value that is not allowed; the message names both."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Each field is the variable COMMANDER_<NAME IN CAPITALS>."""

    postgres_url: PostgresUrl | None = None
    """Where Postgres is: postgresql://user:password@host:5432/name. `commander dev` starts its own."""
    nats_url: str | None = None
    """Where NATS is: nats://host:4222, several separated by commas. `commander dev` starts its own."""
    domain: DomainReference = "commander.examples.bank:bank"
    """The domain that the process serves, as module:name."""

    host: str = "127.0.0.1"
    """The address on which the API listens."""
    port: Port = 8000
    """The port on which the API listens; 0 is any free one."""
    health_host: str = "127.0.0.1"
    """The address on which a part opens its operators' port."""
    health_port: Port = 0
    """The operators' port of each part: its health in detail, and its metrics. 0 means no such port.

    The API's own port says only whether the API is ready. `commander dev` gives this port to the API and the
    next ones to the other parts; with 0 it takes free ports."""
    origins: str = ""
    """Other origins whose pages may call the API, separated by commas; * for all."""
    actor_header: str = ""
    """The header in which what stands before the API says who sends a request, like X-Forwarded-User. Set it
    only where clients cannot set that header themselves."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is logged."""

    partitions: Annotated[int, Meta(ge=1, le=256)] = 8
    """How many partitions the commands are spread over; settled when a system is first started."""
    nats_replicas: Annotated[int, Meta(ge=1, le=5)] = 1
    """On how many nodes of a NATS cluster each stream is stored; 3 for production."""
    batch_size: Annotated[int, Meta(ge=1, le=5000)] = 500
    """The most commands decided in one transaction."""
    postgres_connections: Annotated[int, Meta(ge=1, le=1000)] = 10
    """The most connections in each process's pool; a process holds up to a few more for its locks."""

    max_body_bytes: Annotated[int, Meta(ge=1024)] = 1024 * 1024
    """The largest body of a request, and the largest message on a WebSocket."""
    max_command_bytes: Annotated[int, Meta(ge=1024, le=900 * 1024)] = 512 * 1024
    """The largest command, as JSON."""
    max_schedule_days: Annotated[int, Meta(ge=1, le=36500)] = 366
    """How far away the time of a command may be (`notBefore`)."""
    max_page: Annotated[int, Meta(ge=1)] = 500
    """The most items that one page of a list has."""
    max_live_rows: Annotated[int, Meta(ge=1)] = 1000
    """The most rows of a live list."""
    max_connections: Annotated[int, Meta(ge=1)] = 10_000
    """The most WebSockets and streamed responses that one API process serves at once."""
    max_subscriptions_per_connection: Annotated[int, Meta(ge=1)] = 100
    """The most operations that one WebSocket may have under way."""
    connection_init_seconds: Annotated[float, Meta(gt=0)] = 10
    """How long a WebSocket may wait before it sends connection_init."""
    ping_seconds: Annotated[float, Meta(gt=0)] = 20
    """How often a WebSocket's other end is asked whether it lives."""
    ping_timeout_seconds: Annotated[float, Meta(gt=0)] = 20
    """How long it may take to answer that."""
    keep_alive_seconds: Annotated[float, Meta(gt=0)] = 15
    """How often a streamed response, and a WebSocket of the legacy protocol, says that it lives."""
    heartbeat_seconds: Annotated[float, Meta(gt=0)] = 15
    """How long a subscription may be silent before it says where it stands."""
    feed_tail_events: Annotated[int, Meta(ge=1)] = 10_000
    """How many of the newest events each API process keeps in memory for subscribers."""
    shutdown_seconds: Annotated[float, Meta(ge=0)] = 10
    """How long requests under way may take to end when a process is told to stop."""

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        return tuple(origin.strip() for origin in self.origins.split(",") if origin.strip())


def read_settings(**overrides: object) -> Settings:
    """The settings from the environment, with those given on the command line; None means not given.

    Raises SettingsError, which names each variable and its value.
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
            problems.append(f"{PREFIX}{field.name.upper()}={shown!r}: {_demand(field.type)}")
    if problems:
        raise SettingsError("; ".join(problems))
    return Settings(**read)


def _converted(value: object, kind: Any) -> Any:
    return msgspec.convert(value.strip() if isinstance(value, str) else value, kind, strict=False)


def _demand(kind: Any) -> str:
    """What a value of this type must be."""
    metas = [part for part in get_args(kind) if isinstance(part, Meta)]
    if get_origin(kind) is Literal:
        return f"must be one of {', '.join(get_args(kind))}"
    if not metas:  # perhaps of an optional one
        return _demand(get_args(kind)[0]) if get_args(kind) else f"must be of the type {kind.__name__}"
    [meta] = metas
    if meta.extra is not None:
        return str(meta.extra["demand"])
    bounds = {"at least": meta.ge, "more than": meta.gt, "at most": meta.le}
    number = "a whole number" if get_args(kind)[0] is int else "a number"
    told = [
        f"{word} {bound:g}" if isinstance(bound, float) else f"{word} {bound}"
        for word, bound in bounds.items()
        if bound is not None
    ]
    return f"must be {number}, {' and '.join(told)}"
