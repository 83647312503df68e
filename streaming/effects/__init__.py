"""Effects: calls of external services in reaction to events.

attempts.py     one attempt at a call: time limit, backoff, and exclusive calls
calls.py        a call that is to be made
runner.py       run an effect: read the log, call, retry, store dead letters
"""
