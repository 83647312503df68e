"""How fast events reach subscribers, and what these cost, beside peers and limits: `python -m bench.feed`.

plan.py         how much of everything, in full and for trying out
cores.py        which core is the server's, which the subscribers'
subjects.py     the servers that are measured, and how events get into each
publishing.py   events into the log of Commander, or into the memory of the others
pacing.py       events at a rate, late or not
client.py       the subscribers' program; subscribers.py runs it, frames.py knows the frames
fanout.py       a to d, h  the same events to all
peers/          b  graphql-ws on Node, c  stock Strawberry
limits/         d  ready-made frames through uvicorn, bare sockets
filters.py      e  a filter of its own for each
catchup.py      f  a long log from its beginning; history.py fills it
latency.py      g  from a mutation to its event; disk.py, what the disk alone takes
plot.py         the figures of a to d by the number of subscribers
targets.py      what must be reached
"""
