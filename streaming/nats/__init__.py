"""NATS: one connection, and what travels on it.

chunks.py            nats-py's client, with subscriptions that get messages in lists
connection.py        one NATS connection; which errors mean that it cannot be reached
streams.py           the streams COMMANDS and EVENTS, their subjects and partitions
publishing.py        publish many messages: one by one, or as an atomic batch
ordered_consumer.py  read a stream in order, without gaps
direct_get.py        read many messages of a stream with one request
signals.py           what is published on core NATS; a lost signal costs time, never an event
"""
