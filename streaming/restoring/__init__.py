"""After a store was set back to an older state.

differences.py  what differs between Postgres and NATS, from where, and what was lost on which side
restore.py      make the two agree again, and begin a new epoch of the log
"""
