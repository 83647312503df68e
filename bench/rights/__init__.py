"""What rules cost, beside the same code without rules and beside an earlier build: `python -m bench.rights`.

plan.py       how much of everything, in full and for trying out
domain/       a domain with 50 rules, or with none
variants.py   the domain in a build, with rules or without, as a system that runs
viewers.py    who asks, and their tokens
accepting.py  a: mutations until ACCEPTED
feeding.py    b: events to 500 subscribers, and how often each is rendered
targets.py    what must be reached
"""
