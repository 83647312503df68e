"""Export and import of the log.

format.py       the format of an export file: its lines and checksums
exporting.py    write the log to an export file
importing.py    read an export file into an empty store
"""
