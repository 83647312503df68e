"""/metrics of every part, in a system at work; and the dashboard, which asks for nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from commander.dev.embedded import EmbeddedNats
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
    answer = httpx.get(f"http://127.0.0.1:{part.port}/metrics", timeout=10, verify=NO_TLS)
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
    api, processor, relay, projections, reactors = parts.start(
        "api", "processor", "relay", "projections", "reactors"
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
    for part in (api, processor, relay, projections, reactors):
        assert (value(part, "log_position"), value(part, "commands_ended")) == (2, 5)
        assert value(part, "server_up", server="postgres") == value(part, "server_up", server="nats") == 1
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


def test_a_part_that_reaches_no_server_says_so_and_nothing_more(tmp_path: Path) -> None:
    with Parts("postgresql://nobody@127.0.0.1:9/x", "nats://127.0.0.1:9", tmp_path) as started:
        [part] = started.start("processor", ready=False)
        assert {name for name, _ in scraped(part)} == {"commander_server_up"}
        assert value(part, "server_up", server="postgres") == value(part, "server_up", server="nats") == 0


def test_a_histogram_counts_each_value_at_the_least_bound_that_holds_it() -> None:
    histogram = Histogram((1, 10))
    for one in (0, 1, 1.5, 10, 11, 1000):
        histogram.add(one)
    assert (histogram.counts, histogram.sum) == ([2, 2, 2], 1023.5)
