"""Commands: submitted, queued, decided, announced.

assembling.py              make a command of the domain into one to submit: checks, hooks, ids
messages.py                commands as messages: one alone, or several in one
submitting.py              gather commands into synced publishes
outcomes.py                announce outcomes, and wait for one
partition_reader.py        the commands that a processor has still to decide
deciding.py                commands to decisions; pure
aggregate_cache.py         the states of aggregates in memory, from snapshots and events
command_batch.py           one batch: prepare, commit, announce
crash_quarantine.py        commands that may have crashed their processor are decided alone
watchdog.py                end a process whose domain code hangs
processor.py               pull, decide, commit, announce
pending_by_id.py           pending commands, found by their id
pending_by_correlation.py  pending commands, found by their correlation id
"""
