"""The stored data of reactors and effects.

beginnings.py   where new reactors and effects begin
recurring.py    the ticks that are set ahead
reactors.py     the states of reactors, stored with their checkpoints
cancelled.py    which deadlines their reactor has cancelled
parked.py       the keys of reactors that wait because an event failed
handled.py      which events reactors have handled
effects.py      the checkpoints of effects, and their dead letters
calls.py        calls of effects, counted before they run
state_code.py  which code made the states of a reactor
"""
