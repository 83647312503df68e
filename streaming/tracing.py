"""Tracing: one trace from the mutation through JetStream, the decision and the log to the feed.

A command carries the W3C trace context of its submission, an event that of its decision. Each later step adds
a span below it. Without an SDK of OpenTelemetry nothing is measured, a context from outside is passed on
unchanged, and OpenTelemetry's API is not imported.
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
    """The spans of this process; None without an SDK. known: it has been looked up."""

    known = False
    spans: Spans | None = None


def enabled() -> bool:
    """Whether spans are recorded. The first call decides it for the process."""
    if not _Tracing.known:
        # An SDK that is set up in this process has imported the API. The variable names one to look up.
        if "opentelemetry.trace" in sys.modules or "OTEL_PYTHON_TRACER_PROVIDER" in os.environ:
            from commander.streaming.spans import provider_of_the_process

            use(provider_of_the_process())
        else:
            use(None)
    return _Tracing.spans is not None


def use(provider: TracerProvider | None) -> None:
    """Sets the provider of this process, instead of the global one. None: no tracing."""
    _Tracing.known = True
    _Tracing.spans = None
    if provider is not None:
        from commander.streaming.spans import Spans

        _Tracing.spans = Spans(provider)


def traceparent_from(header: str | None) -> str | None:
    """The traceparent header of a request; None if it is missing or malformed."""
    return header if header is not None and _TRACEPARENT.fullmatch(header) else None


def now_ns() -> int:
    """The current time in nanoseconds, for `mark`; 0 without tracing."""
    return time.time_ns() if enabled() else 0


def span(
    name: str, parent: str | None, kind: SpanKind = SpanKind.INTERNAL
) -> AbstractContextManager[str | None]:
    """A span around a block. It records an error of the block, and gives the block its trace context."""
    if not enabled() or _Tracing.spans is None:
        return nullcontext(parent)
    return _Tracing.spans.around(name, parent, kind.name)


def spans(
    name: str, parents: Iterable[str | None], attributes: Mapping[str, str | int]
) -> AbstractContextManager[None]:
    """A span below each parent, around one block. They record an error of the block.

    Without a parent or an SDK nothing is recorded.
    """
    if not enabled() or _Tracing.spans is None:
        return nullcontext()
    return _Tracing.spans.around_all(name, [one for one in parents if one is not None], attributes)


def mark(
    name: str,
    parent: str | None,
    begin_ns: int,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, str | int] | None = None,
) -> str | None:
    """Records a span below `parent` that ends now, and returns its trace context.

    Without a parent or an SDK nothing is recorded, and the parent is returned.
    """
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
    """Records a span for each of these events that has a trace context.

    which: only events that it accepts.
    """
    if not enabled():
        return
    for event in events:
        if event.traceparent is not None and (which is None or which(event)):
            mark(name, event.traceparent, begin_ns, kind, {"commander.position": event.position})
