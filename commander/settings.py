"""The settings of every process, read once from the environment (COMMANDER_…) into a frozen object."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from commander.domain import CommanderError
from commander.eventstore.database import without_password

PREFIX = "COMMANDER_"
_HOST = r"(\[[^\]]*\]|[^:/?#,@\[\]]*)(:\d+)?"
_POSTGRES_URL = re.compile(rf"postgres(ql)?://([^/?#]*@)?{_HOST}(,{_HOST})*([/?].*)?")


class SettingsError(CommanderError):
    """A variable has a value that is not allowed; the message names both."""


def _postgres_url(url: str) -> str:
    if not _POSTGRES_URL.fullmatch(url):
        raise ValueError("must be like postgresql://user:password@host:5432/name; a / in a password is %2F")
    return url


class Settings(BaseSettings):
    """Each field is the variable COMMANDER_<NAME IN CAPITALS>."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    postgres_url: Annotated[str, AfterValidator(_postgres_url)] | None = None
    """Where Postgres is: postgresql://user:password@host:5432/name. `commander dev` starts its own."""
    nats_url: str | None = None
    """Where NATS is: nats://host:4222, several separated by commas. `commander dev` starts its own."""
    domain: Annotated[str, Field(pattern=r"^\w+(\.\w+)*:\w+$")] = "commander.examples.bank:bank"
    """The domain that the process serves, as module:name."""

    host: str = "127.0.0.1"
    """The address on which the API listens."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """The port on which the API listens; 0 is any free one."""
    health_host: str = "127.0.0.1"
    """The address on which a part answers for its health and its metrics."""
    health_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Where processor, relay, projections and reactors answer for their health; 0 is nowhere."""
    origins: str = ""
    """Other origins whose pages may call the API, separated by commas; * for all."""
    actor_header: str = ""
    """The header in which what stands before the API says who sends a request, like X-Forwarded-User. Set it
    only where clients cannot set that header themselves."""
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    """The least level that is logged."""

    partitions: Annotated[int, Field(ge=1, le=256)] = 8
    """How many partitions the commands are spread over; settled when a system is first started."""
    nats_replicas: Annotated[int, Field(ge=1, le=5)] = 1
    """On how many nodes of a NATS cluster each stream is stored; 3 for production."""
    batch_size: Annotated[int, Field(ge=1, le=5000)] = 500
    """The most commands decided in one transaction."""
    postgres_connections: Annotated[int, Field(ge=1, le=1000)] = 10
    """The most connections in each process's pool; a process holds up to a few more for its locks."""

    max_body_bytes: Annotated[int, Field(ge=1024)] = 1024 * 1024
    """The largest body of a request, and the largest message on a WebSocket."""
    max_command_bytes: Annotated[int, Field(ge=1024, le=900 * 1024)] = 512 * 1024
    """The largest command, as JSON."""
    max_schedule_days: Annotated[int, Field(ge=1, le=36500)] = 366
    """How far away the time of a command may be (`notBefore`)."""
    max_page: Annotated[int, Field(ge=1)] = 500
    """The most items that one page of a list has."""
    max_live_rows: Annotated[int, Field(ge=1)] = 1000
    """The most rows of a live list."""
    max_connections: Annotated[int, Field(ge=1)] = 10_000
    """The most WebSockets and streamed responses that one API process serves at once."""
    max_subscriptions_per_connection: Annotated[int, Field(ge=1)] = 100
    """The most operations that one WebSocket may have under way."""
    connection_init_seconds: Annotated[float, Field(gt=0)] = 10
    """How long a WebSocket may wait before it sends connection_init."""
    ping_seconds: Annotated[float, Field(gt=0)] = 20
    """How often a WebSocket's other end is asked whether it lives."""
    ping_timeout_seconds: Annotated[float, Field(gt=0)] = 20
    """How long it may take to answer that."""
    keep_alive_seconds: Annotated[float, Field(gt=0)] = 15
    """How often a streamed response, and a WebSocket of the legacy protocol, says that it lives."""
    heartbeat_seconds: Annotated[float, Field(gt=0)] = 15
    """How long a subscription may be silent before it says where it stands."""
    feed_tail_events: Annotated[int, Field(ge=1)] = 10_000
    """How many of the newest events each API process keeps in memory for subscribers."""
    shutdown_seconds: Annotated[float, Field(ge=0)] = 10
    """How long requests under way may take to end when a process is told to stop."""

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        return tuple(origin.strip() for origin in self.origins.split(",") if origin.strip())


def read_settings(**overrides: object) -> Settings:
    """The settings from the environment, with those given on the command line; None means not given.

    Raises SettingsError, which names each variable and its value.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = [_told(str(e["loc"][0]), e["input"], e["msg"]) for e in error.errors()]
        raise SettingsError("; ".join(problems)) from None


def _told(name: str, value: Any, problem: str) -> str:
    shown = without_password(value) if isinstance(value, str) else value
    return f"{PREFIX}{name.upper()}={shown!r}: {problem.removeprefix('Value error, ')}"
