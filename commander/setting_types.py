"""The types of settings: what a value must be like, and how an error says so."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any, Literal, get_args, get_origin

from msgspec import Meta

_HOST = r"(\[[^\]]*\]|[^:/?#,@\[\]]*)(:\d+)?"
_POSTGRES_URL = rf"^postgres(ql)?://([^/?#]*@)?{_HOST}(,{_HOST})*([/?].*)?\Z"
_LIKE_A_POSTGRES_URL = "must be like postgresql://user:password@host:5432/name; a / in a password is %2F"

PostgresUrl = Annotated[str, Meta(pattern=_POSTGRES_URL, extra={"demand": _LIKE_A_POSTGRES_URL})]
_NATS_SERVER = r"\s*(nats://|tls://|ws://|wss://)?([^/?#,\s]*@)?(\[[^\]]+\]|[^:/?#,@\[\]\s]+)(:\d{1,5})?/?\s*"
NatsUrl = Annotated[
    str,
    Meta(
        pattern=rf"^{_NATS_SERVER}(,{_NATS_SERVER})*\Z",
        extra={"demand": "must be like nats://host:4222, several separated by commas"},
    ),
]
_ORIGIN = r"\s*(\*|https?://[^/?#,@\s]+)?\s*"
Origins = Annotated[
    str,
    Meta(
        pattern=rf"^{_ORIGIN}(,{_ORIGIN})*\Z",
        extra={
            "demand": "must be like https://example.org without a path, several separated by commas, or *"
        },
    ),
]
DomainReference = Annotated[
    str, Meta(pattern=r"^\w+(\.\w+)*:\w+\Z", extra={"demand": "must be like package.module:domain"})
]
SystemName = Annotated[
    str,
    Meta(
        pattern=r"^(?!(commands|events|signals)\Z)[A-Za-z0-9][A-Za-z0-9_-]{0,31}\Z",
        extra={
            "demand": "must have 1 to 32 letters from A to Z, digits, _ and -, must not begin with _ or -, "
            "and must not be commands, events or signals"
        },
    ),
]
Rate = Annotated[float, Meta(ge=0)]
_NETWORK = r"\s*([0-9.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)(/\d{1,3})?\s*"
Networks = Annotated[
    str,
    Meta(
        pattern=rf"^({_NETWORK}(,{_NETWORK})*)?\Z",
        extra={"demand": "must be like 10.0.0.0/8 or 192.168.1.7, several separated by commas"},
    ),
]
Port = Annotated[int, Meta(ge=0, le=65535)]
HttpUrl = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^/?#@\s]+(/[^?#\s]*)?(\?[^#\s]*)?\Z",
        extra={"demand": "must be like https://host/path"},
    ),
]
_ALGORITHM = r"\s*(HS|RS|ES|PS)(256|384|512)\s*|\s*EdDSA\s*"
Algorithms = Annotated[
    str,
    Meta(
        pattern=rf"^(({_ALGORITHM})(,({_ALGORITHM}))*)?\Z",
        extra={"demand": "must be some of HS256, RS256, PS256, ES256 (also 384, 512) and EdDSA, with commas"},
    ),
]


def parts_of(text: str) -> tuple[str, ...]:
    """The parts of a value that are separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def problem_of_networks(networks: str) -> str | None:
    """What is wrong with networks that have the right form: bits outside a network, for example.

    uvicorn takes such a one for a name, which no address equals.
    """
    for part in parts_of(networks):
        try:
            ip_network(part)
        except ValueError as error:
            return str(error)
    return None


def demand_on(kind: Any) -> str:
    """The requirement for a value of this type, as text."""
    metas = [part for part in get_args(kind) if isinstance(part, Meta)]
    if get_origin(kind) is Literal:
        return f"must be one of {', '.join(get_args(kind))}"
    if kind is bool:
        return "must be true or false"
    if not metas:  # an optional type, or a type without a constraint
        return demand_on(get_args(kind)[0]) if get_args(kind) else f"must be of the type {kind.__name__}"
    [meta] = metas
    if meta.extra is not None:
        return str(meta.extra["demand"])
    bounds = {"at least": meta.ge, "more than": meta.gt, "at most": meta.le}
    number = "a whole number" if get_args(kind)[0] is int else "a number"
    shown = [
        f"{word} {bound:g}" if isinstance(bound, float) else f"{word} {bound}"
        for word, bound in bounds.items()
        if bound is not None
    ]
    return f"must be {number}, {' and '.join(shown)}"
