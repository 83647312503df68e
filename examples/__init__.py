"""Domains to run and to copy. May import commander, as anyone's domain does.

bank/           accounts, deposits, withdrawals, transfers by a process
consumer.py     a consumer of the stream EVENTS, with nats-py alone
"""
