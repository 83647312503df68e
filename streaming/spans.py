"""Spans of OpenTelemetry, through its API alone. Imported only where an SDK is set up: see tracing.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from opentelemetry import trace
from opentelemetry.context import Context, get_current
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
        context = (_context_of_request if kind == "SERVER" else _context)(parent)
        with self._tracer.start_as_current_span(name, context, SpanKind[kind]) as begun:
            yield _traceparent(begun) or parent

    @contextmanager
    def around_all(
        self, name: str, parents: Sequence[str], attributes: Mapping[str, str | int]
    ) -> Iterator[None]:
        """A span below each of these, around one block. What the block traces is in the first of them."""
        with ExitStack() as begun:
            for parent in reversed(parents):
                context = _context(parent)
                begun.enter_context(self._tracer.start_as_current_span(name, context, attributes=attributes))
            yield

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


def _context_of_request(parent: str | None) -> Context:
    """The context of a request with this parent.

    An instrumentation of the server may have begun a span for it. Then ours is below that one, not beside it.
    """
    current = trace.get_current_span().get_span_context()
    if current.is_valid and (parent is None or f"-{current.trace_id:032x}-" in parent):
        return get_current()
    return _context(parent)


def _traceparent(begun: trace.Span) -> str | None:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(begun, Context()))
    return carrier.get("traceparent")
