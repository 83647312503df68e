"""What identity must reach."""

from __future__ import annotations

from bench.identity.ending import ONE_OF_MANY, ended
from bench.identity.verifying import KNOWN
from bench.report import Target

TARGETS = (
    Target(KNOWN, below=30),
    *(Target(f"{ONE_OF_MANY}, {transport}", below=1000) for transport in ("SSE", "WebSocket")),
    *(
        Target(ended(what, transport), below=1000)
        for what in ("a subject is revoked", "all tokens expire")
        for transport in ("SSE", "WebSocket")
    ),
)
