"""Tracing: one trace from the mutation through JetStream, the decision and the log to the feed.

A command carries the W3C trace context of its submission, an event that of its decision. Each later step adds
a span below it. This module uses only the API of OpenTelemetry. Without an SDK nothing is measured, and a
context from outside is passed on unchanged.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from commander.eventstore.records import RecordedEvent

__all__ = ["SpanKind"]

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_propagator = TraceContextTextMapPropagator()


class _Tracing:
    """The tracer of this process; None without an SDK. known: it has been looked up."""

    known = False
    tracer: trace.Tracer | None = None


def enabled() -> bool:
    """Whether spans are recorded. The first call decides it for the process."""
    if not _Tracing.known:
        provider = trace.get_tracer_provider()
        use(None if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider) else provider)
    return _Tracing.tracer is not None


def use(provider: trace.TracerProvider | None) -> None:
    """Sets the provider of this process, instead of the global one. None: no tracing."""
    _Tracing.known = True
    _Tracing.tracer = None if provider is None else provider.get_tracer("commander")


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
    if not enabled() or _Tracing.tracer is None:
        return nullcontext(parent)
    return _span(_Tracing.tracer, name, parent, kind)


@contextmanager
def _span(tracer: trace.Tracer, name: str, parent: str | None, kind: SpanKind) -> Iterator[str | None]:
    with tracer.start_as_current_span(name, _context(parent), kind) as begun:
        yield _traceparent(begun) or parent


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
    if parent is None or not enabled() or _Tracing.tracer is None:
        return parent
    begun = _Tracing.tracer.start_span(name, _context(parent), kind, attributes, start_time=begin_ns)
    begun.end()
    return _traceparent(begun) or parent


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


def _context(parent: str | None) -> Context:
    """The context with only this parent. Without a parent a span begins a new trace."""
    return _propagator.extract({} if parent is None else {"traceparent": parent}, Context())


def _traceparent(begun: trace.Span) -> str | None:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(begun, Context()))
    return carrier.get("traceparent")
