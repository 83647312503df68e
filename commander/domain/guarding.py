"""Calls a function of the domain's author that decides about rights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from commander.domain.errors import HandlerStuck, HandlerTimedOut, RuleFailed


def guarded(function: Callable[[], Any], what: str) -> Any:
    """What the function returns. Raises RuleFailed, with the cause, if it raises."""
    try:
        return function()
    except (HandlerTimedOut, HandlerStuck):
        raise
    except BaseException as error:  # even SystemExit is the failure of one request
        raise RuleFailed(f"{what} raised {type(error).__name__}: {error}") from error
