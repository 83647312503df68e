"""Decides the rule of a command on the state of its stream: whether its sender may send it.

It comes before everything that depends on the state, also before the expected version: who may not send the
command gets the same answer in every state. Pure.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from commander.domain import CommandType, Domain, RuleFailed
from commander.domain.errors import CommanderError, HandlerStuck, HandlerTimedOut
from commander.domain.own_viewers import UnreadableViewer
from commander.domain.rights import FORBIDDEN, FORBIDDEN_MESSAGE
from commander.domain.senders import Sender
from commander.eventstore.records import Status

logger = logging.getLogger("commander.processor")


class NotRefused(CommanderError):
    """This code lacks the rule, or cannot read the viewer, and the code that sent the command has both."""


class Refusal(NamedTuple):
    """Why a command is not allowed, as it is stored."""

    status: Status
    code: str
    message: str


def refusal_by_rule(
    domain: Domain, type_: CommandType, sender: Sender, command: Any, state: Any, *, same_code: bool
) -> Refusal | None:
    """Why the sender may not send the command in this state; None if it may.

    same_code: this code sent the command, or it is not known which did. Raises NotRefused.
    """
    if type_.allow is None and not same_code:
        raise NotRefused(f"it has no rule of {type_.name}")
    try:
        own = domain.aggregate_of_command(type_.name).own(state)
        if domain.may_send(type_, sender, command, own):
            return None
        return Refusal(Status.REJECTED, FORBIDDEN, FORBIDDEN_MESSAGE)
    except RuleFailed as error:
        if isinstance(error, UnreadableViewer) and not same_code:
            raise NotRefused(f"it cannot read the viewer of the command: {error}") from error
        logger.error("a command %s: %s", type_.name, error, exc_info=error)
        return Refusal(Status.FAILED, "RULE_FAILED", str(error))
    except (HandlerTimedOut, HandlerStuck) as error:
        logger.exception("the rule of %s timed out", type_.name)
        return Refusal(Status.FAILED, "DECIDER_TIMED_OUT", f"the rule of {type_.name} {error}")
