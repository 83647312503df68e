"""Keeps the circuit of NATS, by asking JetStream over the connection that all operations use.

A stream of a single server (2.15) that has met a full disk takes no message, and answers none, until the
server is restarted. It still tells its state; only a write shows what is wrong. So when a message waits for
long, each stream is asked to purge a subject that nothing has. That removes nothing, and fails if the stream
cannot write.
"""

from __future__ import annotations

import msgspec

from commander.domain.errors import Trouble, Unavailable
from commander.streaming.nats.chunks import OutMessage, status_of
from commander.streaming.nats.connection import Nats, full_disk, reaching_nats

_LONG_SECONDS = 1.0
_FOREVER_SECONDS = 60.0  # the probe's own limit is shorter
_RESTART = "make room on its disk and restart it: until then it stores nothing"


class _Problem(msgspec.Struct):
    code: int
    err_code: int = 0
    description: str = ""


class _Reply(msgspec.Struct):
    error: _Problem | None = None


_decoder = msgspec.json.Decoder(_Reply)


async def watch_nats(nats: Nats) -> None:
    """Keeps `nats.circuit`: finds out when the server is silent or full. Runs until cancelled."""
    circuit = nats.circuit
    while True:
        try:
            if not nats.connected:
                nats.is_down()
            else:
                await circuit.probe_twice(lambda: _ask(nats))
                circuit.close()
                if circuit.unwritable is not None or circuit.writing_for() > _LONG_SECONDS:
                    await circuit.probe(_write_nothing(nats))
        except Unavailable as error:
            if nats.connected:
                circuit.open(Trouble.AWAY, error.reason)
            else:
                nats.is_down()
        except TimeoutError:
            pass  # the probe has opened the circuit
        await circuit.pause()


async def _ask(nats: Nats) -> None:
    """Returns when JetStream has answered. Raises Unavailable if it cannot."""
    about = "INFO" if not nats.has_names else f"STREAM.INFO.{nats.names.commands}"
    problem = await _asked(nats, about, b"")
    if problem is not None and problem.code == 503:
        raise Unavailable("NATS", problem.description)


async def _write_nothing(nats: Nats) -> None:
    """Makes each stream write, and notes one that cannot because the disk is full."""
    prefix = nats.names.prefix
    for stream, nothing in ((nats.names.commands, "commands.none"), (nats.names.events, "events.none")):
        purge = msgspec.json.encode({"filter": f"{prefix}{nothing}"})
        problem = await _asked(nats, f"STREAM.PURGE.{stream}", purge)
        if problem is not None and full_disk(problem.err_code, problem.description):
            nats.circuit.report(Trouble.FULL, f"{problem.description} ({_RESTART})")


async def _asked(nats: Nats, subject: str, body: bytes) -> _Problem | None:
    """The error in the answer of JetStream's API, if there is one."""
    with reaching_nats():
        request = OutMessage(f"$JS.API.{subject}", body, {})
        [reply] = await nats.client.request_many([request], _FOREVER_SECONDS)
    if reply.headers:
        raise Unavailable("NATS", " ".join(status_of(reply.headers)) or "no answer from JetStream")
    return _decoder.decode(reply.data).error
