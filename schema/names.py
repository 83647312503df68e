"""Python names as GraphQL names."""

from __future__ import annotations

from strawberry.utils.str_converters import to_camel_case


def camel(name: str) -> str:
    """account_id as accountId, the way Strawberry names fields."""
    return to_camel_case(name)


def capitalized(name: str) -> str:
    return name[0].upper() + name[1:]


def uncapitalized(name: str) -> str:
    return name[0].lower() + name[1:]
