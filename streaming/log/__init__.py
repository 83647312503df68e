"""Readers of the log, and its mirror, the stream EVENTS.

reading.py      follow the log: from signals, and from Postgres if signals are missing
prefetch.py     read the next events while the last ones are folded
event_codec.py  an event as a message of EVENTS, and back
relay.py        publish the log onto EVENTS
agreement.py    compare Postgres and NATS at a start, after a new connection, and every few seconds
remaking.py     make the mirror again from the log
"""
