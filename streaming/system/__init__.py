"""The whole system in figures, once a second while somebody watches: what moves, and what stands still.

figures.py        the figures
api_processes.py  what each API process tells the others of itself
reading.py        read what all parts share: streams, locks, checkpoints, outcomes
still.py          the sentences about what stands still
making.py         figures from what was read, with rates
watch.py          measure for all viewers of a process
"""
