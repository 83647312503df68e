"""Sender: what is stored with a command of the viewer who sent it, so that its rule can be decided later."""

from __future__ import annotations

import msgspec


class Sender(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The viewer who sent a command, as far as the rule of the command sees it.

    own: JSON of what the domain's `@viewer` function made of it. claims: JSON of the claims of its token, if
    the domain has no such function. Both are None if the rule asks no function.
    by_state: the rule needs the state of the stream, so whoever decides the command decides the rule.
    """

    subject: str | None = None
    roles: tuple[str, ...] = ()
    own: str | None = None
    claims: str | None = None
    by_state: bool = False
