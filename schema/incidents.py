"""Incidents: errors whose text is for operators. A client sees a number, under which the log has the text."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from uuid import uuid4

from commander.domain.errors import Trouble, Unavailable

logger = logging.getLogger("commander.api")

_SAME_SECONDS = 60.0
"""So long an outage keeps its number, and has one line in the log, however many requests meet it."""
_KEPT = 100
_TROUBLES: Mapping[Trouble | None, str] = {
    None: "it could not do this",
    Trouble.AWAY: "it cannot be reached",
    Trouble.REFUSED: "it refuses this process",
    Trouble.SILENT: "it does not answer",
    Trouble.FULL: "its disk is full",
    Trouble.READ_ONLY: "it takes no writes",
}


def unexpected(error: Exception) -> str:
    """Logs an unexpected error with its traceback. Returns the number of the incident."""
    incident = _number()
    logger.error("incident %s", incident, exc_info=error, extra={"incident": incident})
    return incident


class Outages:
    """The numbers of outages. What a driver says of them has addresses and names of users."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[str, float]] = {}

    def shown(self, error: Unavailable) -> tuple[str, str]:
        """What a client is told, and the number under which the log has the reason."""
        message = f"{error.service} is unavailable: {_TROUBLES[error.trouble]}; try again later"
        return message, self.number_of(error)

    def number_of(self, error: Exception) -> str:
        """The number under which the log has the text of this error."""
        now, reason = self._clock(), str(error)
        incident, logged_at = self._known.get(reason, ("", 0.0))
        if not incident or now - logged_at > _SAME_SECONDS:
            incident = _number()
            logger.warning("incident %s: %s", incident, reason, extra={"incident": incident})
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[reason] = incident, now
        return incident


def _number() -> str:
    return uuid4().hex[:12]
