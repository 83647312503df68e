"""What the API looks like: GraphQL types made from a domain, and the transports. May import resolvers.

names.py        names of GraphQL types and fields
errors.py       which error a client sees
batching.py     one statement for what many objects of an answer ask
context.py      the request context
types/          what there is to ask: a type per event, a mutation per command, queries of each projection
execution/      from a document's text to its answer
build.py        the whole schema of a domain
http/           the transports: HTTP, SSE, multipart, WebSocket; GraphiQL
graphiql/       the JavaScript of the GraphiQL page

Inside, a room imports only rooms above it in this list.
"""
