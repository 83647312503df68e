"""NATS JetStream: commands in, events out. May import eventstore and commander.domain.

counters.py     what a process has done, counted for its metrics
running.py      keep a part running while servers come and go
spans.py        spans of OpenTelemetry
tracing.py      spans of one trace, where a tracer is set up
leases.py       which process has which partitions
nats/           connection, streams, publishing, reading, signals
log/            follow the log; the mirror: the stream EVENTS
commands/       submit commands, decide them, announce their outcomes
projections/    fold the log into projection tables
reactors/       events to commands
effects/        events to calls outside
feed/           history and live events for subscribers
live/           live rows for subscribers

Inside, a room imports only rooms above it in this list.
"""
