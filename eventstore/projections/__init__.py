"""Projections: tables that are folds of the log.

tables.py       the columns and statements of a table
serving.py      the tables of a projection, and the one that serves queries
keeping.py      tables that no process keeps up, and what takes their place
rows.py         the rows that a batch of events touches: read, fold, write
log_ranges.py   the ranges of the log that a projection reads
rebuilding.py   another table for the same code
folding.py      fold events into a table, and move its checkpoint
filling.py      fold a long log into a new table
inline.py       projections whose rows are written in the transaction of the events
differences.py  compare two tables of one projection
conditions.py   filters as SQL, also through links
queries.py      pages of rows in an order, and counts, as SQL
live.py         rows with their position, and the changes since another position
versions.py     past rows, folded from their streams
"""
