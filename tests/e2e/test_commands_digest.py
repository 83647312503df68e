"""The same request again, after the domain's code has changed: it gets the first outcome."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.e2e.parts import Part, Parts

OLD, NEW = "tests.e2e.basket_old:basket", "tests.e2e.basket_new:basket"
PLANNED = """mutation ($input: AddInput!, $options: CommandOptions) {
  add(input: $input, options: $options) { __typename ... on CommandApplied { position version } } }"""
BY_GRAPHQL_CORE = """mutation ($input: AddInput!, $options: CommandOptions) {
  add(input: $input, options: $options) @include(if: true) {
    __typename ... on CommandApplied { position version } } }"""
MANY = """mutation ($input: AddInput!, $options: SubmitOptions) {
  submit(commands: [{add: $input}], options: $options) {
    __typename ... on CommandApplied { position version } } }"""


PATIENT = {"timeoutMs": 20_000}


def add(api: Part, input: dict[str, Any], command_id: str, way: str = PLANNED, **options: Any) -> Any:
    if way is MANY:
        [answer] = api.data(MANY, input=input, options={"commandIds": [command_id], **PATIENT, **options})[
            "submit"
        ]
        return answer
    return api.data(way, input=input, options={"commandId": command_id, **PATIENT, **options})["add"]


def test_a_request_is_the_same_after_the_command_has_got_optional_fields(parts: Parts) -> None:
    api, processor = parts.start("api", "processor", domain=OLD)
    bare = {"basketId": str(uuid4()), "item": "a"}
    priced = {**bare, "price": "1"}
    sent = [(bare, str(uuid4()), PLANNED), (bare, str(uuid4()), BY_GRAPHQL_CORE), (bare, str(uuid4()), MANY)]
    sent.append((priced, str(uuid4()), PLANNED))
    first = [add(api, input, id_, way) for input, id_, way in sent]
    assert [answer["__typename"] for answer in first] == ["CommandApplied"] * 4
    processor.end()
    queued = str(uuid4())
    accepted = add(api, bare, queued, wait="ACCEPTED")
    api.end()

    (api,) = parts.start("api", domain=NEW)
    assert add(api, bare, queued, wait="ACCEPTED") == accepted
    other = add(api, {**bare, "note": "b"}, queued, wait="ACCEPTED")
    assert other["__typename"] == "CommandConflict"
    parts.start("processor", domain=NEW)
    for way in (PLANNED, BY_GRAPHQL_CORE, MANY):
        again = [add(api, input, id_, way) for input, id_, _ in sent]
        assert again == first
        for input, id_, _ in sent:
            assert add(api, {**input, "note": "b"}, id_, way)["__typename"] == "CommandConflict"
    assert add(api, bare, queued)["version"] == 5


A, B = "2030-01-01T12:00:00Z", "2030-01-01T14:00:00+02:00"
ID = "7B1C2E0A-2B1F-4B62-9A0E-3F6F5A7D0C01"
SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"price": "10.5"}, {"price": "10.50"}),
    ({"price": "10.5"}, {"price": 10.5}),
    ({"askedAt": A}, {"askedAt": B}),
    ({"wrapping": None}, {}),
    ({"note": None}, {}),
    ({"lineId": ID}, {"lineId": ID.lower().replace("-", "")}),
]
OTHER: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"price": "10.5"}, {"price": "10.51"}),
    ({"askedAt": A}, {"askedAt": A.replace("Z", ".000001Z")}),
    ({"note": ""}, {}),
    ({"tags": ["a", "b"]}, {"tags": ["b", "a"]}),
]


def test_values_are_the_same_if_they_are_equal_and_an_absent_field_is_not_its_default(parts: Parts) -> None:
    api, _ = parts.start("api", "processor", domain=NEW)
    input = {"basketId": str(uuid4()), "item": "a"}
    for one, other in [*SAME, *OTHER]:
        command_id = str(uuid4())
        first = add(api, {**input, **one}, command_id)
        assert first["__typename"] == "CommandApplied", one
        again = add(api, {**other, **input}, command_id)  # its keys are in another order
        assert (again == first) is ((one, other) in SAME), (one, other)
        assert again["__typename"] in ("CommandApplied", "CommandConflict"), (one, other)
