"""`commander dev`: all servers and parts on one machine.

embedded.py         Postgres and NATS from wheels
tree.py             start the servers and all parts, watch them, stop them
"""
