"""/metrics of every part, in a system at work; and the dashboard, which asks for nothing else."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from commander.dev.embedded import EmbeddedNats
from commander.dev.ports import operators_ports
from commander.parts.exposition import Metric, gauge
from commander.parts.metrics import metrics_answers
from commander.settings import read_settings
from commander.streaming.counters import Histogram
from tests.e2e.bank import opened, submit, until
from tests.e2e.parts import Part, Parts
from tests.system import NO_TLS

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana.json"
Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def parts(database_url: str, nats_server: EmbeddedNats, tmp_path: Path) -> Iterator[Parts]:
    with Parts(database_url, nats_server.url, tmp_path) as started:
        yield started


def scraped(part: Part) -> Values:
    """Every sample, by its name and labels."""
    answer = httpx.get(f"http://127.0.0.1:{part.operators_port}/metrics", timeout=10, verify=NO_TLS)
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(part: Part, name: str, **labels: str) -> float:
    return scraped(part)[f"commander_{name}", frozenset(labels.items())]


@contextmanager
def subscribed(api: Part) -> Iterator[None]:
    """One subscriber of events while this lasts."""
    body = {"query": "subscription { events { position } }"}
    headers = {"accept": "text/event-stream"}
    with httpx.stream("POST", api.url, json=body, headers=headers, timeout=20, verify=NO_TLS) as response:
        lines = response.iter_lines()
        next(lines)
        yield


def test_each_part_tells_what_it_does_and_how_far_it_is(parts: Parts) -> None:
    api, processor, relay, projections, reactors, effects = parts.start(
        *("api", "processor", "relay", "projections", "reactors", "effects"),
        COMMANDER_LOOP_BLOCKED_SECONDS="5",  # the machine of the tests may be busy
    )
    account = opened(api, balance="10")
    for _ in range(3):
        submit(api, "withdraw", {"accountId": account, "amount": "99"})
    assert value(processor, "commands_decided_total", type="Withdraw", status="REJECTED") == 3
    assert value(processor, "commands_decided_total", type="Deposit", status="APPLIED") == 1
    assert value(processor, "batch_commands_count") == value(processor, "commit_seconds_count") == 5
    assert value(processor, "batch_commands_bucket", le="1.0") == value(processor, "batch_commands_sum") == 5
    assert 0 < value(processor, "commit_seconds_sum") < 5
    assert value(processor, "partitions_owned") == 8
    assert value(processor, "partition_lag_messages", partition="7") == 0
    assert value(api, "commands_submitted_total") == 5
    assert (value(api, "submit_waiting"), value(api, "outcomes_waiting")) == (0, 0)
    assert value(api, "operations_waiting") == 0
    assert value(api, "queue_full") == 0
    assert value(api, "client_refusals_total", limit="operations") == 0
    for part in (api, processor, relay, projections, reactors, effects):
        assert (value(part, "log_position"), value(part, "commands_ended")) == (2, 5)
        assert value(part, "server_up", server="postgres") == value(part, "server_up", server="nats") == 1
        assert all(abs(value(part, "clock_ahead_seconds", clock=of)) < 2 for of in ("process", "postgres"))
        assert value(part, "recorded_at_held_seconds") < 1
        assert (value(part, "event_loop_blocks_total"), value(part, "event_loop_longest_block_seconds")) == (
            0,
            0,
        )
    until(lambda: value(relay, "relay_lag_events"), lambda lag: lag == 0)
    assert value(relay, "relay_position") == 2
    until(lambda: value(reactors, "reactor_position", reactor="transfers"), lambda at: at == 2)
    [table] = {
        dict(labels)["table"]
        for name, labels in scraped(projections)
        if name == "commander_projection_position" and ("projection", "account") in labels
    }
    of = {"projection": "account", "table": table, "serving": "true"}
    until(lambda: value(projections, "projection_lag_events", **of), lambda lag: lag == 0)
    assert value(projections, "projection_failed", **of) == 0
    assert value(api, "subscribers") == value(api, "connections") == 0
    with subscribed(api), subscribed(api):
        until(lambda: value(api, "subscribers"), lambda count: count == 2)
        assert (value(api, "feed_channels"), value(api, "connections")) == (1, 2)
        until(lambda: value(api, "feed_position"), lambda at: at == 2)
    until(lambda: value(api, "subscribers"), lambda count: count == 0)
    processor.end()
    for _ in range(4):
        submit(api, "deposit", {"accountId": account, "amount": "1"}, wait="ACCEPTED")
    assert value(api, "commands_submitted_total") == 9
    [standing_by] = parts.start("processor")
    until(lambda: value(standing_by, "log_position"), lambda at: at == 6)
    until(lambda: value(standing_by, "partition_lag_messages", partition="0"), lambda lag: lag == 0)
    shown = {name for part in (api, relay, projections, reactors, standing_by) for name, _ in scraped(part)}
    assert asked_by_the_dashboard() <= shown
    assert len(asked_by_the_dashboard()) > 12


def asked_by_the_dashboard() -> set[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert len(expressions) >= len(panels) - 3
    return {name for expr in expressions for name in re.findall(r"\bcommander_\w+", expr)}


def test_the_api_s_public_port_has_no_metrics_and_no_details_of_its_health(parts: Parts) -> None:
    [api] = parts.start("api")
    public, operators = f"http://127.0.0.1:{api.port}", f"http://127.0.0.1:{api.operators_port}"
    assert httpx.get(f"{public}/metrics", verify=NO_TLS).status_code == 404
    assert httpx.get(f"{public}/health/live", verify=NO_TLS).json() == {"live": True}
    ready = httpx.get(f"{public}/health/ready", verify=NO_TLS)
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "degraded": False})
    assert httpx.get(f"{public}/health/answering", verify=NO_TLS).json() == {"answering": True}
    detailed = httpx.get(f"{operators}/health/ready", verify=NO_TLS)
    expected = {"postgres": "ok", "nats": "ok", "feed": "ok"}
    told = detailed.json()
    code = told.pop("code")
    assert (detailed.status_code, told) == (
        200,
        {"ready": True, "degraded": False, "parts": expected, "warnings": {}},
    )
    assert (code["domain"], code["events"]["AccountOpened"]) == ("bank", 1)
    assert "Withdraw" in code["commands"]
    assert re.fullmatch("[0-9a-f]{8}", code["fingerprint"])
    for path in ("/", "/graphql", "/graphiql-assets/x.js"):
        assert httpx.get(operators + path, verify=NO_TLS).status_code == 404, "it serves no API"


def test_an_api_that_reaches_no_server_says_on_its_public_port_only_that_it_is_not_ready(
    tmp_path: Path,
) -> None:
    with Parts("postgresql://nobody@127.0.0.1:9/x", "nats://127.0.0.1:9", tmp_path) as started:
        [api] = started.start("api", ready=False)
        public = httpx.get(f"http://127.0.0.1:{api.port}/health/ready", verify=NO_TLS)
        assert (public.status_code, public.json()) == (503, {"ready": False, "degraded": False})
        public = httpx.get(f"http://127.0.0.1:{api.port}/health/answering", verify=NO_TLS)
        assert (public.status_code, public.json()) == (503, {"answering": False})


def test_without_an_operators_port_an_api_has_no_metrics(parts: Parts) -> None:
    [api] = parts.start("api", COMMANDER_HEALTH_PORT="0")
    listening = {
        c.laddr.port for c in psutil.Process(api.process.process.pid).net_connections() if not c.raddr
    }
    assert listening == {api.port}


def test_commander_dev_gives_each_part_a_port_from_the_one_that_is_set_or_a_free_one() -> None:
    names = ("api", "processor", "relay")
    assert operators_ports(read_settings(health_port=9000), names) == {
        "api": 9000,
        "processor": 9001,
        "relay": 9002,
    }
    free = operators_ports(read_settings(), names)
    assert tuple(free) == names
    assert len(set(free.values())) == 3


def test_commander_dev_gives_no_part_the_port_that_the_api_will_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commander.dev.ports.free_ports", lambda count, host: [8001, 8000, 8002][:count])
    found = operators_ports(read_settings(port=8000), ("api", "processor"))
    assert found == {"api": 8001, "processor": 8002}


def test_a_part_that_reaches_no_server_says_so_and_nothing_more(tmp_path: Path) -> None:
    with Parts("postgresql://nobody@127.0.0.1:9/x", "nats://127.0.0.1:9", tmp_path) as started:
        [part] = started.start("processor", ready=False)
        code = {"commander_code_info", "commander_code_commands", "commander_code_events"}
        assert {name for name, _ in scraped(part)} == {
            "commander_server_up",
            "commander_server_trouble",
            "commander_event_loop_blocks_total",
            "commander_event_loop_longest_block_seconds",
            *code,
        }
        assert value(part, "server_up", server="postgres") == value(part, "server_up", server="nats") == 0


def test_a_histogram_counts_each_value_at_the_least_bound_that_holds_it() -> None:
    histogram = Histogram((1, 10))
    for one in (0, 1, 1.5, 10, 11, 1000):
        histogram.add(one)
    assert (histogram.counts, histogram.sum) == ([2, 2, 2], 1023.5)


async def test_a_server_that_is_frozen_does_not_hide_the_metrics_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("commander.parts.metrics._PATIENCE_SECONDS", 0.1)
    never = asyncio.Event()

    async def frozen() -> list[Metric]:
        await never.wait()
        raise AssertionError("it never ends")

    async def known() -> list[Metric]:
        return [gauge("known", "What the process knows.", 1)]

    async with asyncio.timeout(30):
        answer = await metrics_answers(lambda: [frozen, known])["/metrics"]()
    assert (answer.status, b"commander_known 1.0" in answer.body) == (200, True)
