"""The codes of rejections as clients see them: an enum for each command, with UNKNOWN to grow."""

from __future__ import annotations

import logging
from enum import Enum

import pytest
from graphql import GraphQLEnumType, GraphQLObjectType, build_schema

from commander.domain import Domain
from commander.examples.bank import bank
from commander.schema import build
from commander.schema.types.field_types import TypeMap
from commander.schema.types.rejection_codes import RejectionCodes
from tests.domain.refusals import refusals


def test_each_command_of_clients_has_an_enum_of_its_codes() -> None:
    schema = build_schema(build.build_schema(bank).as_str())
    enums = {
        name: sorted(type_.values)
        for name, type_ in schema.type_map.items()
        if isinstance(type_, GraphQLEnumType) and name.endswith("RejectionCode")
    }
    assert enums == {
        f"{type_.name}RejectionCode": sorted({*bank.rejection_codes[type_.name], "CANCELLED", "UNKNOWN"})
        for type_ in bank.commands.values()
        if not type_.internal
    }
    rejected = schema.type_map["CommandRejected"]
    assert isinstance(rejected, GraphQLObjectType)
    fields = {name: str(field.type) for name, field in rejected.fields.items()}
    assert (fields["withdrawCode"], fields["code"]) == ("WithdrawRejectionCode", "String!")


def test_a_code_that_is_no_name_in_graphql_is_left_out() -> None:
    schema = build_schema(build.build_schema(refusals).as_str())
    enum = schema.type_map["TryRejectionCode"]
    assert isinstance(enum, GraphQLEnumType)
    assert set(enum.values) == refusals.rejection_codes["Try"].keys() - {"not a name"} | {
        "CANCELLED",
        "UNKNOWN",
    }


@pytest.mark.parametrize(
    ("domain", "command", "code", "shown"),
    [
        (bank, "Withdraw", "INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS"),
        (bank, "Withdraw", "CANCELLED", "CANCELLED"),
        (bank, "Withdraw", "BALANCE_NOT_ZERO", "UNKNOWN"),
        (refusals, "Try", "not a name", "UNKNOWN"),
        (refusals, "Guess", "GUESSED", "UNKNOWN"),
    ],
    ids=range(5),
)
def test_a_code_is_shown_by_its_name_and_another_one_as_unknown_with_one_warning(
    domain: Domain, command: str, code: str, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    codes = RejectionCodes(domain, TypeMap())
    with caplog.at_level(logging.WARNING, "commander.api"):
        [(field, member)] = codes.shown(command, code).items()
        codes.shown(command, code)
    assert (field, member.value) == (f"{command.lower()}Code", shown)
    assert isinstance(member, Enum)
    warned = [record.message for record in caplog.records]
    assert len(warned) == (shown == "UNKNOWN")
    assert all(code in one and "rejects=" in one for one in warned)


def test_a_command_that_no_client_sends_has_no_field() -> None:
    assert RejectionCodes(bank, TypeMap()).shown("RecordReturn", "WRONG_STATUS") == {}
