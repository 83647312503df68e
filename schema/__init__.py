"""What the API looks like: GraphQL types made from a domain, and the transports. May import resolvers.

names.py        names of GraphQL types and fields
naming.py       what is Commander's own, and its names in a graph of several domains
incidents.py    errors whose text is for operators alone
errors.py       the errors that a client sees
batching.py     one statement for many objects of an answer
context.py      the request context
types/          a type per event, a mutation per command, queries and subscriptions per projection
descriptions.py what occurs in many types with one meaning
subgraph.py     the schema as text for a gateway of Apollo Federation
execution/      from the text of a document to its answer
build.py        the whole schema of a domain
http/           the transports: HTTP, SSE, multipart, WebSocket; GraphiQL and the console
graphiql/       the JavaScript of the GraphiQL page
console/        the TypeScript of the console
typescript/     the files of a client in TypeScript, from the schema of a domain
python/         the files of a client in Python, and what it needs at run time

Each room imports only rooms above it in this list.
"""
