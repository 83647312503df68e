"""What the API looks like: Strawberry types made from a domain, and the transports. May import resolvers.

build.py        the whole schema of a domain
types.py        field types to GraphQL types: scalars, enums, value objects
events.py       the interface Event, a type per event, the feed
commands.py     a mutation per command, many at once, taking one back
results.py      the union of ways a command can go
history.py      commands as they stand and as they ended; dead letters
projections.py  the queries of each projection
live.py         the subscriptions of each projection
waiting.py      the arguments by which one reads what one wrote
errors.py       which error a client sees
documents.py    from a document's text to what may be executed
execution.py    running operations
rendering.py    what a document selects of an event, compiled once
following.py    subscribers of the log, those alike together
frames.py       what is rendered as WebSocket frames
limits.py       what a document or a body may cost
http.py         the ASGI application
endpoint.py     GraphQL over HTTP, SSE, multipart and WebSocket at one URL, GraphiQL
negotiation.py  which media type answers a request
wire.py         JSON in and out, and errors of HTTP
sse.py          cursors on Server-Sent Events
streams.py      connections that last: how many, and their end
websocket.py    the form of WebSocket messages, and the limits of both protocols
ide.py          the GraphiQL page and its files
examples.py     the operations GraphiQL opens on
"""
