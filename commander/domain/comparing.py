"""Compares the names of what is stored with the names that a domain knows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from commander.domain.domain import Domain
from commander.domain.lookups import REACTION_AGGREGATE

_ALIKE = 0.5


@dataclass(frozen=True)
class StoredNames:
    """The names of what is stored.

    events: how many, by aggregate and type. commands: how many, by type. others: by kind (reactor, effect,
    projection, recurring, unique key), those that have a checkpoint, a table, a tick or keys.
    """

    events: Mapping[tuple[str, str], int]
    commands: Mapping[str, int]
    others: Mapping[str, Collection[str]] = field(default_factory=dict)


def unknown_event_types(domain: Domain, stored: StoredNames) -> dict[str, int]:
    """The types of stored events that the domain neither has nor has retired, with their counts."""
    found: dict[str, int] = {}
    for (_, name), count in stored.events.items():
        if domain.event_type(name) is None and not domain.names.known("event", name):
            found[name] = found.get(name, 0) + count
    return found


def unknown_names(domain: Domain, stored: StoredNames, kinds: Collection[str]) -> list[str]:
    """One sentence for each stored name of these kinds that the domain does not know."""
    counts: dict[tuple[str, str], int | None] = {
        ("event", name): count for name, count in unknown_event_types(domain, stored).items()
    }
    for (aggregate, _), count in stored.events.items():
        counts["aggregate", aggregate] = (counts.get(("aggregate", aggregate)) or 0) + count
    counts |= {("command", name): count for name, count in stored.commands.items()}
    counts |= {(kind, name): None for kind, names in stored.others.items() for name in sorted(names)}
    return [
        _unknown(domain, kind, name, count)
        for (kind, name), count in sorted(counts.items())
        if kind in kinds and not _is_known(domain, kind, name)
    ]


def _is_known(domain: Domain, kind: str, name: str) -> bool:
    return domain.names.known(kind, name) or (kind, name) == ("aggregate", REACTION_AGGREGATE)


_STORED = {
    "event": "the log has {count} events of the type {name}",
    "aggregate": "the log has {count} events in streams of the aggregate {name}",
    "command": "{count} commands of the type {name} are stored",
    "reactor": "a checkpoint of the reactor {name} is stored",
    "effect": "a checkpoint of the effect {name} is stored",
    "projection": "a table of the projection {name} is stored",
    "recurring": "a tick of the recurring command {name} is stored",
    "unique key": "keys of the unique key {name} are stored",
}
_PLURAL = {"recurring": "recurring", "unique key": "unique_keys"}


def _unknown(domain: Domain, kind: str, name: str, count: int | None) -> str:
    what = _STORED[kind].format(count=count, name=name)
    alike = nearest(name, domain.names.present(kind))
    kept = f'was=("{name}",)'
    if kind == "unique key":
        kept = f'Unique(…, name="{name.partition(".")[2]}")'
    renamed = f"If {alike or 'one'} is its new name, write {kept} there"
    gone = f'if it is gone for good, {domain.name}.retired({_PLURAL.get(kind, kind + "s")}=("{name}",))'
    return f"{what}, which the domain {domain.name} does not have. {renamed}; {gone}"


def misplaced_streams(domain: Domain, stored: StoredNames) -> list[str]:
    """One sentence for each aggregate whose streams would be opened again beside the stored ones.

    That is so if the stored events of one of its types are in streams of an aggregate that the domain does
    not have, or if streams under several of its names are stored.
    """
    found = []
    streams: dict[str, int] = {}
    left: dict[tuple[str, str], set[str]] = {}  # types by the stored and the present aggregate
    for (stream, name), count in stored.events.items():
        streams[stream] = streams.get(stream, 0) + count
        type_ = domain.event_type(name)
        if type_ is None or type_ is domain.rejection or _is_known(domain, "aggregate", stream):
            continue
        left.setdefault((stream, domain.aggregate_of_event(type_.name).name), set()).add(type_.name)
    for (old, new), types in sorted(left.items()):
        own = streams.get(domain.aggregates[new].stored_name, 0)
        renamed = f'write was=("{old}",) in the decorator of {new}'
        found.append(
            f"the log has {streams[old]} events in streams of {old}, an aggregate that the domain "
            f"{domain.name} does not have, and {new} evolves by their types ({', '.join(sorted(types))}): "
            f"commands for {new} would open these streams a second time. "
            + (f"There are {own} events of {new} too. " if own else f"If it was renamed, {renamed}. ")
            + f'To leave the streams of {old}, write {domain.name}.retired(aggregates=("{old}",))'
        )
    for aggregate in domain.aggregates.values():
        several = [name for name in aggregate.names if name in streams]
        if len(several) > 1:
            counts = ", ".join(f"{streams[name]} of {name}" for name in several)
            found.append(
                f"the log has events in streams of {aggregate.name} under several names ({counts}), and an "
                "aggregate has one: write that one as its name, and the others in "
                f"{domain.name}.retired(aggregates=…)"
            )
    return found


def several_checkpoints(domain: Domain, stored: StoredNames, kind: str) -> list[str]:
    """One sentence for each reactor or effect that has checkpoints under several of its names."""
    found = []
    for name in domain.reactors if kind == "reactor" else domain.effects:
        several = sorted(set(domain.names.names_of(kind, name)) & set(stored.others.get(kind, ())))
        if len(several) > 1:
            found.append(
                f"the {kind} {name} has checkpoints under {' and '.join(several)}: write the one to go on "
                f"with as its name, and the others in {domain.name}.retired({kind}s=…)"
            )
    return found


def nearest(name: str, candidates: Iterable[str], least: float = _ALIKE) -> str | None:
    """The candidate that is most like the name; None if none is alike enough."""
    from difflib import SequenceMatcher  # few processes need it

    scores = {
        one: SequenceMatcher(None, name.lower(), one.lower()).ratio() for one in candidates if one != name
    }
    best = max(scores, key=lambda one: scores[one], default=None)
    return best if best is not None and scores[best] >= least else None
