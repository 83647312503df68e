"""Live rows: the rows of a query, then their changes.

changes.py      the state of one subscriber: what was sent, and what is pending
watching.py     follow one table for all its subscribers
live.py         rows and their changes for subscribers
"""
