"""Reactors: events to new commands.

reactions.py    from events to a reactor's commands and states
replaying.py    make a reactor's states again from the log
recurring.py    commands that recur, set for their next tick
reacting.py     run a reactor over its partitions
"""
