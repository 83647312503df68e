"""What reactors and effects store.

reactors.py     the states of reactors, saved with their checkpoints
effects.py      the checkpoints of effects, and their dead letters
calls.py        calls of effects, counted before they run
"""
