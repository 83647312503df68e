"""The codes that a command can be rejected with: declared by its author, or found in the code of its decider.

Every command of an aggregate with unique keys can be rejected with NOT_UNIQUE.

Found is each `Rejected("CODE", …)` in the decider, in the guards and the hooks of the command, and in what
they call by name: functions, methods of the state, base classes. A code may be a text, a constant, or one of
the two sides of an `if`. What is computed is not found; the author then declares `rejects=(…)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property

from commander.domain.aggregates import AggregateType
from commander.domain.deciders import DeciderType, StateParameter
from commander.domain.errors import DefinitionError
from commander.domain.hooks import HookedDomain
from commander.domain.messages import CommandType
from commander.domain.unique import NOT_UNIQUE, UniqueRule


class RejectingDomain(HookedDomain, ABC):
    """The part of Domain that knows the codes of rejections; see Domain."""

    deciders: dict[str, DeciderType]

    @abstractmethod
    def _command_classes(self) -> Mapping[type, CommandType]: ...

    @abstractmethod
    def aggregate_of_command(self, name: str) -> AggregateType: ...

    @abstractmethod
    def unique_rules_of(self, command: str) -> Sequence[UniqueRule]: ...

    @cached_property
    def rejection_codes(self) -> Mapping[str, Mapping[str, str]]:
        """The codes of each command, by its name. Each code has the message that it is raised with, with … in
        place of what is computed; "" if there is none. Ask the complete domain.

        Raises DefinitionError if a decider raises a code that the `rejects` of its command does not have.
        """
        from commander.domain.rejection_reading import CodeReader  # most parts never ask

        reader, codes = CodeReader(), dict[str, Mapping[str, str]]()
        for cls, type_ in self._command_classes().items():
            aggregate, decider = self.aggregate_of_command(type_.name), self.deciders.get(type_.name)
            if decider is None:
                found = reader.codes_of(aggregate.decider_functions[cls], aggregate.cls)
            else:
                classes = {state.name: _read_as(state) for state in decider.states}
                found = reader.codes_of(decider.function, None, classes)
            for guard in aggregate.guards.get(cls, ()):
                found = {**reader.codes_of(guard.function, aggregate.cls), **found}
            if type_.rejects is not None:
                if undeclared := sorted(found.keys() - set(type_.rejects)):
                    raiser = "its decider or a guard" if aggregate.guards.get(cls) else "its decider"
                    problem = f"{raiser} raises {', '.join(undeclared)}, which `rejects` does not have"
                    raise DefinitionError(type_.where, f"{type_.name}: {problem}")
                found = {code: found.get(code, "") for code in type_.rejects}
            if rules := self.unique_rules_of(type_.name):
                found = {NOT_UNIQUE: rules[0].rejection.message if len(rules) == 1 else "", **found}
            for hook in (*self.submit_hooks.of(cls), *self.decide_hooks.of(cls)):
                found = {**reader.codes_of(hook.function, None), **found}
            codes[type_.name] = found
        return codes

    def undeclared(self, type_: CommandType, code: str) -> str | None:
        """The problem with a code that clients would see as UNKNOWN. None if they know it, or send no such
        command.
        """
        known = self.rejection_codes[type_.name]
        if type_.internal or code in known:
            return None
        found, declared = ", ".join(sorted(known)), "".join(f'"{one}", ' for one in sorted({*known, code}))
        return (
            f"{type_.name} was rejected with {code}, which is not among its codes ({found}); "
            f"declare them: command(rejects=({declared.rstrip()}))"
        )


def _read_as(state: StateParameter) -> type:
    """A class with the attributes of what a decider takes as this parameter."""
    cls = state.type.cls
    return cls if state.look_up is None else type("Found", (), {"state": cls})
