"""Effects: events to calls outside.

attempts.py     one attempt at a call; alone, if it may end the process
runner.py       run an effect: read the log, call, retry, set aside
"""
