"""The command line.

checkout.py           check that a source checkout is complete
loading.py            find the domain that a process serves
checking.py           commander check
joining.py            the system that a command works on
dead_letters.py       commander dead-letters
effect_failures.py    commander effect-failures
client.py             commander client typescript, commander client python
document_files.py     the files that commander documents add reads
documents.py          commander documents
exporting.py          commander export
importing.py          commander import
projection_tables.py  commander projections list, rebuild, switch, rollback, drop
rebuilding.py         the progress and the result of a rebuild
printing.py           rows as a table, or with tabs
progress.py           the progress of long work
progress_lines.py     the lines of --json
indexes.py            commander indexes list, wait, drop
processors.py         commander processors list, waiting, fail, forget
reactors.py           commander reactors list, replay
restoring.py          commander restore
snapshots.py          commander snapshots drop
auditing.py           run the checks of an audit in several processes
verifying.py          commander verify
tokens.py             commander token
revoking.py           commander revoke
repairing.py          commander repair
parts.py              run one part, or all of them
commands.py           the commands
main.py               the entry point
"""
