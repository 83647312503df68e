"""Operations: read, limit, validate, admit, execute.

limits.py           what a document may cost
selections.py       the fields that an operation selects
documents.py        from a document's text to what may be executed
gate.py             where every operation passes once, before it is executed
rendering.py        the fields that a document selects of an event, compiled once
mutation_plans.py   the common mutation, compiled once
following.py        subscribers of the feed and of live rows
operations.py       execute an operation
"""
