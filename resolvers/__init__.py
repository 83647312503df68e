"""What a field of the API does: plain async functions over streaming and eventstore. No GraphQL here.

services.py     what the resolvers work with, put together once per process
commands.py     submitting a command and waiting for its outcome
results.py      the ways a command can go
dry_run.py      what a command would do
cancelling.py   taking back a queued command
status.py       where a command stands: asked, listed, followed
reactions.py    what reactors sent because of events
lineage.py      what followed from a command, as a tree
watching.py     the same, while it grows
dead_letters.py failed commands: listed, retried, dropped
events.py       reading and following the log
projections.py  reading projections
live.py         following a row or a list
"""
