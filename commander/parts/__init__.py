"""The processes of a deployment.

logs.py             the lines that a process logs
hold.py             load a part before it may work
status_server.py    a small HTTP server for health and metrics
health.py           /health/live and /health/ready
exposition.py       metrics in Prometheus' text format
metrics.py          /metrics
part.py             what every part has
processor.py        decide commands
relay.py            mirror the log onto the EVENTS stream
projections.py      keep the projections' tables
reactors.py         turn events into commands
effects.py          call the outside
frame_protocol.py   uvicorn's WebSocket protocol, which takes ready frames
asgi_server.py      uvicorn
api.py              serve GraphQL
process.py          run a part: servers, signals
"""
