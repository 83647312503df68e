"""Bounds of time that hold on a busy machine: they grow with what an operation takes that needs no server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
import pytest

from tests.faults.customers import Client

SLACK_SECONDS = 1.5
"""Other work of the machine."""
_SLOWED_DOWN = 4
"""How many times longer an operation may take than one that needs no server, when the machine is busy."""
_ROUNDS_SECONDS = 120.0

T = TypeVar("T")


async def ends(client: Client, asking: Awaitable[T]) -> tuple[T, Callable[[float], str]]:
    """The answer to an operation or a wait, and a function that says if it took more than so many seconds.

    The function returns an empty string if it did not. Raises httpx.TransportError.
    """
    (took, answer), (usual, _) = await asyncio.gather(_timed(asking), _timed(client.ask("{ __typename }")))

    def late(seconds: float) -> str:
        if took < seconds + SLACK_SECONDS + _SLOWED_DOWN * usual:
            return ""
        return f"it took {took:.1f} s, and one that needs no server {usual:.1f} s"

    return answer, late


async def until_none_is_wrong(turn: Callable[[], Awaitable[list[str]]], what: str) -> None:
    """Takes the turn again until nothing is wrong with it, and fails with what was wrong with the last one.

    A disk that takes two seconds for one sync, or a machine that is busy for so long, may spoil a turn: then
    the other server is silent too, or an answer is late. What is wrong with the product is so in each turn.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _ROUNDS_SECONDS
    while True:
        try:
            wrong = await turn()
        except httpx.TransportError as error:
            wrong = [repr(error)]
        if not wrong:
            return
        if loop.time() > deadline:
            pytest.fail(f"{what}: {wrong}")
        await asyncio.sleep(0.5)


async def _timed(asking: Awaitable[T]) -> tuple[float, T]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await asking
    return loop.time() - began, answer
