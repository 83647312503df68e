"""The text format of metrics, read back by Prometheus' own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from commander.parts.exposition import exposition, gauge, gauges, histogram, labelled
from commander.streaming.counters import Histogram


def test_prometheus_reads_each_kind_with_its_text_labels_and_values() -> None:
    held = Histogram((0.5, 2))
    for value in (0.5, 1, 1, 7):
        held.add(value)
    awkward = 'C:\\new "x"\nnext'
    written = exposition(
        [
            gauge("log_position", awkward, 12_345_678_901),
            gauges("server_up", "Up.", "server", {awkward: True, "nats": False}),
            labelled("counter", "decided_total", "Decided.", [({"type": "A", "status": "B"}, 3)]),
            histogram("commit_seconds", "Seconds.", held),
        ]
    )
    families = {family.name: family for family in text_string_to_metric_families(written.decode())}
    position, up, decided, seconds = (
        families[f"commander_{name}"] for name in ("log_position", "server_up", "decided", "commit_seconds")
    )
    assert (position.type, position.documentation) == ("gauge", awkward)
    assert [sample.value for sample in position.samples] == [12_345_678_901]
    assert [(s.labels, s.value) for s in up.samples] == [({"server": awkward}, 1), ({"server": "nats"}, 0)]
    assert (decided.type, decided.samples[0].name) == ("counter", "commander_decided_total")
    assert decided.samples[0].labels == {"type": "A", "status": "B"}
    assert seconds.type == "histogram"
    assert [
        (s.name.removeprefix("commander_commit_seconds"), s.labels, s.value) for s in seconds.samples
    ] == [
        ("_bucket", {"le": "0.5"}, 1),
        ("_bucket", {"le": "2.0"}, 3),
        ("_bucket", {"le": "+Inf"}, 4),
        ("_count", {}, 4),
        ("_sum", {}, 9.5),
    ]
    assert len(families) == 4
