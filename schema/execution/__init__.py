"""Executing operations: parse, check limits, validate, pass the gate, execute.

limits.py           the limits of a document and of a request body
cost.py             what an operation can cost
selections.py       the fields that an operation selects
documents.py        from the text of a document to operations
gate.py             each operation passes it once, before it is executed
time_limits.py      how long an operation may take
counting.py         execution that counts the items of an answer
rendered.py         what subscriptions send, and the newest of it that is kept
rendering.py        compiled rendering of the selected fields of an event
mutation_plans.py   compiled execution of the common mutations
following.py        subscribers of the feed and of live rows
operations.py       execute an operation
"""
