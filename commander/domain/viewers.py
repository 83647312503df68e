"""Viewer: who asks or sends, as a domain's rules see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


def _no_claims() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Viewer:
    """Who asks or sends.

    subject: the id of the person or system, as its token has it; None if nobody is signed in.
    roles: what it may act as. claims: what its token says, read-only. They are not compared.
    """

    subject: str | None = None
    roles: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=_no_claims, compare=False, repr=False)


NOBODY = Viewer()
"""The viewer who is not signed in."""
