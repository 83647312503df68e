"""Converts Python names to GraphQL names."""

from __future__ import annotations

from commander.domain.names import camel as camel


def capitalized(name: str) -> str:
    return name[0].upper() + name[1:]


def uncapitalized(name: str) -> str:
    return name[0].lower() + name[1:]
