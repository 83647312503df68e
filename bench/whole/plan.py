"""What a run does."""

from __future__ import annotations

import re
from dataclasses import dataclass

from commander.domain import CommanderError

KINDS = ("api", "processor", "relay", "projections", "reactors")
_KILL = re.compile(rf"({'|'.join(KINDS)})@(\d+(?:\.\d+)?)s?")


class NoSuchKill(CommanderError):
    """A fault that is not in the form of processor@20s."""


@dataclass(frozen=True)
class Kill:
    """kill -9 of a process of this kind, so many seconds after the beginning of the steady load."""

    kind: str
    after_seconds: float


@dataclass(frozen=True)
class Plan:
    """rate: mutations per second of the steady load, which lasts `seconds`. clients: connections of users.

    watchers: subscribers of all events, meanwhile. steps: the rates up to saturation, each held for
    step_seconds. fans: the numbers of watchers that are compared, each at `rate` for step_seconds. Both may
    be empty. kills: during the steady load; what is killed is started again after restart_seconds.
    """

    rate: float
    seconds: float
    clients: int
    watchers: int
    apis: int
    processors: int
    accounts: int
    steps: tuple[float, ...]
    fans: tuple[int, ...]
    step_seconds: float
    kills: tuple[Kill, ...]
    restart_seconds: float


def kill_of(text: str) -> Kill:
    """The fault that a text such as processor@20s names. Raises NoSuchKill."""
    found = _KILL.fullmatch(text.strip())
    if found is None:
        raise NoSuchKill(f"--kill {text}: give a part and a time, such as processor@20s; {', '.join(KINDS)}")
    return Kill(found[1], float(found[2]))
