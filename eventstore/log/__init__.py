"""The log of events and the outcomes of commands.

clock.py            the clock of Postgres, and the last time that it gave to the log
event_log.py        append decisions, read streams
append_binds.py     decisions and events as the binds of an append
conditions.py       what decisions rest on, held while they are stored
indexes.py          unique keys and tags, which each append keeps up
key_holders.py      which streams hold unique keys, for who does not append
ranges.py           read the log in its order, page by page
outcomes.py         the one outcome of each command
command_history.py  the list of decided commands, and the dead letters
lineage.py          the commands and events that followed from a command
causation.py        how many reactions led to an event
quarantine.py       attempts at commands that may have crashed their processor
snapshots.py        states of long streams, so that a load reads few events
identity.py         the identity of the system, and its name
pending.py          pending commands that Postgres has too, in case NATS loses them
epochs.py           the epochs of the log, which begin when a store was set back
revocations.py      the subjects whose tokens were revoked
stored_names.py     the names of stored events and commands, with their counts
checkpoints.py      the checkpoint of each partition of the COMMANDS stream
"""
