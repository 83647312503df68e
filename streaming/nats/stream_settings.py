"""The settings of the two streams: what Commander needs, what an operator may choose, and what is refused.

docs/running.md has the table. What is needed is set. Everything else stays as the operator has it, except
settings that break what Commander promises: those are refused, because somebody has wanted them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from nats.js import api
from nats.js.errors import BadRequestError, ServerError

from commander.domain.errors import CommanderError
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.names import Names

logger = logging.getLogger("commander.nats")

_INVALID = 10052  # the update would change what cannot be changed
_NEEDED = ("subjects", "allow_atomic", "allow_msg_schedules", "allow_direct", "deny_delete")
_DROPPING = ("max_age", "max_msgs", "max_bytes", "max_msgs_per_subject")


class StreamFixed(CommanderError):
    """A stream has a setting that Commander refuses or cannot change. The message says what to do."""


class _Refused(NamedTuple):
    """A setting that is refused. for_good: NATS never takes it back."""

    name: str
    is_set: Callable[[api.StreamConfig], Any]
    why: str
    for_good: bool = False


def _limit(name: str, why: str) -> _Refused:
    return _Refused(name, lambda config: (getattr(config, name) or 0) > 0, why)


def _given(name: str, why: str, *, for_good: bool = False) -> _Refused:
    return _Refused(name, lambda config: getattr(config, name), why, for_good)


_BY_BOTH = (
    _given("sealed", "it takes no messages", for_good=True),
    _given("no_ack", "nobody learns what is stored"),
    _given("mirror", "it holds the messages of another stream", for_good=True),
    _given("sources", "it holds messages of other streams"),
    _given("subject_transform", "its messages get other subjects"),
    _given("allow_msg_counter", "it takes counters alone", for_good=True),
    _given("subject_delete_marker_ttl", "it adds messages of its own"),
    _Refused(
        "consumer_limits",
        lambda config: config.consumer_limits and (config.consumer_limits.inactive_threshold or 0) > 0,
        "the parts cannot make their consumers",
    ),
    _limit("max_consumers", "the parts cannot make their consumers"),
    _Refused("storage", lambda config: config.storage == "memory", "a restart of NATS empties it", True),
    _Refused(
        "retention",
        lambda config: config.retention not in (None, api.RetentionPolicy.LIMITS),
        "messages go as soon as somebody has read them",
        True,
    ),
)
_BY_COMMANDS = (
    *_BY_BOTH,
    _given("deny_purge", "decided commands cannot be removed", for_good=True),
    _given("deny_delete", "commander restore cannot remove what must not be decided", for_good=True),
    # NATS (2.15) refuses new messages at a limit, instead of dropping old ones, only without schedules.
    *(_limit(name, "commands are dropped that were accepted") for name in _DROPPING),
    _Refused(
        "persist_mode",
        lambda config: config.persist_mode == api.PersistMode.ASYNC,
        "a command has its receipt before it is on disk",
        True,
    ),
)
_BY_EVENTS = (
    *_BY_BOTH,
    *(_limit(name, "it does not keep each event at its position") for name in _DROPPING),
    _limit("max_msg_size", "a larger event stops the relay"),
)


def must_suit(names: Names, found: api.StreamConfig) -> None:
    """Raises StreamFixed if a stream has a setting that is refused. found: its configuration."""
    commands = found.name == names.commands
    for one in _BY_COMMANDS if commands else _BY_EVENTS:
        if not one.is_set(found):
            continue
        if commands:
            anew = f"delete {found.name} when no command is in it; the parts make it again"
        else:
            anew = f"delete {found.name}; it is made again from the log"
        what_to_do = anew if one.for_good else "take it back with nats stream edit"
        raise StreamFixed(f"the stream {found.name} has {one.name}, with which {one.why}: {what_to_do}")


async def update(nats: Nats, found: api.StreamConfig, wanted: api.StreamConfig) -> None:
    """Sets what is needed and is not so, and nothing else. wanted: the configuration of a new stream.

    Raises StreamFixed.
    """
    must_suit(nats.names, found)
    suited = _suited(found, wanted)
    if suited == found:
        return
    try:
        await nats.jetstream.update_stream(suited)
    except (BadRequestError, ServerError) as error:
        if isinstance(error, ServerError) and error.err_code != _INVALID:
            raise
        raise StreamFixed(
            f"the stream {found.name} cannot get {_changed(found, suited)}, which Commander needs "
            f"({error.description}): change it by hand, or delete it when nothing waits in it"
        ) from error
    logger.info("the stream %s got %s", found.name, _changed(found, suited))


async def lift_limits(nats: Nats) -> None:
    """Removes the limits of EVENTS. Raises the errors of the client."""
    found = (await nats.jetstream.stream_info(nats.names.events)).config
    await nats.jetstream.update_stream(
        replace(
            found,
            max_age=0,
            max_msgs=-1,
            max_bytes=-1,
            max_msgs_per_subject=-1,
            max_msg_size=-1,
            retention=api.RetentionPolicy.LIMITS,
        )
    )


def _suited(found: api.StreamConfig, wanted: api.StreamConfig) -> api.StreamConfig:
    replicas = max(found.num_replicas or 1, wanted.num_replicas or 1)
    needed = {name: getattr(wanted, name) for name in _NEEDED}
    if found.persist_mode != api.PersistMode.ASYNC:
        needed["allow_atomic"] = True
    elif replicas > 1:
        raise StreamFixed(
            f"the stream {wanted.name} was created for one replica and cannot have {replicas}. "
            "Delete it: it is rebuilt from the log"
        )
    needed = {name: value for name, value in needed.items() if value}
    if sorted(found.subjects or ()) == sorted(wanted.subjects or ()):
        del needed["subjects"]
    metadata = {**(found.metadata or {}), **(wanted.metadata or {})}
    return replace(found, **needed, num_replicas=replicas, metadata=metadata)


def _changed(found: api.StreamConfig, suited: api.StreamConfig) -> str:
    before, after = vars(found), vars(suited)
    return ", ".join(f"{name} {after[name]}" for name in before if before[name] != after[name])
