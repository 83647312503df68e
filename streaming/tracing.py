"""Traces: one from the mutation through JetStream, deciding, the log and its followers to the feed.

A command carries the W3C trace context of what submitted it, an event that of what decided it; whoever works
on one of them marks a span below. Only the API of OpenTelemetry is known here. Where no SDK is set up nothing
is measured, and a context that came from outside is passed on as it is.
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
    """What this process traces with. tracer: None where no SDK is set up; asked for once."""

    known = False
    tracer: trace.Tracer | None = None


def enabled() -> bool:
    """Whether spans go anywhere; the first call decides it for the process."""
    if not _Tracing.known:
        provider = trace.get_tracer_provider()
        use(None if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider) else provider)
    return _Tracing.tracer is not None


def use(provider: trace.TracerProvider | None) -> None:
    """Traces with this provider, whichever is set up for the process; None: not at all."""
    _Tracing.known = True
    _Tracing.tracer = None if provider is None else provider.get_tracer("commander")


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
    """A span that ends now, below `parent`; its trace context. Without a parent, or an SDK: nothing."""
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
    """A span for each of these events (or those of `which`) that is part of a trace."""
    if not enabled():
        return
    for event in events:
        if event.traceparent is not None and (which is None or which(event)):
            mark(name, event.traceparent, begin_ns, kind, {"commander.position": event.position})


def _context(parent: str | None) -> Context:
    """Below this parent and no other; without one a span begins a trace."""
    return _propagator.extract({} if parent is None else {"traceparent": parent}, Context())


def _traceparent(begun: trace.Span) -> str | None:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(begun, Context()))
    return carrier.get("traceparent")
