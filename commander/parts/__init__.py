"""The processes of a deployment.

health.py           /health/live and /health/ready
metrics.py          /metrics
parts.py            processor, relay, projections, reactors, effects
api.py              the API
frame_protocol.py   uvicorn's WebSocket protocol, which takes ready frames
process.py          run a part: logging, servers, signals
"""
