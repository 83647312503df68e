"""Commands: submit, queue, decide, and publish the outcome.

assembling.py              make a command of the domain into one to submit: checks, hooks, ids
messages.py                commands as messages: one alone, or several in one
queue_watch.py             how long the queue is, and whether it takes more
submitting.py              collect commands into messages and publish them durably
sending_again.py           send again what a lost COMMANDS had
outcome_look_ups.py        find outcomes in Postgres, many with one query
outcomes.py                publish outcomes, and wait for one
lags.py                    how far the partitions are behind the queue
partition_reader.py        read the undecided commands of a processor's partitions
allowing.py                decide the rule of a command on its state; pure
stream_states.py           the state of a stream, folded from its events; pure
needs.py                   what the decision on a command needs
models.py                  the states of decision models, folded from a query of the log
key_look_ups.py            which streams hold the keys by which deciders find states
key_holders.py             who holds the unique keys, as far as a processor knows
basis.py                   what the decisions of a batch rest on, and the keys they move
across_rules.py            the rules across streams that are on
indexing.py                build the indexes of the log, and switch them on
kept_indexes.py           when code may replace or drop an index that other code keeps up
deciding.py                from commands to decisions; pure
aggregate_cache.py         the states of aggregates in memory, from snapshots and events
long_loads.py              long streams are loaded beside others, and their commands wait
command_batch.py           one batch: look up, decide, commit, publish
decision_ends.py           what becomes of a decision: its trace, and its outcome
decided_batches.py         decide batches, commit the first one, decide again what another writer broke
announcing.py              the signals that tell of a batch after its commit
committing.py              commit batches one after another
crash_quarantine.py        commands that may have crashed their processor are decided in slices
processor_settings.py      the settings of a processor
upkeep.py                  what an owner of partitions does beside deciding
processor.py               read, decide, commit, publish
pending_by_id.py           pending commands, found by their id
pending_by_correlation.py  pending commands, found by their correlation id
"""
