"""Postgres: the log, command outcomes, projection tables, checkpoints. May import commander.domain.

records.py     what crosses this folder's door
database.py    connections, and errors told apart
migrate.py     numbered migrations under an advisory lock; schema.sql is what they add up to
locks.py       advisory locks: who may be the one to do a thing
log.py         appending decisions and reading events
outcomes.py    the one outcome of each command
history.py     commands that have ended, listed; dead letters
attempts.py    commands that may have crashed their processor
snapshots.py   states of long streams, so as not to read them all
archive.py     the file of an export, line by line
exporting.py   the log as such a file
importing.py   such a file as the log of an empty store
checkpoints.py how far each partition, projection and reactor has come
reactors.py    what reactors with a key remember, saved with their checkpoints
causation.py   how many reactions led to an event
tables.py      the one builder of SQL for projection tables
projections.py folding events into rows, and reading them
versions.py    rows as they were, folded from their streams
"""
