"""The ids of commands whose clients give none."""

from __future__ import annotations

import time
from uuid import RFC_4122

from commander.streaming.commands.assembling import client_command_id
from commander.streaming.nats.clock import utc_now


def test_ids_are_of_version_7_and_sort_by_the_time_at_which_they_were_made() -> None:
    before = time.time_ns()
    ids = []
    for _ in range(1000):
        ids.append(client_command_id(utc_now()))
        time.sleep(0.000_002)  # no two within the resolution of an id, a microsecond
    after = time.time_ns()
    assert {(one.version, one.variant) for one in ids} == {(7, RFC_4122)}
    assert len(set(ids)) == len(ids)
    assert sorted(ids) == ids
    for one in ids:
        assert before // 1_000_000 <= one.int >> 80 <= after // 1_000_000
