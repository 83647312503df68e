"""The rule of a command, before the command is stored."""

from __future__ import annotations

from typing import Any

from commander.domain import CommandType, Domain, Rights, RuleFailed, Verdict
from commander.domain.senders import Sender


def allowed(domain: Domain, rights: Rights, command: Any) -> Sender | None:
    """What travels with a command that the viewer may send, as far as that is known before the state is.

    None if it may not. The rule comes before the constraints and the hooks, so their answers are only for
    who may. Raises RuleFailed; InvalidCommand if the command is invalid, and its rule fails on it.
    """
    type_ = domain.type_of(command)
    assert isinstance(type_, CommandType), "clients send commands"
    try:
        verdict = rights.may_submit(type_, command)
    except RuleFailed:
        type_.check(command)
        raise
    return None if verdict is Verdict.FORBIDDEN else rights.sender(type_, verdict)
