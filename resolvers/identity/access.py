"""What a verified token allows, and until when."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from commander.domain import Domain, Rights
from commander.domain.viewers import NOBODY, Viewer


@dataclass(frozen=True, eq=False, slots=True)
class Access:
    """What one token allows, or the lack of a token.

    expires_at, issued_at: seconds since 1970. issued_at: None if the token does not say it.
    rights: what its viewer may do, by domain and roles of operators.
    """

    viewer: Viewer
    expires_at: float
    issued_at: float | None = None
    rights: dict[tuple[Domain, frozenset[str]], Rights] = field(default_factory=dict, repr=False)


ANONYMOUS = Access(NOBODY, math.inf)
"""A request without a token."""
