"""What each process carries, and how soon it is ready, beside an earlier build: `python -m bench.footprint`.

plan.py      how much of everything, in full and for trying out
started.py   a process of a build: its time to readiness, its memory
parts.py     a: each part
tree.py      b: `commander dev`
help.py      c: `commander --help`
targets.py   what is to be reached
"""
