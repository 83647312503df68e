"""Domains to run and to copy. May import commander, as anyone's domain does.

bank/           accounts, deposits, withdrawals, transfers by a process
bank-web/       the page of a customer of the bank, in TypeScript with React
consumer.py     a consumer of the stream EVENTS, with nats-py alone
"""
