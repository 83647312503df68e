"""Frames made from what is rendered are those that a WebSocket library makes of the same messages."""

from __future__ import annotations

import json

import pytest
from websockets.frames import Frame, Opcode

from commander.schema.execution.rendered import Rendered
from commander.schema.http.frames import NextMessages


def rendered(position: int, size: int) -> Rendered:
    return Rendered(position, json.dumps({"events": "x" * size}).encode())


@pytest.mark.parametrize("size", [0, 1, 40, 60, 100, 126, 1000, 65_400, 65_436, 65_600, 200_000])
@pytest.mark.parametrize("operation", ["1", "8a7c5ab0-66f4-4c15-9e5e-111111111111", 'a "quoted" ü id'])
def test_a_frame_is_that_of_the_whole_message(operation: str, size: int) -> None:
    one = rendered(1, size)
    messages = NextMessages(operation)
    text = messages.text(one)
    assert json.loads(text) == {
        "id": operation,
        "type": "next",
        "payload": {"data": {"events": "x" * size}},
    }
    expected = Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
    assert b"".join(messages.frames([one])) == expected
    assert b"".join(messages.frames([one])) == expected, "also when others have framed it before"


def test_a_page_is_written_in_pieces_that_end_with_a_frame() -> None:
    page = [rendered(n, 1000) for n in range(200)]
    first, second = NextMessages("1"), NextMessages("another")
    for messages in (first, second):
        pieces = list(messages.frames(page))
        whole = b"".join(b"".join(messages.frames([one])) for one in page)
        assert b"".join(pieces) == whole
        assert len(pieces) > 2
        assert all(len(piece) < 70_000 for piece in pieces)
    assert list(first.frames([])) == []
