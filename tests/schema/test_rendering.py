"""The feed's own rendering says, to the byte, what graphql-core would say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from commander import BigInt, Domain
from commander.eventstore.log.epochs import Epoch, Epochs
from commander.eventstore.records import RecordedEvent
from commander.examples.bank import bank
from commander.resolvers.services import Limits
from commander.schema.build import build_schema
from commander.schema.context import Context
from commander.schema.execution.following import Followed
from commander.schema.execution.rendering import Renderer
from commander.streaming.feed.fan_out import CaughtUp, FeedItem, Heartbeat
from tests.domain.everything import Colour, Everything, Kind, Line, Price, Size, values
from tests.drawing import examples
from tests.e2e.vault import Kept, vault

ENVELOPE = (
    "position stream version aggregate type schemaVersion recordedAt commandId correlationId "
    "causationPosition logEpoch id"
)
VALUE = (
    "text truth whole big real exact identity moment day hour colour size kind numbers bigs gaps nested "
    "maybeText maybeExact maybeColour line { ...L } lines { ...L } maybeLine { ...L } maybeLines { ...L }"
)
DOCUMENTS = [
    f"""subscription {{ events {{ __typename position ... on Event {{ {ENVELOPE} }}
        ... on Kept {{ thingId copies everything {{ __typename {VALUE} }} }}
        ... on UnreadableEvent {{ reason }} }} }}
        fragment L on Line {{ note colours price {{ amount currency }} }}""",
    """subscription ($deep: Boolean = true) { feed: events(after: "0") {
        at: position kind: __typename ...K @include(if: $deep) ... on Kept { everything { text } } } }
        fragment K on Kept { copies again: copies everything { line { price { money: amount } } } }""",
    "subscription { events { ... on Event { streamName: stream } ... on Kept { n: copies } } }",
    "subscription { events { ... on CaughtUp { position } ... on Heartbeat { p: position } } }",
]
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)


def renderer(domain: Domain, document: str, **variables: Any) -> Renderer:
    schema = build_schema(domain)
    epochs = Epochs((Epoch(1, 1), Epoch(2, 7)))
    services: Any = SimpleNamespace(
        limits=Limits(), allowances=None, epochs=epochs
    )  # no field of an event asks for more
    admitted = schema.gate.admit(document, variables, None, Context(services))
    followed = schema.followed(admitted)
    assert isinstance(followed, Followed)
    return followed.renderer


def recorded(domain: Domain, event: object, **changes: Any) -> RecordedEvent:
    type_ = domain.type_of(event)
    data = type_.encode(event).decode()
    made = RecordedEvent(7, "thing-1", 3, type_.name, 1, data, UUID(int=1), UUID(int=2), None, NOW)
    return replace(made, **changes)


SOMETHING = Everything(
    "t", True, 1, BigInt(2), 0.5, Decimal("1.0"), UUID(int=3), NOW, NOW.date(), NOW.time(), Colour.RED,
    Size.L, Kind.NEW, Line(Price(Decimal(1)), ()), (), [], (), (), (),
)  # fmt: skip


@pytest.fixture(scope="module", params=DOCUMENTS, ids=range(len(DOCUMENTS)))
def made(request: pytest.FixtureRequest) -> Renderer:
    return renderer(vault, request.param)


@examples(60)
@given(st.builds(Everything, **values), st.integers(0, 2**31 - 1), st.none() | st.integers(1, 2**62))
def test_any_value_of_any_type_is_shown_as_graphql_core_shows_it(
    made: Renderer, everything: Everything, copies: int, causation: int | None
) -> None:
    event = recorded(vault, Kept(UUID(int=9), everything, copies), causation_position=causation)
    rendered, executed = made.render(event), made._executed(event)
    assert rendered.payload == executed.payload
    assert msgspec.json.decode(rendered.payload)["data"] == msgspec.json.decode(rendered.data)


@pytest.mark.parametrize(
    "item",
    [
        CaughtUp(5),
        Heartbeat(2**60),
        recorded(vault, Kept(UUID(int=9), cast(Any, None), 1)),  # unreadable: it lacks everything
        RecordedEvent(3, "x-1", 1, "Forgotten", 1, "{}", UUID(int=1), UUID(int=1), None, NOW),
        RecordedEvent(
            3, "reaction-1", 1, "ReactionRejected", 1,
            '{"reactor":"r","command_type":"Keep","code":"NO","message":"no"}',
            UUID(int=1), UUID(int=1), 2, NOW,
        ),
    ],
    ids=lambda item: type(item).__name__,
)  # fmt: skip
def test_items_that_are_no_events_of_the_domain_are_shown_as_graphql_core_shows_them(
    made: Renderer, item: FeedItem
) -> None:
    assert made.render(item).payload == made._executed(item).payload


def test_nothing_is_executed_for_what_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    made = renderer(bank, "subscription { events { position ... on AccountOpened { owner } } }")
    monkeypatch.setattr(made, "_executed", None)
    event = RecordedEvent(
        4, "account-1", 1, "AccountOpened", 1,
        '{"account_id":"00000000-0000-0000-0000-000000000001","owner":"Ada"}',
        UUID(int=1), UUID(int=1), None, NOW,
    )  # fmt: skip
    assert json.loads(made.render(event).payload) == {"data": {"events": {"position": "4", "owner": "Ada"}}}


def test_a_value_without_a_form_in_graphql_is_an_error_as_graphql_core_tells_it() -> None:
    made = renderer(vault, "subscription { events { position ... on Kept { copies } } }")
    event = recorded(vault, Kept(UUID(int=9), SOMETHING, 1))
    too_large = replace(event, data=event.data.replace('"copies":1', '"copies":9999999999'))
    rendered = made.render(too_large)
    assert rendered.payload == made._executed(too_large).payload
    [error] = json.loads(rendered.payload)["errors"]
    assert error["path"] == ["events", "copies"]
    assert error["extensions"] == {"code": "UNREADABLE"}
    assert made.render(event).errors == ()
