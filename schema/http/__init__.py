"""The transports, at one URL.

wire.py             JSON in and out, and errors of HTTP
negotiation.py      which media type answers a request
connections.py      connections that last: how many, and their end
sse.py              cursors on Server-Sent Events
frames.py           ready WebSocket frames
websocket.py        both WebSocket protocols
graphiql_page.py    the GraphiQL page and its files
examples.py         the operations that GraphiQL opens on
endpoint.py         GraphQL over HTTP, SSE, multipart and WebSocket
application.py      the ASGI application
"""
