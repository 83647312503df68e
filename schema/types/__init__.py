"""The GraphQL types, and the fields of Query, Mutation and Subscription.

scalars.py          the scalars: what they read, refuse and show
field_types.py      field types to GraphQL types: enums, value objects, inputs
paging.py           PageInfo
direct_field.py     a field that graphql-core resolves without Strawberry
for_operators.py    which root fields are for operators
records.py          the types that refer to one another: Event, Command, Reaction
shared_fields.py    one type for each field that several events have
events.py           a type per event; read the log; the feed
rejection_codes.py  an enum of codes for each command
changed_rows.py     the rows that a command has changed
results.py          the interface CommandOutcome
commands.py         a mutation per command; submit many; cancel one
command_status.py   the status of commands; dead letters
effects.py          failed calls of effects
reactor_failures.py parked keys of reactors
system.py           the figures of the whole system
projection_tables.py tables of projections: rebuild, switch, drop
lineage.py          the lineage of a command
filters.py          where and orderBy of a list
late_projections.py projections that do not show an event, and why
read_your_writes.py the position that rows show; the arguments atLeast and timeoutMs
time_travel.py      rows of the past: accountAt, history, accountHistory
node.py             any row, command or event by its id
entities.py         the fields that a gateway of Apollo Federation asks
other_entities.py   links from rows to objects of other subgraphs
live.py             the subscriptions of each projection
affordances.py      the field availableCommands of rows
row_lists.py        lists of rows as connections
links.py            the row that a row refers to, and the rows that refer to it
unique_rows.py      the row with a unique key: accountByOwner
projections.py      the queries of each projection
"""
