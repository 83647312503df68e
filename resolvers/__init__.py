"""What a field of the API does: plain async functions over streaming and eventstore. No GraphQL here.

services.py         what the resolvers work with, put together once per process
request_context.py  who asks, with which services; made here for every transport and the command line
commands.py         submit a command and wait for its outcome
results.py          the results a command can have
dry_run.py          what a command would do
cancelling.py       cancel a queued command
status.py           where a command stands: asked, listed, followed
reactions.py        what reactors sent because of events
lineage.py          what followed from a command, as a tree
lineage_watch.py    the same, while it grows
dead_letters.py     failed commands: list, retry, drop
effects.py          failed calls of effects: list, retry, drop
events.py           read and follow the log
stream_events.py    the events of one stream, a page at a time
projections.py      read projections
cursors.py          cursors of lists: encode and decode
read_your_writes.py wait until a projection shows a position
time_travel.py      past rows, and the versions of a row
live.py             follow a row or a list
"""
