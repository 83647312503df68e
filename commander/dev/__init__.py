"""`commander dev`: all servers and parts on one machine.

data_dir.py         the directory of the data, checked and locked
development_key.py  the key that tokens are minted and verified with
embedded.py         Postgres and NATS from wheels
ports.py            the ports of the parts, checked before the start
tree.py             start the servers and all parts, watch them, stop them
"""
