"""NATS JetStream: commands in, events out. May import eventstore and commander.domain.

connection.py   one NATS connection; which errors mean that it cannot be reached
bulk.py         messages by the chunk that was read
streams.py      the streams COMMANDS and EVENTS, their subjects and partitions
batches.py      publishing many messages as one, atomically
pull.py         reading a stream in order, without gaps
signals.py      what is told on core NATS of what was written; losing it costs time, never an event
reading.py      following the log, as it is told of and from Postgres
messages.py     commands as messages: alone, or several that came at once
submitting.py   mutations' commands, gathered into synced batches
outcomes.py     how a command ended, back to the process that waits
leases.py    which process has which partitions
deciding.py     a batch of commands to decisions; pure
states.py       the states of streams in memory, from snapshots and events
batch.py        a batch of commands: prepared, committed, announced
watchdog.py     ending a process whose domain code hangs
suspects.py     which commands may have crashed their processor
inbox.py        the commands that a processor has still to decide
processor.py    pull, decide, commit, announce
queued.py       commands still in the stream, found by their id
direct.py       many messages of a stream by one request
under_way.py    commands still in the stream, found by their correlation
progress.py     how far the projections have come, for those who wait
mirrored.py     an event as a message of EVENTS, and back
relay.py        the log onto the EVENTS stream
projecting.py   the log into projection tables
reactions.py    from events to a reactor's commands and states
replaying.py    a reactor's states made again from the log
recurring.py    commands that recur, set for their next tick
reacting.py     events to new commands
channel.py      what subscribers of one kind see, rendered once
history.py      the log's past, for who is behind the tail
feed.py         history and live events for subscribers
verifying.py    auditing the mirror
attempting.py   one attempt at a call of the outside; alone, if it may end the process
effects.py      events to calls of the outside
tallies.py      what a process has done, counted for its metrics
tracing.py      spans of one trace, where somebody traces
changes.py      what a subscriber of rows was told, and what is still to be told
watching.py     following one table for all who watch it
live.py         rows as they change, for subscribers
running.py      keeping a part running while servers come and go
"""
