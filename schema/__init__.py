"""What the API looks like: Strawberry types made from a domain, and the transports. May import resolvers.

build.py        the whole schema of a domain
types.py        field types to GraphQL types: scalars, enums, value objects
events.py       the interface Event, a type per event, the feed
commands.py     a mutation per command, many at once, taking one back
results.py      the union of ways a command can go
history.py      commands as they stand and as they ended; dead letters
projections.py  the queries of each projection
errors.py       which error a client sees
documents.py    from a document's text to what may be executed
execution.py    running operations
limits.py       what a document or a body may cost
http.py         the ASGI application: GraphQL over HTTP and WebSocket, GraphiQL, health
streams.py      streaming responses and their end
websocket.py    the form of WebSocket messages
ide.py          the GraphiQL page and its files
examples.py     the operations GraphiQL opens on
"""
