"""Measurements beside peers and limits, side by side in one run. Not part of what is installed.

across/       what rules across streams cost
commands/     how fast commands are stored, decided and answered
feed/         how fast events reach subscribers, and what subscribers cost
footprint/    what each process carries, and how soon it is ready
identity/     what a token costs, and how soon streams end with it
latency/      what a mutation takes when both servers are far away
projections/  how fast a table is filled, how far it is behind, and what a long history costs
rights/       what rules cost
scaling/      what a second process brings, and what a death costs
whole/        the whole system under load, as its users see it: `make load`

suite.py              the command line of each of these
measuring.py          every subject in turn, again and again
servers.py            Postgres for all; a database, a NATS, a system for each use
builds.py             this checkout and an earlier one, each in an environment of its own
processes.py          what is measured or measures, each a process, perhaps on a core of its own
peer_environments.py  peers are installed beside their programs
distance.py           a server that is far away
filling.py            the bank's accounts, commands and events
load.py               clients that send mutations
sides.py              several servers under one load, a slice in turn
audit.py              what must be true of every database that was measured
report.py             medians, spreads, ratios, targets; Markdown and JSON
"""
