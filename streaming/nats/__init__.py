"""NATS: one connection, streams and signals.

clock.py             the clock of NATS, by which everything with a time goes
chunks.py            nats-py's client, with subscriptions that receive messages in lists
connection.py        one NATS connection, and the errors that mean that NATS cannot be reached
names.py             the names of a system's streams and subjects, and its identity
streams.py           the streams COMMANDS and EVENTS, their subjects and partitions
stream_settings.py   what the streams need of their settings, and which of an operator's are refused
publishing.py        publish many messages: separately, or as an atomic batch
ordered_consumer.py  read a stream in order, without gaps
open_requests.py     what a consumer has requested and the server has not sent
direct_get.py        read many messages of a stream with one request
watching.py          find out whether NATS is silent or full
signals.py           the signals on core NATS; a lost signal costs time, never an event
"""

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

_METADATA = "importlib.metadata"
_PARSER = "email.parser"
_NOT_USED = ("nats.js.kv", "nats.js.object_store")
"""The key-value and object stores of JetStream."""


def _import_the_client() -> None:
    """Imports nats-py without importlib.metadata, which it only asks for its own version, without
    email.parser, of which it makes a parser of headers that it does not use, and without its stores.

    The first brings a dozen others, and costs a process 1.4 MiB; the second 0.5 MiB; the stores 0.1 MiB. None
    refuses an import; nats-py would then tell the server the version 0.0.0. aiohttp, which it imports where
    it is installed, may need the first two.
    """
    if _METADATA in sys.modules or find_spec("aiohttp") is not None:
        return
    modules = cast(dict[str, Any], sys.modules)
    instead: dict[str, ModuleType] = {name: _LateModule(name) for name in _NOT_USED}
    if _PARSER not in modules:
        instead[_PARSER] = ModuleType(_PARSER)
        vars(instead[_PARSER])["BytesParser"] = _LateParser
    modules[_METADATA] = None
    modules.update(instead)
    try:
        package = importlib.import_module("nats")
    finally:
        for name in (_METADATA, *instead):
            del modules[name]
    client: Any = importlib.import_module("nats.aio.client")
    client.__version__ = _version_beside(Path(package.__file__ or "").parent.parent) or client.__version__


def _version_beside(packages: Path) -> str | None:
    """The version of nats-py, from the name of a directory that installers make: nats_py-2.16.0.dist-info."""
    found = [path.name for path in packages.glob("nats_py-*.dist-info")]
    return found[0].removeprefix("nats_py-").removesuffix(".dist-info") if len(found) == 1 else None


class _LateModule(ModuleType):
    """A module that is imported when a name that was taken from it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import itself looks for
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return _LateName(self.__name__, name)


class _LateName:
    """A class, a function or a value of a module that is imported when this is used."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def _meant(self) -> Any:
        return getattr(importlib.import_module(self._module), self._name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._meant()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._meant(), name)


class _LateParser:
    """email.parser.BytesParser, imported when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(_PARSER).BytesParser(), name)


_import_the_client()
