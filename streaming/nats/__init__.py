"""NATS: one connection, streams and signals.

chunks.py            nats-py's client, with subscriptions that receive messages in lists
connection.py        one NATS connection, and the errors that mean that NATS cannot be reached
names.py             the names of a system's streams and subjects, and its identity
streams.py           the streams COMMANDS and EVENTS, their subjects and partitions
publishing.py        publish many messages: separately, or as an atomic batch
ordered_consumer.py  read a stream in order, without gaps
direct_get.py        read many messages of a stream with one request
watching.py          find out whether NATS is silent or full
signals.py           the signals on core NATS; a lost signal costs time, never an event
"""
