"""Postgres: the log, command outcomes, projection tables, checkpoints. May import commander.domain.

records.py     what crosses this folder's door
database.py    connections, and errors told apart
migrate.py     numbered migrations under an advisory lock; schema.sql is what they add up to
locks.py       advisory locks: who may be the one to do a thing
log.py         appending decisions and reading events
outcomes.py    the one outcome of each command
history.py     commands that have ended, listed; dead letters
lineage.py     what followed from a command, along causation
attempts.py    commands that may have crashed their processor
snapshots.py   states of long streams, so as not to read them all
archive.py     the file of an export, line by line
exporting.py   the log as such a file
importing.py   such a file as the log of an empty store
checkpoints.py how far each partition, projection and reactor has come
reactors.py    what reactors with a key remember, saved with their checkpoints
causation.py   how many reactions led to an event
effects.py     how far effects outside have come; their dead letters
calls.py       calls of effects that were begun, counted before they run
tables.py      projection tables: their columns and statements
stretches.py   the log as a projection reads it
rows.py        the rows that a stretch of events touches: read, folded, written
serving.py     which tables a projection has, and which of them serves
inline.py      projections whose rows are written with the events
differences.py two tables of one projection, compared
projections.py folding events into a table
filling.py     folding a long log into a table that is made anew
filters.py     which rows are wanted, and in which order; held against a row in memory
queries.py     the same as SQL: pages of rows, and how many there are
verifying.py   auditing log, outcomes and projections
live.py        rows with the position that they are the fold of, and what changed since another
versions.py    rows as they were, folded from their streams
"""
