"""Operations: read, limit, validate, execute.

limits.py           what a document may cost
documents.py        from a document's text to what may be executed
rendering.py        the fields that a document selects of an event, compiled once
mutation_plans.py   the common mutation, compiled once
following.py        subscribers of the feed and of live rows
operations.py       execute an operation
"""
