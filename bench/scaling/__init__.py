"""What a second process brings, and what a death costs: `python -m bench.scaling`.

plan.py       how much of everything, in full and for trying out
queues.py     deep queues; who owns their partitions; when what was decided
windows.py    rates in windows of half a second
deciding.py   a  a deep queue decided by one processor and by two
joining.py    b  the rate while a second processor joins and leaves
reacting.py   c  the same with processes of a reactor
dying.py      d  after a kill, beside a clean stop
finding.py    e  how many deaths until the command that causes them is found
doors.py      the domain of c, d and e
targets.py    what must be reached
"""
