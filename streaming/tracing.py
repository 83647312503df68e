"""Traces: one from the mutation through JetStream, deciding, the log and its followers to the feed.

A command carries the W3C trace context of what submitted it, an event that of what decided it; whoever works
on one of them marks a span below. Where no SDK of OpenTelemetry is set up nothing is measured, a context that
came from outside is passed on as it is, and not even OpenTelemetry's API is imported.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from typing import TYPE_CHECKING

from commander.eventstore.records import RecordedEvent

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from commander.streaming.spans import Spans

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class SpanKind(Enum):
    """OpenTelemetry's, by its names."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    PRODUCER = "PRODUCER"
    CONSUMER = "CONSUMER"


class _Tracing:
    """What this process traces with. spans: None where no SDK is set up; asked for once."""

    known = False
    spans: Spans | None = None


def enabled() -> bool:
    """Whether spans go anywhere; the first call decides it for the process."""
    if not _Tracing.known:
        # Whoever sets up an SDK in this process, or names one to be found, has had the API imported.
        if "opentelemetry.trace" in sys.modules or "OTEL_PYTHON_TRACER_PROVIDER" in os.environ:
            from commander.streaming.spans import provider_of_the_process

            use(provider_of_the_process())
        else:
            use(None)
    return _Tracing.spans is not None


def use(provider: TracerProvider | None) -> None:
    """Traces with this provider, whichever is set up for the process; None: not at all."""
    _Tracing.known = True
    _Tracing.spans = None
    if provider is not None:
        from commander.streaming.spans import Spans

        _Tracing.spans = Spans(provider)


def traceparent_from(header: str | None) -> str | None:
    """The header of a request, if it is a trace context; what is none is as if it were not there."""
    return header if header is not None and _TRACEPARENT.fullmatch(header) else None


def now_ns() -> int:
    """The moment, for `mark`; 0 where nothing is traced."""
    return time.time_ns() if enabled() else 0


def span(
    name: str, parent: str | None, kind: SpanKind = SpanKind.INTERNAL
) -> AbstractContextManager[str | None]:
    """A span around a block, whose error it records; hands the block its trace context to pass on."""
    if not enabled() or _Tracing.spans is None:
        return nullcontext(parent)
    return _Tracing.spans.around(name, parent, kind.name)


def mark(
    name: str,
    parent: str | None,
    begin_ns: int,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, str | int] | None = None,
) -> str | None:
    """A span that ends now, below `parent`; its trace context. Without a parent, or an SDK: nothing."""
    if parent is None or not enabled() or _Tracing.spans is None:
        return parent
    return _Tracing.spans.ended(name, parent, kind.name, begin_ns, attributes)


def mark_events(
    name: str,
    events: Iterable[RecordedEvent],
    begin_ns: int,
    kind: SpanKind = SpanKind.INTERNAL,
    which: Callable[[RecordedEvent], bool] | None = None,
) -> None:
    """A span for each of these events (or those of `which`) that is part of a trace."""
    if not enabled():
        return
    for event in events:
        if event.traceparent is not None and (which is None or which(event)):
            mark(name, event.traceparent, begin_ns, kind, {"commander.position": event.position})
