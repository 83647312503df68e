"""Projections: tables that are folds of the log.

tables.py       the columns and statements of a table
serving.py      which tables a projection has, and which of them serves queries
rows.py         the rows that a batch of events touches: read, fold, write
stretches.py    the log as a projection reads it
folding.py      fold events into a table, and move its checkpoint
filling.py      fold a long log into a new table
inline.py       projections whose rows are written with the events
differences.py  compare two tables of one projection
filters.py      conditions and orders of a list; matched against a row in memory
queries.py      the same as SQL: pages of rows and counts
live.py         rows with the position that they show, and what changed since another position
versions.py     past rows, folded from their streams
"""
