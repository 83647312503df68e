"""Who is to own which partition: all come to the same answer, and nobody gets what its code cannot do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from commander.eventstore.database import Database
from commander.eventstore.locks import Lock, join
from commander.eventstore.sharing import Refusal, Sharing, read_sharing, register, save_refusal, sessions
from commander.examples.bank import bank

AT = datetime(2030, 1, 1, tzinfo=UTC)
CODES = st.sampled_from(["old", "new", "newest", None])


def refusal(partition: int, code: str, *, settled: bool = False) -> Refusal:
    return Refusal("commander processor", partition, code, UUID(int=1), None, "more", AT, settled)


@st.composite
def sharings(draw: st.DrawFn) -> Sharing:
    partitions = draw(st.integers(1, 12))
    members = draw(st.dictionaries(st.integers(1, 9), CODES, min_size=1, max_size=6))
    owners = draw(st.dictionaries(st.integers(0, partitions - 1), st.integers(1, 9)))
    standing_by = draw(st.sets(st.sampled_from(sorted(members))))
    refused = draw(
        st.dictionaries(
            st.tuples(st.integers(0, partitions - 1), st.sampled_from(["old", "new", "newest"])),
            st.booleans(),
        )
    )
    return Sharing(
        partitions,
        members,
        owners,
        [refusal(p, code, settled=settled) for (p, code), settled in sorted(refused.items())],
        frozenset(standing_by),
    )


def loads(assigned: dict[int, int], members: set[int]) -> list[int]:
    return sorted(list(assigned.values()).count(pid) for pid in members)


@given(sharings())
def test_each_partition_has_one_owner_that_can_go_on_in_it_and_waits_only_if_nobody_can(
    sharing: Sharing,
) -> None:
    assigned = sharing.assigned()
    open_refusals = {(r.partition, r.fingerprint) for r in sharing.refusals if not r.settled}
    for partition, pid in assigned.items():
        assert (partition, sharing.members[pid]) not in open_refusals
    without = set(range(sharing.partitions)) - assigned.keys()
    assert without == {waiting.partition for waiting in sharing.waiting()}
    for partition in without:
        assert {(partition, code) for code in sharing.members.values()} <= open_refusals


@given(sharings())
def test_who_stands_by_owns_only_what_no_other_member_can_go_on_in(sharing: Sharing) -> None:
    active = {pid: code for pid, code in sharing.members.items() if pid not in sharing.standing_by}
    for partition, pid in sharing.assigned().items():
        refused = {r.fingerprint for r in sharing.refusals if r.partition == partition}
        assert pid in active or refused.issuperset(active.values())


@given(sharings())
def test_what_has_become_true_does_not_change(sharing: Sharing) -> None:
    assigned = sharing.assigned()
    then = replace(sharing, owners=assigned)
    assert then.assigned() == assigned


@given(sharings())
@example(Sharing(8, {1: "old", 2: "old"}, dict.fromkeys(range(8), 1), []))
@example(Sharing(8, {1: "a", 2: "a", 3: "a"}, {0: 1, 1: 1, 2: 1, 3: 2, 4: 2, 5: 2, 6: 3, 7: 3}, []))
def test_without_refusals_all_are_loaded_evenly_and_owners_keep_their_share(sharing: Sharing) -> None:
    fair = Sharing(sharing.partitions, sharing.members, sharing.owners, [])
    assigned = fair.assigned()
    most = -(-fair.partitions // len(fair.members))
    assert len(assigned) == fair.partitions
    assert max(loads(assigned, set(fair.members))) <= most
    for pid in fair.members:
        owned = [partition for partition, owner in fair.owners.items() if owner == pid]
        kept = [partition for partition in owned if assigned[partition] == pid]
        assert len(kept) == min(most, len(owned))


def test_what_old_code_has_refused_goes_to_the_new_code_and_the_rest_evens_out() -> None:
    members = {1: "old", 2: "new"}
    refused = [refusal(partition, "old") for partition in (0, 1)]
    sharing = Sharing(8, members, dict.fromkeys(range(8), 1), refused)
    assigned = sharing.assigned()
    assert (assigned[0], assigned[1]) == (2, 2)
    assert loads(assigned, {1, 2}) == [4, 4]
    most = Sharing(8, members, {}, [refusal(partition, "old") for partition in range(6)])
    assert [most.assigned()[p] for p in range(8)] == [2] * 6 + [1] * 2


def test_code_whose_refusal_is_settled_is_asked_again_only_when_no_other_is_there() -> None:
    settled = [refusal(0, "old", settled=True)]
    assert Sharing(1, {1: "old", 2: "new"}, {}, settled).assigned() == {0: 2}
    assert Sharing(1, {1: "old"}, {}, settled).assigned() == {0: 1}
    assert Sharing(1, {1: "old"}, {}, settled).waiting() == []


async def test_a_session_is_a_member_with_its_code_as_long_as_it_holds_the_lock(database: Database) -> None:
    code = bank.code
    group = ("commander processor", (Lock.PROCESSORS, 0), Lock.PARTITION, range(8))
    connection = await database.connect("commander processor")
    try:
        await join(connection, Lock.PROCESSORS)
        pid = connection.get_server_pid()
        async with database.connection() as watching:
            assert (await read_sharing(watching, *group)).members == {pid: None}, "it has not told its code"
            await register(connection, "commander processor", code)
            await save_refusal(
                watching, "commander processor", 3, code.fingerprint, "x", command_id=UUID(int=1)
            )
            sharing = await read_sharing(watching, *group)
        assert sharing.members == {pid: code.fingerprint}
        assert [waiting.partition for waiting in sharing.waiting()] == [3]
        [session] = await sessions(database)
        assert (session.pid, session.fingerprint, session.owned) == (pid, code.fingerprint, 0)
        assert (session.commands, session.events) == (list(code.commands), code.events)
    finally:
        await connection.close()
    assert await sessions(database) == []
    async with database.connection() as watching:
        assert (await read_sharing(watching, *group)).members == {}
