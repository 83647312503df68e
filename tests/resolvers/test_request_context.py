"""Who asks, for every transport and for the command line."""

from __future__ import annotations

import getpass
from dataclasses import replace

import pytest

from commander.resolvers.request_context import RequestContext, from_process
from commander.resolvers.services import Services


@pytest.mark.parametrize(
    ("header", "actor"),
    [
        *((None, None), ("", None), ("ada", "ada"), ("\0", None), ("a\0da", "ada")),
        *(("zoë".encode().decode("latin-1"), "zoë"), ("\xff", "\ufffd")),
    ],
)
async def test_a_request_is_asked_by_whom_the_header_names(
    services: Services, header: str | None, actor: str | None
) -> None:
    named = replace(services, actor_header="x-user")
    headers = {} if header is None else {"x-user": header}
    assert RequestContext[Services].from_headers(named, headers).actor == actor
    assert RequestContext[Services].from_headers(services, headers).actor is None, "no header says who asks"


async def test_an_operation_reads_for_itself_and_keeps_who_asks(services: Services) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    connection = RequestContext[Services].from_headers(services, {"traceparent": trace})
    one, other = connection.for_operation(), connection.for_operation()
    one.extensions["read"] = 1
    assert (connection.extensions, other.extensions) == ({}, {})
    assert (one.traceparent, one.services) == (trace, services)


def test_a_command_line_is_asked_by_the_user_who_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_process("services").actor == getpass.getuser()

    def nameless() -> str:
        raise OSError("no such user")

    monkeypatch.setattr(getpass, "getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 1234)
    assert from_process("services").actor == "user 1234"
