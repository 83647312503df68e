"""Which media type answers, as RFC 9110 has it; no header, however written, does harm."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strawberry.types.graphql import OperationType

from commander.schema.http.negotiation import (
    EVENT_STREAM,
    GRAPHQL_JSON,
    JSON,
    MULTIPART,
    Accept,
    carrier,
    is_json,
)

APOLLO = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"
URQL = "text/event-stream, multipart/mixed"
words = st.sampled_from(
    [JSON, GRAPHQL_JSON, EVENT_STREAM, MULTIPART, "*/*", "text/*", ";q=", "0.5", ",", '"', "="]
)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (APOLLO, MULTIPART),
        ('multipart/mixed; boundary="graphql"; subscriptionSpec="1.0"', MULTIPART),
        ("multipart/mixed;subscriptionSpec=2.0", None),
        ("multipart/mixed;boundary=other;subscriptionSpec=1.0", None),
        (URQL, EVENT_STREAM),
        ("TEXT/Event-Stream", EVENT_STREAM),
        (f"text/event-stream;q=0.1, {APOLLO}", MULTIPART),
        ("text/*, multipart/*, */*", None),
        ("text/event-stream;q=0", None),
        (JSON, None),
    ],
)
def test_a_subscription_is_carried_by_the_stream_that_is_asked_for(
    accept: str, media_type: str | None
) -> None:
    assert carrier(accept, OperationType.SUBSCRIPTION) == media_type


@pytest.mark.parametrize("accept", ["application/json;q=2", "application/json;q=", "application/json;q=x"])
def test_a_quality_that_is_none_counts_as_not_given(accept: str) -> None:
    assert Accept(f"{GRAPHQL_JSON};q=0.9, {accept}").best((JSON, GRAPHQL_JSON)) == JSON


def test_the_range_that_names_a_type_most_exactly_decides_on_it() -> None:
    accept = Accept("application/json;q=0.1, application/*;q=0.5, */*;q=0.9")
    assert accept.best((JSON, GRAPHQL_JSON)) == GRAPHQL_JSON


@given(st.lists(words | st.text(max_size=5), max_size=30).map("".join))
def test_whatever_the_header_says_the_choice_is_one_of_those_given_or_none(header: str) -> None:
    assert Accept(header).best((JSON, GRAPHQL_JSON, EVENT_STREAM)) in (JSON, GRAPHQL_JSON, EVENT_STREAM, None)


def test_a_very_long_header_is_read_in_no_time() -> None:
    began = time.process_time()
    Accept('*/*;q="' * 10_000).best((JSON, GRAPHQL_JSON, EVENT_STREAM, MULTIPART))
    Accept("a/b;q=0.1," * 10_000).best((JSON, GRAPHQL_JSON, EVENT_STREAM, MULTIPART))
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("content_type", "readable"),
    [
        ("application/json", True),
        ('Application/JSON ; Charset="UTF-8"', True),
        ("application/json; charset=latin-1", False),
        ("application/graphql", False),
        ("application/jsonp", False),
        ("", False),
        (None, False),
    ],
)
def test_a_request_is_read_when_it_is_json_in_utf_8(content_type: str | None, readable: bool) -> None:
    assert is_json(content_type) is readable
