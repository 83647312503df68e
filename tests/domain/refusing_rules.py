"""Rules of the domain `refusals` in a module of their own."""

from commander import Rejected


def elsewhere(how: str) -> None:
    if how == "elsewhere":
        raise Rejected("ELSEWHERE")
