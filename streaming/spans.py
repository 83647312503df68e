"""Spans of OpenTelemetry, through its API alone. Imported only where an SDK is set up: see tracing.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()


def provider_of_the_process() -> trace.TracerProvider | None:
    """The one that an SDK has set up; None without one."""
    provider = trace.get_tracer_provider()
    is_none = isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider)
    return None if is_none else provider


class Spans:
    """What one provider traces. kind: the name of a SpanKind."""

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._tracer = provider.get_tracer("commander")

    @contextmanager
    def around(self, name: str, parent: str | None, kind: str) -> Iterator[str | None]:
        """A span around a block. It records an error of the block, and gives the block its trace context."""
        with self._tracer.start_as_current_span(name, _context(parent), SpanKind[kind]) as begun:
            yield _traceparent(begun) or parent

    def ended(
        self,
        name: str,
        parent: str,
        kind: str,
        begin_ns: int,
        attributes: Mapping[str, str | int] | None,
    ) -> str:
        """Records a span that ends now, and returns its trace context."""
        begun = self._tracer.start_span(
            name, _context(parent), SpanKind[kind], attributes, start_time=begin_ns
        )
        begun.end()
        return _traceparent(begun) or parent


def _context(parent: str | None) -> Context:
    """The context with only this parent. Without a parent a span begins a new trace."""
    return _propagator.extract({} if parent is None else {"traceparent": parent}, Context())


def _traceparent(begun: trace.Span) -> str | None:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(begun, Context()))
    return carrier.get("traceparent")
