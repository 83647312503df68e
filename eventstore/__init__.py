"""Postgres: the log, command outcomes, projection tables, checkpoints. May import commander.domain.

database.py     connections, and errors told apart
locks.py        advisory locks: at most one process does a thing
migrate.py      numbered migrations under an advisory lock; schema.sql is what they add up to
records.py      what crosses this folder's door
sql/            the SQL statements, one a file
log/            events and command outcomes: append, read, list, snapshots, checkpoints
projections/    projection tables: fold the log into rows, query rows
reactions/      the states of reactors, and the calls of effects
archive/        export, import and verify a log

Inside, a room imports only rooms above it in this list.
"""
