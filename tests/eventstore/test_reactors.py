"""How far reactors have come, by partition, and what they remember."""

from __future__ import annotations

from commander.eventstore.database import Connection, Database
from commander.eventstore.reactions.reactors import (
    Checkpoint,
    ReactorStatus,
    StoredState,
    forget_states,
    load_states,
    reactor_checkpoints,
    reactor_positions,
    reactor_statuses,
    save_reactor,
    save_reactor_error,
)


async def react_up_to(connection: Connection, name: str, position: int, *partitions: int) -> None:
    """Moves a reactor's partitions, only the first where none is named."""
    wanted = partitions or (0,)
    await reactor_checkpoints(connection, name, wanted)
    await save_reactor(connection, name, dict.fromkeys(wanted, position))


async def test_each_partition_goes_on_from_where_it_was(database: Database) -> None:
    async with database.connection() as connection:
        assert await reactor_checkpoints(connection, "clerk", [0, 1]) == {0: (0, 0), 1: (0, 0)}
        await save_reactor(connection, "clerk", {1: 7})
        assert await reactor_checkpoints(connection, "clerk", [1, 2]) == {1: (7, 7), 2: (0, 0)}
        assert await reactor_checkpoints(connection, "other", [1]) == {1: (0, 0)}
    assert await reactor_positions(database) == {"clerk": 0, "other": 0}


async def test_a_reactor_stands_where_its_last_partition_does(database: Database) -> None:
    async with database.connection() as connection:
        await react_up_to(connection, "clerk", 9, 0, 1, 2)
        await save_reactor(connection, "clerk", {1: 12, 2: 10})
        await save_reactor_error(connection, "clerk", 2, 11, "ValueError: second")
        await save_reactor_error(connection, "clerk", 0, 10, "ValueError: first")
        expected = ReactorStatus("clerk", 9, 9, 10, "ValueError: first", 0, 3, 2, 0)
        assert await reactor_statuses(database) == (0, [expected])
        await save_reactor(connection, "clerk", {0: 12})
        expected = ReactorStatus("clerk", 10, 10, 11, "ValueError: second", 0, 3, 1, 0)
        assert await reactor_statuses(database) == (0, [expected])


async def test_what_is_forgotten_is_made_again_before_the_checkpoint_moves(database: Database) -> None:
    async with database.connection() as connection:
        await reactor_checkpoints(connection, "clerk", [0])
        await save_reactor(connection, "clerk", {0: 5}, {"Ada": StoredState("{}", (), 5)})
        await forget_states(connection, "clerk")
        assert await load_states(connection, "clerk", ["Ada"]) == {}
        assert await reactor_checkpoints(connection, "clerk", [0, 1]) == {0: (5, 0), 1: (0, 0)}
        await save_reactor(connection, "clerk", {0: 3})
        [checkpoint] = (await reactor_checkpoints(connection, "clerk", [0])).values()
        assert checkpoint == Checkpoint(5, 3)
        assert checkpoint.is_rebuilding
        await save_reactor(connection, "clerk", {0: 6})
        assert await reactor_checkpoints(connection, "clerk", [0]) == {0: (6, 6)}


async def test_a_reactor_that_is_moved_begins_there_with_all_its_partitions(database: Database) -> None:
    async with database.connection() as connection:
        await react_up_to(connection, "clerk", 2, 0)
        for name in ("clerk", "new"):
            await forget_states(connection, name, position=8)
            assert await reactor_checkpoints(connection, name, [0, 1]) == {0: (8, 0), 1: (8, 0)}
