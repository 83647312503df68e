"""The subjects whose tokens were revoked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from commander.domain.errors import TokenExpired
from commander.resolvers.identity.access import Access


class Revocations:
    """For each subject, until when its tokens were revoked: those that were issued by then are not accepted.

    A time is in seconds since 1970. A token that does not say when it was issued is of before.
    """

    def __init__(self) -> None:
        self._revoked: dict[str, float] = {}

    def add(self, revoked: Mapping[str, float]) -> Iterable[str]:
        """Adds revocations. Returns the subjects for which something has changed."""
        changed = [
            subject for subject, at in revoked.items() if at > self._revoked.get(subject, float("-inf"))
        ]
        for subject in changed:
            self._revoked[subject] = revoked[subject]
        return changed

    def must_stand(self, access: Access) -> None:
        """Raises TokenExpired if the token was revoked."""
        if not self._revoked or access.viewer.subject is None:
            return
        at = self._revoked.get(access.viewer.subject)
        if at is not None and (access.issued_at is None or access.issued_at <= at):
            raise TokenExpired("the token was revoked")
