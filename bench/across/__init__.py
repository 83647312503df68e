"""What rules across streams cost, beside an earlier build and peers: `python -m bench.across`.

plan.py          how much of everything, in full and for trying out
domain/          members with unique addresses or without, accounts, concerts
variants.py      a domain in a build
queues.py        deep queues, decided a slice in turn
claiming.py      a: commands that each claim a unique key, beside plain ones
transferring.py  b: decisions over two streams
holding.py       c: decisions by a decision model
peers/           d: eventsourcing, e: emmett: programs of their own in environments of their own
auditing.py      what must be true of the rules afterwards
targets.py       what must be reached
"""
