"""How fast commands are stored, decided and answered, beside peers and limits: `python -m bench.commands`.

plan.py        how much of everything, in full and for trying out
processor.py   a  COMMANDS to events and outcomes
peers/         b  eventsourcing, c  emmett: programs of their own in environments of their own
inserting.py   d  the limit of Postgres: rows in batches
publishing.py  e  the limits of NATS: messages on disk
accepting.py   f  mutations until ACCEPTED, beside noop.py, a mutation that does nothing
applying.py    g  mutations until APPLIED, through the whole system
timed.py       what a process that measures prints
targets.py     what must be reached

What it shares with other measurements stands one folder up: audit.py is h, load.py the clients of f and g.
"""
