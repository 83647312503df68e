"""How fast `commander verify` audits a long log: `python -m bench.verifying`.

plan.py       how much of everything, in full and for trying out
auditing.py   a: the whole audit, by the command line
each.py       the same, check by check
targets.py    what must be reached
"""
