"""NATS JetStream: commands in, events out. May import eventstore and commander.domain.

counters.py     counters for the metrics of a process
handling.py     one run of a process that handles events
newer_code.py   what newer code knows, to which an event may have to be left
grouping.py     what comes at once shares a trip to a server
running.py      keep a part running while a server is unreachable
loop_watch.py   count and log what blocks the event loop
watchdog.py     interrupt domain code that does not return, or end the process
spans.py        spans of OpenTelemetry
tracing.py      the spans of a trace, if tracing is set up
leases.py       assign each partition to one process, with a fenced lease
nats/           connection, streams, publishing, reading, signals
revocations.py  who is no longer accepted, as other processes tell it
clocks.py       measure the clocks of the servers, and tell when they differ
outages.py      tell other processes which server takes no writes
log/            follow the log; the mirror: the stream EVENTS
commands/       submit commands, decide them, announce their outcomes
projections/    fold the log into projection tables
standstill.py   whether events and rows move with the log, or stand still
reactors/       events to commands
effects/        events to calls outside
feed/           history and live events for subscribers
live/           live rows for subscribers
system/         the whole system in figures, for who watches it
restoring/      after a store was set back: what was lost, and how to go on
audit/          check what is on NATS and what code folds; repair

Inside, a room imports only rooms above it in this list.
"""
