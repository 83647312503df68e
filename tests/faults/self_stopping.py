"""`commander` in a fork, whose silence is noticed soon, and which can stop itself while it holds the log.

STOPS_AT: at each so many batches that are decided while the log is held, the process stops itself then.
Without it, no process stops itself.
"""

from __future__ import annotations

import os
import signal
from itertools import count

from commander.cli.main import main as commander
from commander.eventstore.database import Connection
from commander.eventstore.presence import Presence
from commander.eventstore.projections.serving import hold_log
from commander.streaming.commands import decided_batches

SILENT_SECONDS = 1.5


def main() -> None:
    given = Presence.__init__.__kwdefaults__
    assert given is not None, "the bounds have defaults"
    given |= {"pause_seconds": 0.25, "silent_seconds": SILENT_SECONDS}
    if stops_at := int(os.environ.get("STOPS_AT", "0")):
        _stop_at(stops_at)
    commander()


def _stop_at(each: int) -> None:
    holds = count(1)

    async def hold_and_stop(connection: Connection) -> int:
        head = await hold_log(connection)
        if next(holds) % each == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
        return head

    decided_batches.hold_log = hold_and_stop  # type: ignore[attr-defined]
