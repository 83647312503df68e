"""The codes of rejections: an enum for each command that clients send, and its field of CommandRejected."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

import strawberry

from commander.domain import CommandType, Domain
from commander.resolvers.ending import CANCELLED
from commander.schema.names import uncapitalized
from commander.schema.types.field_types import TypeMap

logger = logging.getLogger("commander.api")

_UNKNOWN = "UNKNOWN"
_NAME = re.compile("(?!(true|false|null)$)[A-Za-z][A-Za-z0-9_]*")
_OF_THE_API = {
    CANCELLED: "It was cancelled while it was queued or scheduled.",
    _UNKNOWN: "A code that is not in this enum: see `code`. Codes can be added to the enum at any time.",
}

_REFUSED = "A rule of the domain refused the command."


class _Codes(NamedTuple):
    """The field of a command, and the members of its enum by their codes."""

    field: str
    members: Mapping[str, Enum]


class RejectionCodes:
    """The enums of one schema. fields: what they add to the type CommandRejected."""

    def __init__(self, domain: Domain, types: TypeMap) -> None:
        self.fields: dict[str, Any] = {}
        self._annotations: dict[str, Any] = {}
        self._of: dict[str, _Codes] = {}
        self._logged: set[tuple[str, str]] = set()
        for type_ in domain.commands.values():
            if not type_.internal:
                self._add(type_, domain.rejection_codes[type_.name], types)

    @property
    def namespace(self) -> dict[str, Any]:
        """What the class of CommandRejected has in addition."""
        return {"__annotations__": self._annotations, **self.fields}

    def shown(self, command: str, code: str) -> dict[str, Enum]:
        """The value of the field for a rejection, by its name. Empty for a command that no client sends.

        command: its present name.
        """
        codes = self._of.get(command)
        if codes is None:
            return {}
        if code not in codes.members and (command, code) not in self._logged:
            self._logged.add((command, code))
            logger.warning(
                "%s was rejected with %s, which clients see as %s: declare it, @domain.command(rejects=(…))",
                command,
                code,
                _UNKNOWN,
            )
        return {codes.field: codes.members.get(code, codes.members[_UNKNOWN])}

    def _add(self, type_: CommandType, found: Mapping[str, str], types: TypeMap) -> None:
        name, field = f"{type_.name}RejectionCode", f"{uncapitalized(type_.name)}Code"
        types.claim(name, type_.where)
        own = sorted(code for code in found.keys() - _OF_THE_API.keys() if _NAME.fullmatch(code))
        values = [_value(code, found[code] or _REFUSED) for code in own]
        values += [_value(code, text) for code, text in _OF_THE_API.items()]
        members: Any = Enum(name, {f"c{number}": value for number, value in enumerate(values)})  # type: ignore[misc]
        made: Any = strawberry.enum(
            members, name=name, description=f"Why a command {type_.name} was rejected."
        )
        description = f"Of a command {type_.name}: its code. Null for every other command."
        self.fields[field] = strawberry.field(name=field, default=None, description=description)
        self._annotations[field] = made | None
        self._of[type_.name] = _Codes(field, {member.value: member for member in made})


def _value(code: str, description: str) -> Any:
    return strawberry.enum_value(code, name=code, description=description)
