"""The audit of what is on NATS, and of states that the domain's code folds. See eventstore/audit.

checks.py          all checks, in the order in which they run
epoch.py           the epoch of the streams against that of the log
mirror.py          EVENTS: its range, its limits, and each message against its event
alike.py           how far EVENTS is the log byte for byte, many messages at once
expected.py        the messages of EVENTS as the log wants them, as bytes
snapshots.py       snapshots against folds of their streams
log_indexes.py     unique keys against the states, tags against the events
reactor_states.py  the states of reactors against folds of the log
schedules.py       deadlines and ticks against what is scheduled
pending.py         pending commands that Postgres has against COMMANDS
progress.py        the progress of the partitions against COMMANDS
repairing.py       what `commander repair` does, and which parts must be stopped for it
"""
