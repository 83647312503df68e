"""The files of a client in Python, as texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources

from graphql import GraphQLSchema, build_schema

from commander.domain import Domain
from commander.domain.errors import CommanderError
from commander.schema.python.methods import client_lines
from commander.schema.python.models import Models
from commander.schema.python.type_text import scalars_of
from commander.schema.typescript.operations import Operations

_RUNTIME = "commander.schema.python.runtime"
_CODEC = re.compile(r"[a-z_]\w*(\.[a-z_]\w*)*:[A-Z]\w*")
_HEAD = """\
# Written by `commander client python`. Do not edit: write it again.
# ruff: noqa: E501, RUF001, RUF002, RUF100
"""
_INIT = '''"""The client of a domain. Its types are in models.py."""

from .client import Client, connect
from .runtime.errors import (
    ClientError,
    Cursor,
    CursorLost,
    Interrupted,
    OutcomeUnknown,
    RequestRefused,
)
from .runtime.feed import Feed
from .runtime.live import LiveRow, LiveRows
from .runtime.pages import Page

__all__ = [
    "Client",
    "ClientError",
    "Cursor",
    "CursorLost",
    "Feed",
    "Interrupted",
    "LiveRow",
    "LiveRows",
    "OutcomeUnknown",
    "Page",
    "RequestRefused",
    "connect",
]
'''
_MODELS = '''"""The inputs, enums, rows, events and outcomes of the domain."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import typing
import uuid

from .runtime import codec

'''
_CLIENT = '''"""The client of the domain: its commands, its rows and its feed."""

from __future__ import annotations

import collections.abc
import typing
from collections.abc import AsyncGenerator, Callable, Mapping

import httpx

from . import models, operations
from .runtime import codec
from .runtime.asking import PATIENCE_SECONDS
from .runtime.core import Core
from .runtime.errors import Cursor
from .runtime.feed import Feed
from .runtime.live import LiveRow, LiveRows
from .runtime.pages import Page
from .runtime.transport import Headers, Transport
from .runtime.waiting import Patience
'''
_CLASS = '''

class Client:
    """The client of the domain. Leaving it as a context manager ends its feeds and closes its connections."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.commands = Commands(core)
        self.read = Read(core)
        self.live = Live(core)

    def follow(
        self, after: Cursor | int | None = None, *, filter: models.EventFilter | None = None
    ) -> Feed[models.FeedItem]:
        """The feed: the history behind `after`, then CaughtUp, then what happens. Each event once.

        after: 0 is the beginning of the log. Without it, the feed begins with what happens from now on.
        """
        return self._core.follow(operations.FEED, models.FeedItem, after, filter)

    async def query(
        self,
        document: str,
        variables: Mapping[str, object] | None = None,
        *,
        timeout_ms: int = 5_000,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> dict[str, typing.Any]:
        """The data of a query of your own, as JSON. timeout_ms: how long the API may wait for `atLeast`."""
        given = codec.encoded(variables or {})
        return await self._core.query(document, given, timeout_ms, patience_seconds)

    @property
    def written(self) -> int | None:
        """The highest position that this client has written, which its reads show."""
        return self._core.written

    async def aclose(self) -> None:
        """Ends all feeds and live rows, and closes what this client has opened."""
        await self._core.close()

    async def __aenter__(self) -> typing.Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def connect(
    url: str,
    *,
    headers: Headers | None = None,
    transport: Transport | None = None,
    http: httpx.AsyncClient | None = None,
    silence_seconds: float = 45,
    longest_pause_seconds: float = 10,
    answer_seconds: float = 15,
    on_break: Callable[[Exception], object] = lambda error: None,
) -> Client:
    """The client of this domain. Nothing is sent before it is used.

    url: of the API over HTTP, such as https://example.org/graphql. headers: or a function that gives them for
    each request. transport: for subscriptions; by default Server-Sent Events; see runtime/websocket.py.
    http: connections of your own, which the client does not close. silence_seconds: a stream on which nothing
    comes for so long is given up. longest_pause_seconds: between two attempts to connect a stream.
    answer_seconds: how long an answer may take beyond the time that the API is asked to wait. on_break: gets
    the error of each break.
    """
    patience = Patience(silence_seconds, longest_pause_seconds, on_break)
    core = Core(
        url,
        headers=headers,
        transport=transport,
        http=http,
        patience=patience,
        answer_seconds=answer_seconds,
    )
    return Client(core)
'''


def python_files(domain: Domain, schema: str, with_codecs: Iterable[str] = ()) -> Mapping[str, str]:
    """The text of each file, by its path. schema: that of the domain, in SDL.

    with_codecs: texts such as `Decimal=shop.money:Money`. Raises CommanderError.
    """
    operations = Operations(domain, build_schema(schema))
    codecs = _codecs_of(with_codecs, operations.schema)
    return {
        "__init__.py": _HEAD + _INIT,
        "models.py": _HEAD + _with_imports(_models_head(codecs), Models(operations, codecs).lines()),
        "operations.py": _HEAD + _lines(_operations(operations)),
        "client.py": _HEAD
        + _with_imports(_CLIENT, [*client_lines(operations), *_CLASS.rstrip().splitlines()]),
        "py.typed": "",
        **{f"runtime/{name}": text for name, text in _runtime()},
    }


def _codecs_of(texts: Iterable[str], schema: GraphQLSchema) -> dict[str, str]:
    known, found = scalars_of(schema), dict[str, str]()
    for text in texts:
        scalar, _, path = text.partition("=")
        if scalar not in known or not _CODEC.fullmatch(path):
            names = ", ".join(known)
            raise CommanderError(f"--codec {text}: write SCALAR=MODULE:CLASS; the scalars are {names}")
        found[scalar] = path
    return found


def _models_head(codecs: Mapping[str, str]) -> str:
    """The head of models.py, which imports the modules of the codecs."""
    own = sorted({path.partition(":")[0] for path in codecs.values()})
    imports = "".join(f"import {module}\n" for module in own)
    return _MODELS.replace("\nfrom .runtime", f"\n{imports}\nfrom .runtime" if own else "\nfrom .runtime")


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _with_imports(head: str, lines: Iterable[str]) -> str:
    """The head, without the plain imports that the lines do not use, and the lines."""
    text = _lines(lines)
    kept = [
        line
        for line in head.splitlines()
        if not line.startswith("import ") or f"{line.removeprefix('import ')}." in text
    ]
    return _lines(kept) + text


def _operations(operations: Operations) -> Iterator[str]:
    yield '"""The documents that the client sends."""'
    yield ""
    yield f"FEED = {json.dumps(operations.feed())}"
    yield from _documents("COMMANDS", ((name, operations.command(name)) for name in operations.commands))
    queries = [found for rows in operations.rows for found in operations.queries(rows)]
    past = [(rows.at, operations.past(rows)) for rows in operations.rows if rows.past]
    yield from _documents("QUERIES", queries + past)
    yield from _documents("LIVE", (found for rows in operations.rows for found in operations.live(rows)))


def _documents(name: str, documents: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f"{name}: dict[str, str] = {{"
    yield from (f'    "{field}": {json.dumps(document)},' for field, document in documents)
    yield "}"


def _runtime() -> Iterator[tuple[str, str]]:
    """(name, text) of each module that is the same for each domain. Its imports become relative."""
    for path in sorted(resources.files(_RUNTIME).iterdir(), key=lambda path: path.name):
        if path.name.endswith(".py"):
            yield path.name, _HEAD + path.read_text("utf-8").replace(f"from {_RUNTIME}.", "from .")
