"""The same subscription through other servers, each fed from its own memory."""

from __future__ import annotations

from pathlib import Path

from bench.peer_environments import install_node

GRAPHQL_WS = Path(__file__).resolve().parent / "graphql_ws.mjs"


async def install_graphql_ws() -> None:
    await install_node(GRAPHQL_WS.parent)
