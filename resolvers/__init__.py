"""What a field of the API does: plain async functions over streaming and eventstore. No GraphQL here.

identity/           who a request comes from: tokens, and the end of what they allow
services.py         the services that resolvers use, one instance per process
answer_size.py      the size of an answer, and its limit
allowances.py       what one client may use: operations, commands, cost, streams
trusted_documents.py the documents that clients name by their ids
payers.py           whose allowance an operation uses
request_context.py  the request context, made here for every transport and for the command line
allowing.py         the rule of a command, before it is stored
commands.py         submit a command and wait for its outcome
time_limits.py      a limit of time for a piece of work
repeating.py        whether a command that comes again is the same request
results.py          the results that a command can have
current_states.py   the newest states of streams
dry_run.py          the decision on a command, without storing it
ending.py           end a pending command: cancel it, or give it up
status.py           the status of commands: one, a list, a subscription
reactions.py        the commands that reactors sent because of events
lineage.py          a command and all that followed from it, as a tree
lineage_watch.py    the lineage as a subscription
settling.py         wait until all that a command has set going has ended
dead_letters.py     failed commands: list, retry, drop
effects.py          failed calls of effects: list, retry, drop
reactor_failures.py parked keys of reactors: list, retry, skip
events.py           read events of the log, and follow it
numbered.py         pages of lists that are ordered by a number, in both directions
log_pages.py        pages of the log
stream_events.py    the events of streams, a page at a time
projections.py      read projections
projection_tables.py the tables of projections: rebuild, switch, drop
links.py            read rows of another projection, along links and by id
unique_rows.py      read rows by unique keys
cursors.py          cursors of lists: encode and decode
node_ids.py          global ids of rows, commands and events: encode and decode
read_your_writes.py wait until a projection shows a position
time_travel.py      rows of the past, and the versions of a row
live.py             follow a row or a list
affordances.py      which commands a viewer may send to the aggregates of rows
system.py           the figures of the whole system
visible_rows.py     the rows and fields of rows that a viewer sees
visible_events.py   the events and commands that a viewer sees
visible_feed.py     the feed for viewers who do not see every event
"""
