"""How fast commands are stored, decided and answered, beside peers and limits: `python -m bench.commands`.

plan.py        how much of everything, in full and for trying out
running.py     the servers, a database and a NATS for each use, processes that measure
filling.py     the bank's accounts and deposits, waiting in COMMANDS
processor.py   a  COMMANDS to events and outcomes
peers/         b  eventsourcing, c  emmett: programs of their own in environments of their own
inserting.py   d  the limit of Postgres: rows in batches
publishing.py  e  the limits of NATS: messages on disk
accepting.py   f  mutations until ACCEPTED, beside noop.py, a mutation that does nothing
applying.py    g  mutations until APPLIED, through the whole system
load.py        the clients of f and g
audit.py       h  what must be true of every database that was measured
report.py      medians, ratios, targets
"""
