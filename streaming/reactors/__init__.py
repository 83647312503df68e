"""Reactors: they turn events into new commands.

reactions.py    from events to a reactor's commands and states
replaying.py    rebuild a reactor's states from the log
recurring.py    schedule recurring commands for their next tick
parking.py      the parked keys of a reactor, and their retries
found_ticks.py  ticks that earlier versions of Commander have scheduled
quarantine.py   leases with marks, and the events that may have ended the process before
reacting.py     run a reactor over its partitions
"""
