"""The types of settings: what a variable may be, and how a wrong value is explained."""

from __future__ import annotations

from typing import Annotated

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
