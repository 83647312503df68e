"""Projections: fold the log into tables, and know their progress.

progress.py     the progress of projections, for queries that wait for a position
quarantine.py   fold the events that may have ended the process of the run before
inline_mode.py  let the appending processors write a table, and see that they do
projecting.py   fold the log into the tables of one projection
projectors.py   the projectors of all projections of a process
abandoned.py    tables that are read although no process keeps them up
serving.py      the serving table of each projection, as each API process follows it
"""
