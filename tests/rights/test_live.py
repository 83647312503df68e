"""What each viewer is shown while things happen, by each transport: the feed, live lists, a live row."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from uuid import uuid4

from tests.rights.asking import TRANSPORTS
from tests.rights.story import OPERATOR, ROLES, Branch, Exported
from tests.rights.viewing import Viewing
from tests.rights.watching import Watch, shown

BY = [transport for transport, kinds in TRANSPORTS.items() if "subscription" in kinds]
KEYS = {"events": "", "accounts": "accountId", "complaints": "complaintId", "complaint": "complaintId"}
"""Each subscription, with the key of its rows."""


async def test_each_viewer_follows_what_the_table_says(branch: Branch, exported: Exported) -> None:
    complaint = {"complaintId": str(uuid4())}
    told = {"customer": "ada", "text": "new", "note": "of a new one"}
    steps = [
        ("complain", {**complaint, **told}, "complaints"),
        ("handOver", {**complaint, "customer": "bob"}, "complaints"),
        ("deposit", {"accountId": branch.accounts["bob"], "amount": "1"}, "accounts"),
        ("deposit", {"accountId": branch.accounts["ada"], "amount": "2"}, "accounts"),
        ("publish", complaint, "complaints"),
    ]
    viewings = {viewer: Viewing(viewer, exported) for viewer in ROLES}
    given = {"complaint": complaint}
    watches = [
        Watch(branch, transport, viewer, field, **given.get(field, {}))
        for transport in BY
        for viewer in ROLES
        for field in KEYS
    ]
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(watch.begin(stack) for watch in watches))
        operators = {(watch.transport, watch.field): watch for watch in watches if watch.viewer == OPERATOR}
        for mutation, input, changed in steps:
            before = {key: len(watch.seen) for key, watch in operators.items()}
            outcome = await asyncio.to_thread(branch.send, "tom", mutation, input)
            assert outcome["__typename"] == "CommandApplied", outcome
            for (transport, field), watch in operators.items():
                if field in (changed, "events") or (field, changed) == ("complaint", "complaints"):
                    until = before[transport, field]
                    await watch.until(lambda watch=watch, until=until: len(watch.seen) > until)  # type: ignore[misc]
            for watch in watches:
                truth = operators[watch.transport, watch.field].seen
                expected = shown(viewings[watch.viewer], watch.field, KEYS[watch.field], truth)
                await watch.until(lambda watch=watch, expected=expected: len(watch.seen) >= len(expected))  # type: ignore[misc]
                assert watch.seen == expected, f"{watch}, after {mutation}"
        for watch in operators.values():
            assert len(watch.seen) >= 2, f"{watch}: it follows nothing"
