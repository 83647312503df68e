"""NATS JetStream: commands in, events out. May import eventstore and commander.domain.

connection.py   one NATS connection; which errors mean that it cannot be reached
bulk.py         messages by the chunk that was read
streams.py      the streams COMMANDS and EVENTS, their subjects and partitions
batches.py      publishing many messages as one, atomically
pull.py         reading a stream in order, without gaps
signals.py      hints on core NATS that wake whoever waits; losing one costs time, never an event
submitting.py   mutations' commands, gathered into synced batches
outcomes.py     how a command ended, back to the process that waits
ownership.py    which processor has which partitions
deciding.py     a batch of commands to decisions; pure
states.py       the states of streams in memory, from snapshots and events
batch.py        a batch of commands: prepared, committed, announced
watchdog.py     ending a process whose domain code hangs
suspects.py     which commands may have crashed their processor
processor.py    pull, decide, commit, announce
queued.py       commands still in the stream, found by their id
progress.py     how far the projections have come, for those who wait
relay.py        the log onto the EVENTS stream
projecting.py   the log into projection tables
reacting.py     events to new commands
feed.py         history and live events for subscribers
running.py      keeping a part running while servers come and go
"""
