"""The types of commands and events, and their encoding as JSON."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec

from commander.domain.checking import problems_of
from commander.domain.class_bodies import check_body
from commander.domain.defaults import check_defaults
from commander.domain.deprecations import checked_reason
from commander.domain.digests import input_form, own_form, sent_digest, stored_digest
from commander.domain.errors import RAISED, DefinitionError, InvalidCommand, InvalidDecision, UndecodableEvent
from commander.domain.fields import Field, ListType, RecordType, derived_ids, fields_of
from commander.domain.mutability import is_mutable
from commander.domain.names import check_name
from commander.domain.naming import GivenNames, Named
from commander.domain.rules import Allow, Rule, Visibility, command_rule, event_rule
from commander.domain.source import place_of, where_is
from commander.domain.tags import MAX_TAG_BYTES, is_too_long, tag_of

_encoder = msgspec.json.Encoder(decimal_format="string")

# The fields of the GraphQL interface Event. An event's own fields appear beside them.
EVENT_FIELDS = frozenset(
    {"position", "stream", "version", "type", "aggregate", "recorded_at", "command_id", "correlation_id"}
    | {"causation_position", "schema_version", "reactions", "log_epoch", "id"}
)


@dataclass(frozen=True)
class EventType(Named):
    """An event: a fact, named in the past tense.

    version: the schema version stored with each event; increase it when the shape changes.
    deprecated: why clients should no longer use it. visible: who sees it; None: operators alone.
    name, was: see Named. The API shows the name.
    """

    name: str
    cls: type
    version: int
    fields: tuple[Field, ...]
    doc: str
    where: str
    was: tuple[str, ...] = ()
    deprecated: str | None = None
    visible: Rule | None = dataclass_field(default=None, compare=False, repr=False)

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(self.cls)

    @cached_property
    def tagged(self) -> tuple[str, ...]:
        """The names of the fields that are tags."""
        return tuple(field.name for field in self.fields if field.tagged)

    def tags_of(self, event: object) -> tuple[str, ...]:
        """The tags of an event; a field that is None gives none. Raises InvalidDecision for one too long."""
        tags = []
        for name in self.tagged:
            if (value := getattr(event, name)) is not None:
                tags.append(tag := tag_of(name, value))
                if is_too_long(tag):
                    raise InvalidDecision(f"the tag {self.name}.{name} has more than {MAX_TAG_BYTES} bytes")
        return tuple(tags)

    def encode(self, event: object) -> bytes:
        """The JSON that is stored, as UTF-8."""
        return _encoder.encode(event)

    def read_back(self, event: object) -> tuple[bytes, Any]:
        """The JSON that is stored, and the event that is read from it. Raises InvalidDecision."""
        data = self.encode(event)
        try:
            return data, self.decode(data, 0)
        except UndecodableEvent as error:
            raise InvalidDecision(f"{self.name} could not be read back: {error.reason}") from error

    def decode(self, data: bytes | str, position: int) -> Any:
        """The event from its stored JSON. Raises UndecodableEvent with the position and the reason."""
        try:
            return self._decoder.decode(data)
        except RAISED as error:  # a __post_init__ may raise anything
            raise UndecodableEvent(position, self.name, f"{error}{place_of(error)}") from error

    def from_json(self, value: Any, position: int) -> Any:
        """The event from parsed JSON. Raises UndecodableEvent with the position and the reason."""
        try:
            return msgspec.convert(value, self.cls)
        except RAISED as error:  # a __post_init__ may raise anything
            raise UndecodableEvent(position, self.name, f"{error}{place_of(error)}") from error


@dataclass(frozen=True)
class CommandType(Named):
    """A command: a request to change something, named in the imperative.

    doc: the description of its mutation. internal: only reactors send it; it has no mutation.
    deprecated: why clients should no longer send it.
    rejects: the codes that its decider raises; None if the author declares none, see rejection_codes.py.
    allow: who may send it; None: operators alone.
    name, was: see Named. The API shows the name.
    """

    name: str
    cls: type
    internal: bool
    fields: tuple[Field, ...]
    doc: str
    where: str
    was: tuple[str, ...] = ()
    deprecated: str | None = None
    rejects: tuple[str, ...] | None = None
    allow: Rule | None = dataclass_field(default=None, compare=False, repr=False)

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(self.cls)

    @cached_property
    def is_mutable(self) -> bool:
        """Whether the domain's code could change a command in place."""
        return is_mutable(self.cls)

    def encode(self, command: object) -> bytes:
        """The JSON that is stored, as UTF-8."""
        return _encoder.encode(command)

    def decode(self, data: bytes | str) -> Any:
        """The command from its JSON. Raises msgspec.DecodeError and whatever its __post_init__ raises."""
        return self._decoder.decode(data)

    def check(self, command: object) -> None:
        """Raises InvalidCommand if a field breaks a constraint. The error names each such field."""
        problems = problems_of(self.fields, command)
        if problems:
            raise InvalidCommand(tuple(problems))

    def digest(self, command: object, given: Mapping[str, Any] | None = None) -> bytes:
        """The digest of a valid command as it was sent; see digests.py.

        given: the input of a client, with the API's names and parsed values. None: code made the command.
        """
        canonical = self._own_form(command) if given is None else self._input_form(given)
        return sent_digest(self.stored_name, canonical)

    def is_stored_as(self, command: object, command_id: UUID, digest: bytes, data: bytes) -> bool:
        """Whether an earlier version stored this command. digest: over the stored JSON. data: that JSON.

        If a hook changed the command then, only the command with exactly the fields of that time is found.
        """
        if stored_digest(self.stored_name, self.encode(command)) == digest:
            return True
        if stored_digest(self.stored_name, data) != digest:
            return False
        try:
            ids = {name: str(id_) for name, id_ in derived_ids(self.fields, command_id).items()}
            stored: object = msgspec.convert({**ids, **msgspec.json.decode(data)}, self.cls)
        except Exception:  # a __post_init__ may raise anything
            return False
        return self.digest(stored) == self.digest(command)

    @cached_property
    def _own_form(self) -> Callable[[Any], Mapping[str, Any]]:
        return own_form(self.fields)

    @cached_property
    def _input_form(self) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        return input_form(self.fields)


def frozen_dataclass(cls: type) -> type:
    """`cls` itself if it is a frozen dataclass, else a frozen dataclass made from it.

    Raises DefinitionError if it is a mutable dataclass or cannot be made one, and for a mistake in its body.
    """
    check_body(cls)
    if "__dataclass_params__" not in cls.__dict__:
        try:
            return dataclass(frozen=True)(cls)
        except (TypeError, ValueError) as error:
            raise DefinitionError(where_is(cls), f"{cls.__name__}: {error}") from error
    if not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise DefinitionError(where_is(cls), f"{cls.__name__} must be a frozen dataclass")
    return cls


def docstring(cls: type) -> str:
    """The class's own docstring, or "". The signature that dataclass() writes there does not count."""
    doc = cls.__dict__.get("__doc__") or ""
    return "" if doc.startswith(f"{cls.__name__}(") else inspect.cleandoc(doc)


def registered(cls: type) -> Any:
    """The EventType or CommandType of a class that is an event or a command of a domain."""
    _, type_ = cls.__commander__  # type: ignore[attr-defined]
    return type_


def event_type(
    cls: type,
    version: int,
    names: GivenNames,
    deprecated: str | None = None,
    visible: Visibility | None = None,
) -> EventType:
    """Reads and checks an event class. Raises DefinitionError."""
    where = where_is(cls)
    if version < 1:
        raise DefinitionError(where, f"{cls.__name__}: version must be at least 1, got {version}")
    fields = fields_of(cls, EVENT_FIELDS, of_event=True)
    check_defaults(cls, fields)
    checked_reason(deprecated, where, cls.__name__)
    rule = event_rule(visible, fields, where, cls.__name__)
    return EventType(names.name, cls, version, fields, docstring(cls), where, names.was, deprecated, rule)


def command_type(
    cls: type,
    internal: bool,
    names: GivenNames,
    deprecated: str | None = None,
    rejects: Sequence[str] | None = None,
    allow: Allow | None = None,
) -> CommandType:
    """Reads and checks a command class. Raises DefinitionError."""
    where = where_is(cls)
    if isinstance(rejects, str):
        raise DefinitionError(where, f'{cls.__name__}: write rejects=("{rejects}",), with a comma')
    for code in rejects or ():
        check_name(code, where, f"{cls.__name__}: the code {code!r}")
    if not dataclasses.fields(cls):
        problem = "has no fields; a command needs a field with the key of its aggregate"
        raise DefinitionError(where_is(cls), f"{cls.__name__} {problem}")
    fields = fields_of(cls, may_generate=True)
    check_defaults(cls, fields)
    _check_may_be_left_out(cls, fields)
    checked_reason(deprecated, where, cls.__name__)
    if internal and allow is not None:
        problem = "only reactors send an internal command, so nobody needs to be allowed to; leave out allow"
        raise DefinitionError(where, f"{cls.__name__}: {problem}")
    codes, rule = None if rejects is None else tuple(rejects), command_rule(allow, where, cls.__name__)
    return CommandType(
        names.name, cls, internal, fields, docstring(cls), where, names.was, deprecated, codes, rule
    )


def _check_may_be_left_out(cls: type, fields: tuple[Field, ...]) -> None:
    """Raises DefinitionError for a deprecated field that each client of a command must give."""
    for field in fields:
        if field.deprecated is not None and field.required and not field.optional:
            problem = "a deprecated field of an input needs a default, so that clients can leave it out"
            raise DefinitionError(where_is(cls), f"{cls.__name__}.{field.name}: {problem}")
        inner = field.type
        while isinstance(inner, ListType):
            inner = inner.item
        if isinstance(inner, RecordType):
            _check_may_be_left_out(inner.python, inner.fields)
