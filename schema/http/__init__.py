"""The transports, at one URL.

wire.py             JSON, and HTTP errors
negotiation.py      the media type of an answer
document_ids.py     ids of documents in place of documents
csrf.py             operations that a page of another site may have sent
requests.py         the form of a request, and arrays of requests
connections.py      limit and end of long-lived connections
departures.py       end the work for a client that has gone
answering.py        requests with one answer, and arrays of them
signing_in.py       the token of a request or of a WebSocket
sse.py              cursors on Server-Sent Events
multipart.py        parts of a response, for Apollo's protocol
frames.py           shared WebSocket frames
messages.py         the messages of a client on a WebSocket
websocket.py        both WebSocket protocols
built_pages.py      the files of pages that Vite has built
graphiql_page.py    the GraphiQL page
console_page.py     the page of the console
examples.py         the example operations of GraphiQL
minting.py          tokens for GraphiQL in development
sdl.py              the schema as text
endpoint.py         GraphQL over HTTP, SSE, multipart and WebSocket
application.py      the ASGI application
"""
