"""Effects in a system of real processes: through kill -9, retried and dropped by API and command line."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.bank import apply, until
from tests.e2e.parts import Part, Parts
from tests.forking import fork_server
from tests.placed import Placed

FAILURES = """{ effectFailures { effect position state attempts error failedAt actions { deed actor } } }"""


class Post:
    """The parts with the domain mailbox; what was sent stands in a file."""

    def __init__(self, parts: Parts, folder: Path) -> None:
        self._parts = parts
        self._sent = folder / "sent"
        self.mended = folder / "mended"

    def start(self, *names: str, attempts: int = 2) -> list[Part]:
        return self._parts.start(
            *names,
            domain="tests.e2e.mailbox:mailbox",
            SENT=str(self._sent),
            MENDED=str(self.mended),
            ATTEMPTS=str(attempts),
        )

    def sent(self) -> list[tuple[int, str, str]]:
        """(position, key, text) of each sending so far."""
        lines = self._sent.read_text().splitlines() if self._sent.exists() else []
        return [(int(p), key, text) for p, key, text in (line.split(" ", 2) for line in lines)]


@pytest.fixture
def post(parts: Parts, tmp_path: Path) -> Post:
    (tmp_path / "post").mkdir()
    return Post(parts, tmp_path / "post")


def write(api: Part, *texts: str) -> None:
    box = str(uuid4())
    for text in texts:
        apply(api, "writeLetter", {"boxId": box, "text": text})


def until_sent(post: Post, count: int) -> None:
    until(post.sent, lambda sent: len(sent) >= count)


def command_line(parts: Parts, *arguments: str) -> str:
    ended = fork_server().run(["effect-failures", *arguments], {**os.environ, **parts.environment})
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_through_kill_9_every_letter_goes_out_with_one_key_and_history_stays_where_it_is(post: Post) -> None:
    api, _ = post.start("api", "processor")
    write(api, "before there was an effect")
    [effects] = post.start("effects", attempts=4)
    log = effects.process.log
    until(lambda: log.read_text(), lambda text: "continues from position 1" in text)
    for _ in range(3):
        wanted = len(post.sent()) + 3
        write(api, *["slow"] * 12)
        until_sent(post, wanted)
        effects.process.process.kill()  # in the middle
        effects.process.process.wait()
        [effects] = post.start("effects", attempts=4)  # a letter may be hit each time
    until(lambda: len({position for position, _, _ in post.sent()}), lambda count: count == 36)
    sent = post.sent()
    assert {position for position, _, _ in sent} == set(range(2, 38))
    assert len({(position, key) for position, key, _ in sent}) == 36
    assert max(Counter(position for position, _, _ in sent).values()) <= 4, "once, and once a crash"


def test_what_failed_is_listed_and_retried_or_dropped_from_both_sides(post: Post, parts: Parts) -> None:
    api, _, effects = post.start("api", "processor", "effects")
    until(lambda: effects.process.log.read_text(), lambda text: "continues from position 0" in text)
    write(api, "broken", "well", "broken", "broken")
    failed = until(lambda: api.data(FAILURES)["effectFailures"], lambda found: len(found) == 3)
    assert sorted(one["position"] for one in failed) == ["1", "3", "4"]
    first = next(one for one in failed if one["position"] == "1")
    assert {**first, "failedAt": ""} == {
        **{"effect": "send", "position": "1", "state": "FAILED", "attempts": 2, "failedAt": ""},
        **{"error": Placed("ConnectionError: the post office is closed"), "actions": []},
    }
    listed = [line.split("\t")[:4] for line in command_line(parts, "list").splitlines()]
    assert sorted(listed) == [["send", position, "FAILED", "2"] for position in ("1", "3", "4")]
    drop = 'mutation { dropEffect(effect: "send", position: 4) { position state actions { deed } } }'
    dropped = {"position": "4", "state": "DROPPED", "actions": [{"deed": "DROPPED"}]}
    assert api.data(drop) == {"dropEffect": dropped}
    again = api.query('mutation { retryEffect(effect: "send", position: 4) { state } }')
    assert again["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    api.data('mutation { retryEffect(effect: "send", position: 1) { state } }')
    failed = until(
        lambda: api.data(FAILURES)["effectFailures"],
        lambda found: [one["attempts"] for one in found if one["position"] == "1"] == [4],
    )
    assert [one["actions"] for one in failed if one["position"] == "1"] == [
        [{"deed": "RETRIED", "actor": None}]
    ]
    post.mended.touch()
    assert command_line(parts, "retry", "send", "1").startswith("send will be called again")
    assert command_line(parts, "retry", "send", "3")
    until(lambda: api.data(FAILURES)["effectFailures"], lambda found: found == [])
    assert sorted((position, text) for position, _, text in post.sent()) == [
        (1, "broken"),
        (2, "well"),
        (3, "broken"),
    ]
    refused = api.query("{ effectFailures(first: 1001) { effect } }")["errors"][0]["extensions"]
    assert refused == {"code": "BAD_REQUEST", "argument": "first"}
