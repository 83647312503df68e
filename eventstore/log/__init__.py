"""The log of events and the outcomes of commands.

event_log.py        append decisions, read events
outcomes.py         the one outcome of each command
command_history.py  commands that have ended, listed; dead letters
lineage.py          what followed from a command, along causation
causation.py        how many reactions led to an event
quarantine.py       attempts at commands that may have crashed their processor
snapshots.py        states of long streams, so that a load reads few events
checkpoints.py      how far each partition, projection and reactor has come
"""
