"""Log lines: for people and for programs, and none with a token or a password."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commander.parts.logs import JsonLines, TextLines, without_secrets

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"


def record(message: str, *arguments: object, **given: Any) -> logging.LogRecord:
    made = logging.LogRecord("commander.api", logging.ERROR, __file__, 1, message, arguments, None)
    vars(made).update(given)
    return made


def raised() -> Any:
    try:
        raise ValueError(f"the token {TOKEN} is wrong")
    except ValueError:
        return sys.exc_info()


def as_json(one: logging.LogRecord) -> dict[str, Any]:
    text = JsonLines("api").format(one)
    assert "\n" not in text
    line: dict[str, Any] = json.loads(text)
    return line


def test_a_line_for_programs_is_one_object() -> None:
    one = record("incident %s", "3f9c", incident="3f9c", count=2, odd={"a": 1}, nothing=None)
    line = as_json(one)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "error",
        "part": "api",
        "logger": "commander.api",
        "message": "incident 3f9c",
        "incident": "3f9c",
        "count": 2,
        "odd": "{'a': 1}",
        "nothing": None,
    }


def test_a_traceback_is_a_part_of_the_object() -> None:
    line = as_json(record("incident 1", exc_info=raised()))
    assert line["error"].startswith("Traceback (most recent call last):\n")
    assert "ValueError: the token eyJhbGciOiJIUzI1NiJ9.*** is wrong" in line["error"]


def test_what_is_logged_as_extra_takes_the_place_of_nothing() -> None:
    line = as_json(record("x", part="other", level="other", logger="other"))
    assert (line["part"], line["level"], line["logger"]) == ("api", "error", "commander.api")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer ***"),
        ("authorization: bearer c2VjcmV0LXRva2Vu", "authorization: bearer ***"),
        ("Basic YWRhOnNlY3JldA==", "Basic ***"),
        (f'{{"token": "{TOKEN}"}}', '{"token": "eyJhbGciOiJIUzI1NiJ9.***"}'),
        (f"GET /graphql?access_token={TOKEN}&x=1", "GET /graphql?access_token=eyJhbGciOiJIUzI1NiJ9.***&x=1"),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", "eyJhbGciOiJub25lIn0.***"),
        ("postgresql://ada:secret@db:5432/x", "postgresql://***@db:5432/x"),
        ("nats://ada:se:cr%40et@a,nats://b", "nats://***@a,nats://b"),
        ("nats://token@host", "nats://***@host"),
        ("postgresql://db:5432/x", "postgresql://db:5432/x"),
        ("the basic idea bears fruit at 10:30 by ada@example.org", None),
        ("https://example.org/a:b@c", None),
    ],
)
def test_no_form_of_a_line_has_a_secret(text: str, shown: str | None) -> None:
    expected = text if shown is None else shown
    assert without_secrets(text) == expected
    assert TextLines("api").format(record("%s", text)).endswith(expected)
    line = as_json(record("%s", text, given=text))
    assert (line["message"], line["given"]) == (expected, expected)


@given(
    st.text(),
    st.dictionaries(
        st.text(min_size=1), st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary())
    ),
)
def test_every_record_has_its_line(message: str, given: dict[str, Any]) -> None:
    extra = {key: value for key, value in given.items() if key not in vars(logging.makeLogRecord({}))}
    made = record("%s", message)
    vars(made).update(extra)
    assert isinstance(as_json(made), dict)


@given(st.text(alphabet="eyJ.-_ab:/@BearBasic ", max_size=400))
def test_looking_for_secrets_takes_no_time(text: str) -> None:
    without_secrets(text)


def test_looking_for_secrets_in_a_long_line_takes_no_time() -> None:
    for part in ("eyJaaaaaa.", "bearer ", "://a:", "Basic aaaaaaaa", "://"):
        without_secrets(part * 50_000)
