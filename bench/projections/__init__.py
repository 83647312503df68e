"""How fast projections are filled, beside a peer: `python -m bench.projections`.

plan.py         how much of everything, in full and for trying out
history.py      the log that is there before a clock starts
rebuild.py      a: a table filled by `commander projections`
peers/          b: the same by a library's projection runner, in an environment of its own
targets.py      what is to be reached
"""
