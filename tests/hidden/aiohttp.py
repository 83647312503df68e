"""Stands before aiohttp on the path of the processes that tests start.

nats-py imports aiohttp wherever it is installed. Here a client library of the tests needs it.
Each process would start a quarter of a second later than where Commander alone is installed.
"""

raise ImportError("hidden from the processes that the tests start; see tests/hidden/aiohttp.py")
