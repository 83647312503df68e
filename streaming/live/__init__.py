"""Live rows: the rows of a query, and their changes.

changes.py      what a subscriber has been sent, and what is to be sent
watching.py     follow one table for all who watch it
live.py         rows and their changes for subscribers
"""
