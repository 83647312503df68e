"""Stands before aiohttp on the path of the processes that tests start.

nats-py imports aiohttp wherever it is installed. Here a client library of the tests needs it, and each process
would take a quarter of a second longer to start than where Commander alone is installed.
"""

raise ImportError("hidden from the processes that the tests start; see tests/hidden/aiohttp.py")
