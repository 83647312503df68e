"""The part of a client in Python that is the same for each domain. `commander client python` copies it.

errors.py     what can go wrong, and what a repetition can mend
waiting.py    pauses between attempts
transport.py  how requests reach the API
codec.py      values as JSON, and back
sse.py        subscriptions as Server-Sent Events
websocket.py  subscriptions over WebSockets
resuming.py   the loop that decides what follows the end of a stream
asking.py     one request until there is an answer
commands.py   one command under one id until its outcome is known
feed.py       the feed
live.py       the rows of a list or of a key
pages.py      pages of a list
core.py       what the generated client of a domain calls
"""
