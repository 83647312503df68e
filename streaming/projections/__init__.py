"""Projections: the log into tables, and how far they are.

progress.py     how far the projections have come, for those who wait
projecting.py   fold the log into the tables of one projection
projectors.py   the projectors of all projections of a process
serving.py      which tables serve queries, known to each API process
"""
