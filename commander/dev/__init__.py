"""`commander dev`: all servers and parts on one machine.

embedded.py         Postgres and NATS from wheels
ports.py            the ports of the parts, checked before the start
tree.py             start the servers and all parts, watch them, stop them
"""
