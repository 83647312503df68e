"""The files of `commander client typescript`: what a client in TypeScript needs of a schema.

type_text.py    types of GraphQL as TypeScript
selecting.py    what an operation selects, as a document and as the type of its result
coding.py       codecs of scalars, and where their values are
operations.py   an operation per command and projection, and the feed
files.py        the files
"""
