"""Where the measured server and its subscribers run: apart, if the machine has two cores.

Everything else (Postgres, NATS, the relay, this process) runs wherever there is room.
"""

from __future__ import annotations

import os
import resource

_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []  # Linux alone
SERVER = _CORES[0] if len(_CORES) > 1 else None
CLIENT = _CORES[1] if len(_CORES) > 1 else None


def allow_many_connections() -> None:
    """As many open files as this machine allows, also for the processes started from here."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
