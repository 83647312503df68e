"""What comes at once shares a trip, and a far server is not waited for."""

from __future__ import annotations

import asyncio

import pytest

from commander.streaming.grouping import Groups


class Server:
    """It takes groups, and answers when it is told to."""

    def __init__(self, *, largest: int = 100, at_once: int = 8) -> None:
        self.groups: list[list[int]] = []
        self.answer = asyncio.Event()
        self.items = Groups(self._work, largest=largest, at_once=at_once)

    async def _work(self, group: list[int]) -> None:
        self.groups.append(group)
        await self.answer.wait()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.groups) < count:
                await asyncio.sleep(0.001)


async def test_what_comes_at_once_is_one_group_and_a_large_one_is_split() -> None:
    server = Server(largest=2)
    server.answer.set()
    for item in range(5):
        server.items.add(item)
    assert len(server.items) == 5
    await server.until(3)
    assert server.groups == [[0, 1], [2, 3], [4]]
    while len(server.items):
        await asyncio.sleep(0)


async def test_the_next_group_does_not_wait_for_the_answer_to_the_one_before() -> None:
    server = Server()
    for count in range(1, 4):
        server.items.add(count)
        await server.until(count)
    assert server.groups == [[1], [2], [3]]
    assert len(server.items) == 3


async def test_only_so_many_groups_are_under_way() -> None:
    server = Server(at_once=2)
    for count in range(1, 3):
        server.items.add(count)
        await server.until(count)
    server.items.add(3)
    server.items.add(4)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await server.until(3)
    server.answer.set()
    await server.until(3)
    assert server.groups == [[1], [2], [3, 4]]
