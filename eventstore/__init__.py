"""Postgres: the log, command outcomes, projection tables, checkpoints. May import commander.domain.

circuits.py     what a process knows of a server, and what it then refuses and ends
sockets.py      how long a connection may be silent
sql/            the SQL statements, one per file
sessions.py     how each session is set up, and the time limits of the server that hold for it
poolers.py      whether a connection is a session, or a pooler stands between; what refuses one
presence.py     a process that falls silent loses its sessions with locks
pool.py         the pool of connections, and whose turn it is to take one
database.py     connections, and the errors that mean that Postgres cannot be reached
watching.py     find out whether Postgres is lost, silent or read-only
locks.py        advisory locks: at most one process does a task
migrate.py      numbered migrations under an advisory lock; schema.sql is their sum
records.py      the structures that other packages exchange with this one
batches.py      how much is read, decided or stored at once
trusted_documents.py  the documents of GraphQL that clients may run
sharing.py      who shares partitions, with which code, and what a code has left to others
handling.py     which run handles events, and the events that may have ended a run
log/            events and command outcomes: append, read, list, snapshots, checkpoints
projections/    projection tables: fold the log into rows, query rows
reactions/      the states of reactors, and the calls of effects
archive/        export and import a log
audit/          check what is stored, and write again what can be

Within the package, a module imports only from modules above it in this list.
"""
