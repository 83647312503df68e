"""Commander: a domain in plain Python becomes a GraphQL API over an event log.

domain/       what a domain is written with; pure          may import nothing of ours
eventstore/   Postgres: log, outcomes, projections         may import domain
streaming/    NATS JetStream: submit, process, relay,      may import eventstore and above
              project, react, feed
resolvers/    what each GraphQL field does                 may import streaming and above
schema/       what the GraphQL API looks like, HTTP        may import resolvers and above
setting_types.py  the types of settings                   may import nothing of ours
settings.py   the settings of a process                    may import eventstore
testing/      given, when, then for a domain's tests       may import domain
deferred.py   import what a process seldom uses late       may import nothing of ours
parts/        the processes of a deployment                may import all above
dev/          everything on one machine                    may import all above
cli/          the command line                             may import all
__main__.py   python -m commander
examples/     domains to run and to copy: the bank         may import commander, as anyone's domain

In the repository eventstore, streaming, resolvers, schema and examples are links to the top-level folders.

A domain's author imports from here and from `commander.testing`, nothing else.
"""

import importlib
import signal
import sys

if sys.argv[0].rpartition("/")[2] == "commander":  # Ctrl-C among the imports leaves no traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)
if sys.argv[0].rpartition("/")[2] in ("commander", "-m"):  # a process of our own: the command, or a part
    importlib.import_module("commander.deferred").defer()
if "typing_extensions" not in sys.modules:
    # These libraries import it for what typing has too. It costs a process 0.2 MiB. None refuses an import.
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    try:
        importlib.import_module("annotated_types")
        importlib.import_module("msgspec")
    finally:
        del sys.modules["typing_extensions"]

from annotated_types import Ge, Gt, Le, Len, Lt, MaxLen, MinLen, MultipleOf, Predicate

from commander.domain import (
    ApiName,
    BigInt,
    CommandContext,
    CommanderError,
    Deadline,
    DefinitionError,
    Deprecated,
    Doc,
    Domain,
    EffectCall,
    Entity,
    Found,
    Later,
    Message,
    Origin,
    ReactionRejected,
    Ref,
    Rejected,
    SubmitContext,
    Tag,
    Unique,
    Viewer,
    Visible,
    any_of,
    anyone,
    by,
    guards,
    new_id,
    one_of,
    same_as,
    touches,
    where,
)

__all__ = [
    "ApiName",
    "BigInt",
    "CommandContext",
    "CommanderError",
    "Deadline",
    "DefinitionError",
    "Deprecated",
    "Doc",
    "Domain",
    "EffectCall",
    "Entity",
    "Found",
    "Ge",
    "Gt",
    "Later",
    "Le",
    "Len",
    "Lt",
    "MaxLen",
    "Message",
    "MinLen",
    "MultipleOf",
    "Origin",
    "Predicate",
    "ReactionRejected",
    "Ref",
    "Rejected",
    "SubmitContext",
    "Tag",
    "Unique",
    "Viewer",
    "Visible",
    "any_of",
    "anyone",
    "by",
    "guards",
    "new_id",
    "one_of",
    "same_as",
    "touches",
    "where",
]
