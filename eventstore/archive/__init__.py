"""A log as a file, and the audit of what is stored.

format.py       the file of an export, line by line
exporting.py    write the log to such a file
importing.py    read such a file into an empty store
verifying.py    audit the log, the outcomes and the projections
"""
