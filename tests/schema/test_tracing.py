"""One trace from the mutation to the feed, below the trace of the request; nothing where nobody traces."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.context import Context as OpenTelemetryContext
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from commander.eventstore import sql as statements
from commander.eventstore.database import Connection
from commander.eventstore.log.event_log import Append, Appended
from commander.eventstore.records import EventFilter
from commander.examples.bank.messages import Deposit, OpenAccount
from commander.resolvers.services import Services
from commander.schema.context import Context
from commander.streaming import tracing
from tests.resolvers.conftest import servers, services
from tests.schema.built import bank_schema
from tests.streaming.conftest import Bank, running

__all__ = ["servers", "services"]

SCHEMA = bank_schema()
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
INCOMING = f"00-{TRACE}-{SPAN}-01"
TRANSFER = """mutation ($input: RequestTransferInput!) {
  requestTransfer(input: $input) { ... on CommandApplied { position } } }"""


def provider_of(exporter: InMemorySpanExporter) -> TracerProvider:
    """A provider whose spans end there."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What was traced: this process traces while the test runs."""
    exporter = InMemorySpanExporter()
    tracing.use(provider_of(exporter))
    yield exporter
    tracing.use(None)


def request(services: Services, **headers: str) -> Context:
    return Context.from_headers(services, headers)


async def transferred(servers: Bank, services: Services, **headers: str) -> int:
    """A transfer as a request with these headers asks for it; the position of its first event."""
    source, target = uuid4(), uuid4()
    for command in (OpenAccount("Ada", source), OpenAccount("Eve", target), Deposit(source, Decimal(9))):
        await servers.outcome(await servers.submit(command))
    given = {"input": {"sourceId": str(source), "targetId": str(target), "amount": "5"}}
    result = await SCHEMA.execute(TRANSFER, given, request(services, **headers))
    assert not result.errors, result.errors
    return int((result.data or {})["requestTransfer"]["position"])


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


async def test_a_request_and_all_that_follows_from_it_are_one_trace(
    servers: Bank, all_parts: Services, spans: InMemorySpanExporter
) -> None:
    kinds: list[Any] = []
    follow = all_parts.feed.follow("all", 0, EventFilter(), lambda item: item)
    async with asyncio.timeout(30), aclosing(follow) as pages:
        await anext(pages)
        await transferred(servers, all_parts, traceparent=INCOMING)
        async for page in pages:
            kinds += [getattr(item, "type", None) for item in page]
            if "TransferCompleted" in kinds:
                break
        wanted = {
            "mutation requestTransfer": 1,
            **dict.fromkeys(("submit RequestTransfer", "submit RecordDeposit", "decide RequestTransfer"), 1),
            **{"react transfers": 4, "commit": 5, "relay": 5, "project account": 2, "feed": 5},
        }
        while any(len(named(spans, name)) < count for name, count in wanted.items()):
            await asyncio.sleep(0.02)
    assert {name: len(named(spans, name)) for name in wanted} == wanted
    finished = spans.get_finished_spans()
    assert {f"{span.context.trace_id:032x}" for span in finished if span.context} == {TRACE}
    by_id = {span.context.span_id: span for span in finished if span.context}

    def path(span: ReadableSpan) -> list[str]:
        above = by_id.get(span.parent.span_id) if span.parent else None
        return [*([] if above is None else path(above)), span.name]

    [deposit] = named(spans, "decide RecordDeposit")
    assert path(deposit) == [
        *("mutation requestTransfer", "decide RequestTransfer"),
        *("react transfers", "decide WithdrawForTransfer", "react transfers", "decide RecordWithdrawal"),
        *("react transfers", "decide DepositFromTransfer", "react transfers", "decide RecordDeposit"),
    ]
    for name in ("commit", "relay", "project account", "feed"):
        assert {path(span)[-2].partition(" ")[0] for span in named(spans, name)} == {"decide"}
    [mutation] = named(spans, "mutation requestTransfer")
    assert mutation.parent is not None
    assert f"{mutation.parent.span_id:016x}" == SPAN


async def test_without_an_sdk_a_trace_context_is_passed_on_as_it_came(
    servers: Bank, all_parts: Services
) -> None:
    assert not tracing.enabled()
    assert tracing.now_ns() == 0
    position = await transferred(servers, all_parts, traceparent=INCOMING)
    async with asyncio.timeout(20):
        while [event.type for event in await servers.log()][-1] != "TransferCompleted":
            await asyncio.sleep(0.02)
    traces = [event.traceparent for event in await servers.log()]
    assert traces == [None] * (position - 1) + [INCOMING] * 5
    async with asyncio.timeout(10):
        message = None
        while message is None:
            info = await servers.nats.jetstream.stream_info("EVENTS")
            if info.state.last_seq >= position + 4:
                message = await servers.nats.jetstream.get_msg("EVENTS", seq=position + 4)
    assert (message.headers or {})["traceparent"] == INCOMING


@pytest.mark.parametrize(
    "header",
    [
        *("", "x", INCOMING.upper(), INCOMING + "\r\nNats-Msg-Id: 1", f"01-{TRACE}-{SPAN}-01"),
        *(f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-{SPAN}-01-x"),
    ],
)
async def test_what_is_no_trace_context_is_as_if_it_were_not_there(services: Services, header: str) -> None:
    assert request(services, traceparent=header).traceparent is None
    assert request(services).traceparent is None


async def test_an_error_in_a_traced_mutation_is_on_its_span(
    services: Services, spans: InMemorySpanExporter
) -> None:
    document = 'mutation { openAccount(input: {owner: "x"}, options: {timeoutMs: -1}) { __typename } }'
    result = await SCHEMA.execute(document, None, request(services))
    assert result.errors
    [span] = named(spans, "mutation openAccount")
    assert (span.parent, span.status.is_ok) == (None, False)


async def test_commands_without_a_trace_leave_no_spans(servers: Bank, spans: InMemorySpanExporter) -> None:
    async with running(servers.processor().run()):
        await servers.outcome(await servers.submit(OpenAccount("Ada", uuid4())))
    assert spans.get_finished_spans() == ()


async def test_a_request_that_is_traced_by_its_server_stays_one_trace(
    services: Services, spans: InMemorySpanExporter
) -> None:
    document = 'mutation { openAccount(input: {owner: "x"}, options: {wait: ACCEPTED}) { __typename } }'
    tracer = provider_of(spans).get_tracer("server")
    for headers in ({}, {"traceparent": INCOMING}):
        spans.clear()
        above = TraceContextTextMapPropagator().extract(headers, OpenTelemetryContext())
        with tracer.start_as_current_span("POST /graphql", above) as server:
            result = await SCHEMA.execute(document, None, request(services, **headers))
        assert not result.errors
        [mutation] = named(spans, "mutation openAccount")
        assert mutation.parent == server.get_span_context()


async def test_the_append_is_inside_the_commit(
    servers: Bank, services: Services, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Append.run

    async def traced(append: Append, connection: Connection) -> Appended:
        with provider_of(spans).get_tracer("driver").start_as_current_span("append"):
            return await run(append, connection)

    monkeypatch.setattr(Append, "run", traced)
    document = 'mutation { openAccount(input: {owner: "x"}) { __typename } }'
    async with running(servers.processor().run()):
        results = await asyncio.gather(
            *(SCHEMA.execute(document, None, request(services, traceparent=INCOMING)) for _ in range(3))
        )
    assert not any(result.errors for result in results)
    commits, decisions = named(spans, "commit"), named(spans, "decide OpenAccount")
    assert len(commits) == len(decisions) == 3
    above = {commit.parent.span_id for commit in commits if commit.parent}
    assert above == {decision.context.span_id for decision in decisions if decision.context}
    appends = named(spans, "append")
    ids = {commit.context.span_id for commit in commits if commit.context}
    assert {append.parent.span_id for append in appends if append.parent} <= ids
    assert all(append.parent is not None for append in appends)


def test_tools_can_name_each_statement_by_what_it_does() -> None:
    files = Path(statements.__file__).parent.glob("*.sql")
    begin_with = {statements.statement(file.stem).split()[0] for file in files}
    assert begin_with <= {"select", "with", "insert", "update", "delete"}


async def test_a_request_that_is_not_sampled_has_a_trace_context_all_the_same(
    servers: Bank, services: Services
) -> None:
    tracing.use(TracerProvider(sampler=ALWAYS_OFF))
    try:
        document = 'mutation { openAccount(input: {owner: "x"}) { __typename } }'
        async with running(servers.processor().run()):
            result = await SCHEMA.execute(document, None, request(services))
        assert not result.errors
    finally:
        tracing.use(None)
    [event] = await servers.log()
    assert event.traceparent is not None
    flags = int(event.traceparent.rpartition("-")[2], 16)
    assert (flags & 1, flags & 2) == (0, 2), "not sampled, and the trace id is random"
