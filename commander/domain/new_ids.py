"""The ids that `new_id()` makes. In the code of a reactor, a tick or a hook they derive from its cause.

A reaction is repeated after a crash, and folded again by a replay. Its ids are the same each time, so what a
state remembers is what was sent.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from datetime import datetime
from uuid import UUID, uuid4, uuid5

_CAUSES = UUID("0b6fca0e-6b6b-5a0c-9d4e-6a1f4f0f8a37")


class NewIds:
    """A block in which `next_id` gives ids that derive from a cause and from their order. A context manager.

    cause: what the code runs for; the same text gives the same ids.
    """

    __slots__ = ("_cause", "_count", "_token")

    def __init__(self, cause: str) -> None:
        self._cause = cause
        self._count = 0
        self._token: Token[NewIds | None] | None = None

    def __enter__(self) -> NewIds:
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._token is not None, "it was entered"
        _current.reset(self._token)

    def next(self) -> UUID:
        """The next id."""
        self._count += 1
        return uuid5(_CAUSES, f"{self._cause}:{self._count - 1}")


_current: ContextVar[NewIds | None] = ContextVar("new_ids", default=None)


def next_id() -> UUID:
    """An id: derived inside a block of NewIds, else random."""
    ids = _current.get()
    return uuid4() if ids is None else ids.next()


def ids_of_reaction(reactor: str, position: int) -> NewIds:
    """The ids in a reactor's reaction to the event at this position. reactor: its stored name."""
    return NewIds(f"reaction:{reactor}:{position}")


def ids_of_tick(name: str, tick: datetime) -> NewIds:
    """The ids in the commands of a recurring command at this tick. name: its stored name."""
    return NewIds(f"tick:{name}:{tick.isoformat()}")


def ids_of_hooks(command_id: UUID) -> NewIds:
    """The ids that the hooks of the command with this id make."""
    return NewIds(f"hooks:{command_id}")
