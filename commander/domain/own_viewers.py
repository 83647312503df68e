"""`@domain.viewer`: the viewer that a domain makes for its own rules."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import msgspec

from commander.domain.errors import DefinitionError, RuleFailed
from commander.domain.guarding import guarded
from commander.domain.handlers import hints_of
from commander.domain.senders import Sender
from commander.domain.source import running, where_is
from commander.domain.viewers import Viewer

_encoder = msgspec.json.Encoder(decimal_format="string", order="sorted")


class UnreadableViewer(RuleFailed):
    """The stored viewer of a command cannot be read by this code. Other code may read it."""


@dataclass(frozen=True)
class OwnViewer:
    """The function that makes a domain's own viewer. made: the class of its results. where: file:line."""

    function: Callable[[Viewer], Any]
    made: Any
    where: str

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(self.made)

    def of(self, viewer: Viewer) -> Any:
        """The domain's own viewer. Raises RuleFailed if the function raises or returns something else."""
        own = guarded(lambda: self.function(viewer), f"the viewer function {self.function.__name__}")
        if isinstance(self.made, type) and not isinstance(own, self.made):
            problem = f"returned {type(own).__name__}, not {self.made.__name__}"
            raise RuleFailed(f"the viewer function {self.function.__name__} {problem}")
        return own

    def encode(self, own: Any) -> str:
        """The viewer as JSON. Raises RuleFailed if it would not be read back as it is."""
        data: bytes = guarded(lambda: _encoder.encode(own), f"storing the viewer {type(own).__name__}")
        if self.decode(data) != own:
            raise RuleFailed(f"the viewer {type(own).__name__} would be read back with a difference")
        return data.decode()

    def decode(self, data: bytes | str) -> Any:
        """The viewer from its JSON. Raises UnreadableViewer."""
        try:
            return guarded(lambda: self._decoder.decode(data), "reading the viewer")
        except RuleFailed as error:
            raise UnreadableViewer(str(error)) from error


def seen_by_rules(sender: Sender, own: OwnViewer | None) -> Any:
    """The viewer that the rules see of who sent a command. Raises UnreadableViewer."""
    if (own is None) != (sender.own is None):
        has, had = ("a", "none") if own is not None else ("no", "one")
        raise UnreadableViewer(
            f"this code has {has} viewer function, and the code that sent the command had {had}"
        )
    if own is not None and sender.own is not None:
        return own.decode(sender.own)
    claims = {} if sender.claims is None else msgspec.json.decode(sender.claims)
    return Viewer(sender.subject, frozenset(sender.roles), MappingProxyType(claims))


def own_viewer(function: Callable[..., Any]) -> OwnViewer:
    """Checks the function. Raises DefinitionError."""
    if not inspect.isfunction(function):
        raise DefinitionError(running(), f"{function!r:.80}: @viewer decorates a function")
    where, name = where_is(function), function.__name__
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise DefinitionError(where, f"{name} must be a plain function, not async and not a generator")
    if len(inspect.signature(function).parameters) != 1:
        raise DefinitionError(where, f"{name} must take one parameter, the Viewer")
    made = hints_of(function, where, name).get("return")
    if made is None or made is type(None):
        raise DefinitionError(where, f"{name}: annotate the class of the viewer that it returns")
    if dataclasses.is_dataclass(made) and not made.__dataclass_params__.frozen:  # type: ignore[union-attr]
        raise DefinitionError(where, f"{name}: {made.__name__} must be frozen")  # type: ignore[union-attr]
    try:
        msgspec.json.schema(made)
    except TypeError as error:  # a class of the author's that JSON has no form for
        problem = f"{getattr(made, '__name__', made)} cannot be stored with a command: {error}"
        raise DefinitionError(where, f"{name}: {problem}") from error
    return OwnViewer(function, made, where)
