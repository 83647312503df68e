"""The audit of a system's data in Postgres: each module checks one promise. `commander verify` prints them.

reading.py      how audits read
copying.py      bulk reads as text, by COPY
log_pages.py    the log in pages, which several folds share
findings.py     the kinds of findings, what can be done, and what a check is
events.py       the log: dense positions and versions, and each event against its outcome
outcomes.py     outcomes against one another: numbers, positions, statuses
digests.py      the data of commands against their digests
positions.py    checkpoints and snapshots beyond the end of what they belong to
names.py        the counts of stored names
comparing.py    statements for the audits in streaming/audit
tables.py       the tables of projections against folds of the log
restoring.py    write events and outcomes again
resetting.py    set checkpoints back
refolding.py    write tables of projections and counted names again

Checks of what is on NATS, and of states that the domain's code folds, are in streaming/audit.
"""
