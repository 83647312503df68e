"""The files of `commander client python`: a client in Python for a domain, with what it needs at run time.

runtime/      what is the same for each domain; the command copies it
names.py      names of GraphQL as names of Python
type_text.py  types of GraphQL as annotations, descriptions as docstrings
models.py     the classes of inputs, enums, rows, events and outcomes
methods.py    a method per command, query and live list
files.py      the files
"""
