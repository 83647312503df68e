"""Identity as a developer and an operator meet it: `commander dev` with tokens, revocations over NATS."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import nats
import pytest
from playwright.async_api import expect
from websockets.exceptions import ConnectionClosed

from tests.clusters import Clusters
from tests.e2e.api_process import Api, api_beside
from tests.e2e.console import Console
from tests.e2e.graphiql import Browsed
from tests.e2e.sockets import Socket, socket_to, subscribe
from tests.forking import fork_server
from tests.system import NO_TLS, System
from tests.tokens import SECRET, bearer, secret_token

OPEN = 'mutation { openAccount(input: {owner: "Ada"}) { __typename commandId } }'
TELLER = ("--role", "teller", "--role", "operator")
FOLLOW = 'subscription { events(after: "0") { __typename } }'


@pytest.fixture(scope="module")
def signed(clusters: Clusters) -> Iterator[System]:
    """The bank under `commander dev` with its own key."""
    with System(clusters.copy("signed"), COMMANDER_AUTH="dev") as running:
        yield running


def printed_token(system: System, *arguments: str, **environment: str) -> str:
    """What `commander token` prints with the key of this system."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("COMMANDER_")}
    command = ["token", *arguments]
    if not environment:
        command += ["--data-dir", str(system.data_dir)]
    ended = fork_server().run(command, {**inherited, **environment})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("\n") == 1
    return ended.stdout.strip()


def ask(url: str, document: str, token: str | None) -> httpx.Response:
    headers = {} if token is None else bearer(token)
    return httpx.post(url, json={"query": document}, headers=headers, timeout=30, verify=NO_TLS)


def actor_of_opening(system: System, token: str) -> str | None:
    """Opens an account: who did it, as the API shows it."""
    applied = ask(system.url, OPEN, token).json()["data"]["openAccount"]
    assert applied["__typename"] == "CommandApplied"
    question = f'{{ command(commandId: "{applied["commandId"]}") {{ actor }} }}'
    actor: str | None = ask(system.url, question, token).json()["data"]["command"]["actor"]
    return actor


def test_dev_without_a_word_runs_without_tokens_and_says_so(system: System) -> None:
    [line] = [line for line in system.log.read_text().splitlines() if "authentication" in line]
    assert "none: everyone may do everything" in line
    assert system.settings["COMMANDER_AUTH"] == "none"


def test_a_token_of_the_command_line_is_accepted_and_its_subject_is_the_actor(signed: System) -> None:
    assert actor_of_opening(signed, printed_token(signed, "--subject", "alice", *TELLER)) == "alice"
    sourced = printed_token(signed, "--subject", "bob", *TELLER, **signed.settings)
    assert actor_of_opening(signed, sourced) == "bob"
    nobody = ask(signed.url, OPEN, None).json()["data"]["openAccount"]
    assert nobody["__typename"] == "CommandForbidden"
    refused = ask(signed.url, OPEN, secret_token("alice"))
    assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (
        401,
        "UNAUTHENTICATED",
    )
    short = printed_token(signed, "--subject", "alice", "--minutes", "0.001")
    assert ask(signed.url, OPEN, short).json()["errors"][0]["extensions"]["code"] == "TOKEN_EXPIRED"


def test_the_key_is_this_user_s_alone_and_stays(signed: System) -> None:
    key = signed.data_dir / "auth-key"
    assert key.stat().st_mode & 0o777 == 0o600
    token = printed_token(signed, "--subject", "alice", *TELLER)
    assert len(key.read_text().strip()) >= 32
    signed.stop()
    signed.start()
    assert actor_of_opening(signed, token) == "alice"


def newest_actor(system: System, token: str) -> str | None:
    """Who sent the newest command."""
    newest = ask(system.url, "{ commands(first: 1) { edges { node { actor } } } }", token).json()["data"]
    edges = newest["commands"]["edges"]
    actor: str | None = edges[0]["node"]["actor"] if edges else "nothing was sent"
    return actor


async def following(system: System | Api, token: str) -> tuple[Socket, asyncio.Task[None]]:
    """A socket that has begun to follow the log, and the task that holds it open."""
    ready: asyncio.Future[Socket] = asyncio.get_running_loop().create_future()

    async def hold() -> None:
        async with socket_to(system, init=False) as socket:
            await socket.send({"type": "connection_init", "payload": bearer(token)})
            assert (await socket.receive())["type"] == "connection_ack"
            await socket.send(subscribe(FOLLOW))
            await socket.receive()
            ready.set_result(socket)
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    async with asyncio.timeout(30):
        while not ready.done():
            assert not holding.done(), holding.result()
            await asyncio.sleep(0.01)
    return ready.result(), holding


async def ended_with(socket: Socket) -> tuple[int, list[dict[str, object]]]:
    """The code with which the server closes the socket, and the errors before it."""
    errors: list[dict[str, object]] = []
    try:
        while True:
            message = await socket.receive()
            errors += message.get("payload", {}).get("errors", [])
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return closed.rcvd.code, errors


async def test_a_revocation_reaches_every_api_process_also_one_that_starts_later(
    signed: System, tmp_path: Path
) -> None:
    alice = await asyncio.to_thread(printed_token, signed, "--subject", "alice", *TELLER)
    bob = await asyncio.to_thread(printed_token, signed, "--subject", "bob", *TELLER)
    connection = await nats.connect(signed.settings["COMMANDER_NATS_URL"])
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with api_beside(signed, tmp_path / "one") as beside:
        streams = [await following(api, alice) for api in (signed, beside)]
        other, holding = await following(beside, bob)
        await connection.publish("commander.revoked", b'{"not": "a subject"}')
        await connection.publish("commander.revoked", b"alice")
        await connection.flush()
        for socket, held in streams:
            code, errors = await ended_with(socket)
            assert code == 4403
            assert [error["extensions"] for error in errors] == [{"code": "TOKEN_EXPIRED"}]
            held.cancel()
        for url in (signed.url, beside.url):
            refused = await asyncio.to_thread(ask, url, OPEN, alice)
            assert refused.json()["errors"][0]["message"] == "the token was revoked"
            assert "data" in (await asyncio.to_thread(ask, url, OPEN, bob)).json()
        await other.send(subscribe("{ __typename }", id="2"))
        while (await other.receive()).get("id") != "2":
            pass
        holding.cancel()
        with api_beside(signed, tmp_path / "two") as later:
            refused = await asyncio.to_thread(ask, later.url, OPEN, alice)
            assert refused.json()["errors"][0]["message"] == "the token was revoked"
    await connection.close()


async def test_an_api_with_a_wrong_key_or_without_a_word_does_not_start(
    signed: System, tmp_path: Path
) -> None:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("COMMANDER_")}
    settings = {**inherited, **signed.settings, "COMMANDER_PORT": "0"}
    for changed, reason in (
        ({"COMMANDER_AUTH": "jwt", "COMMANDER_AUTH_SECRET_FILE": ""}, "COMMANDER_AUTH=jwt needs a key"),
        ({"COMMANDER_AUTH": "all"}, "COMMANDER_AUTH='all': must be one of none, dev, jwt"),
        ({"COMMANDER_AUTH_SECRET": SECRET}, "are set: tokens have one issuer"),
    ):
        ended = await asyncio.to_thread(fork_server().run, ["api"], {**settings, **changed}, tmp_path)
        assert ended.returncode == 1 and ended.stderr.startswith("commander: ")
        assert reason in ended.stderr and SECRET not in ended.stderr
    settings.pop("COMMANDER_AUTH")
    ended = await asyncio.to_thread(fork_server().run, ["api"], settings, tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.startswith("commander: COMMANDER_AUTH is not set")


async def test_graphiql_acts_as_somebody(signed: System, browsed: Browsed) -> None:
    page = browsed.page
    token = await asyncio.to_thread(printed_token, signed, "--subject", "operator", *TELLER)
    await browsed.open(signed.url)
    await page.get_by_label("roles").fill("teller operator")
    for subject in ("alice", "carol"):
        await page.get_by_label("subject").fill(subject)
        await browsed.choose("OpenAccount")
        await browsed.execute()
        async with asyncio.timeout(30):
            while await asyncio.to_thread(newest_actor, signed, token) != subject:
                await asyncio.sleep(0.05)

    await browsed.choose("Feed")
    await browsed.execute()
    await expect(browsed.items.first).to_contain_text("CaughtUp")
    stored = json.loads(await page.evaluate("() => JSON.stringify(localStorage)"))
    assert "eyJ" not in json.dumps(stored), "a token is stored"
    assert browsed.complaints == []


async def test_the_console_shows_what_whom_it_acts_as_may_see(signed: System, browsed: Browsed) -> None:
    token = await asyncio.to_thread(printed_token, signed, "--subject", "operator", *TELLER)
    await asyncio.to_thread(actor_of_opening, signed, token)
    console = Console(browsed, signed)
    await console.open("/log")
    await expect(console.page.get_by_text("No event matches yet.")).to_be_visible()
    await console.part("Subject").fill("carol")
    await console.part("Roles").fill("teller operator")
    await console.page.get_by_role("button", name="Act as").click()
    await expect(console.rows.first).to_contain_text("AccountOpened")
    await console.looks_right("acting")
    stored = await console.page.evaluate("() => JSON.stringify(localStorage)")
    assert "carol" in stored
    assert "eyJ" not in stored, "a token is stored"
    console.asked_only_its_own_origin()
