"""The stored data of reactors and effects.

beginnings.py   where new reactors and effects begin
recurring.py    the ticks that are set ahead
reactors.py     the states of reactors, stored with their checkpoints
effects.py      the checkpoints of effects, and their dead letters
calls.py        calls of effects, counted before they run
"""
