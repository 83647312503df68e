"""Members with an e-mail address: a unique key if BENCH_UNIQUE is set. An earlier build loads it too."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from commander import Domain

members = Domain("members")
_rules: dict[str, Any] = {"unique": ("email",)} if os.environ.get("BENCH_UNIQUE") else {}


@members.command
@dataclass(frozen=True)
class Register:
    member_id: UUID
    email: str


@members.command
@dataclass(frozen=True)
class ChangeEmail:
    member_id: UUID
    email: str


@members.event
@dataclass(frozen=True)
class Registered:
    member_id: UUID
    email: str


@members.event
@dataclass(frozen=True)
class EmailChanged:
    member_id: UUID
    email: str


@members.aggregate(key="member_id", **_rules)
@dataclass(frozen=True)
class Member:
    email: str | None = None

    def register(self, command: Register) -> Registered:
        return Registered(command.member_id, command.email)

    def change(self, command: ChangeEmail) -> EmailChanged:
        return EmailChanged(command.member_id, command.email)

    def registered(self, event: Registered) -> Member:
        return replace(self, email=event.email)

    def changed(self, event: EmailChanged) -> Member:
        return replace(self, email=event.email)
