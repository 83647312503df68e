"""The command line.

checkout.py           a source checkout is complete
loading.py            find the domain that a process serves
dead_letters.py       commander dead-letters
effect_failures.py    commander effect-failures
exporting.py          commander export
importing.py          commander import
projection_tables.py  commander projections list, rebuild, switch, rollback, drop
rebuilding.py         rebuild a projection and show what differs
reactors.py           commander reactors list, replay
verifying.py          commander verify
parts.py              run one part, or the tree of all
commands.py           the commands
main.py               the entry point
"""
