"""The processes of a deployment.

logs.py             the format of log lines
hold.py             load a part before it may work
status_server.py    a small HTTP server for health and metrics
health.py           /health/live and /health/ready
exposition.py       metrics in Prometheus' text format
metrics.py          /metrics
part.py             the base of every part
stored_names.py     compare what is stored with the code, at the start of a part
processor.py        decide commands
relay.py            mirror the log to the stream EVENTS
projections.py      fold the log into the projections' tables
reactors.py         turn events into commands
effects.py          call effects
taken.py            what a client has taken of what was sent
http_protocol.py    uvicorn's HTTP protocol, with bounds for requests that are never finished
frame_protocol.py   uvicorn's WebSocket protocol, which takes shared frames
asgi_server.py      uvicorn
authentication.py   what verifies tokens, by the settings
api_metrics.py      the metrics of the API
api.py              serve GraphQL
process.py          run a part: servers, signals
"""
