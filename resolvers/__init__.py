"""What a field of the API does: plain async functions over streaming and eventstore. No GraphQL here.

services.py     what the resolvers work with, put together once per process
commands.py     submitting a command and waiting for its outcome
events.py       reading and following the log
projections.py  reading projections
"""
