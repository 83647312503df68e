"""What Commander relies on in nats-py."""

from __future__ import annotations

import inspect
import subprocess
import sys

from tests.private_parts.relying import (
    begins_with,
    overrides,
    relied_on,
    run,
    uses,
)


@relied_on("streaming/nats/chunks.py", "nats-py", "Client handing all that it reads to the parser Client._ps")
def test_the_client_reads_through_its_parser() -> None:
    from nats.aio.client import Client
    from nats.protocol.parser import Parser

    assert type(Client()._ps) is Parser
    uses(Client._read_loop, "_ps", "parse")


@relied_on("streaming/nats/chunks.py", "nats-py", "Parser.parse, Parser.buf and Parser.state")
def test_the_parser_keeps_what_is_incomplete_and_says_what_it_waits_for() -> None:
    from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

    processed = []

    class Recorder:
        async def _process_msg(self, *message: object) -> None:
            processed.append(message)

    parser = Parser(Recorder())
    assert (parser.buf, parser.state) == (bytearray(), AWAITING_CONTROL_LINE)
    run(parser.parse(b"MSG a 7 5\r\nhello\r\nHMSG a"))
    assert processed == [(7, b"a", b"", b"hello", None)]
    assert (parser.buf, parser.state) == (bytearray(b"HMSG a"), AWAITING_CONTROL_LINE)
    run(parser.parse(b" 7 4 6\r\n"))
    assert parser.state != AWAITING_CONTROL_LINE
    parser.buf = bytearray()


@relied_on(
    "streaming/nats/chunks.py", "nats-py", "Client._process_msg receiving each message that the parser takes"
)
def test_the_client_processes_a_message() -> None:
    from nats.aio.client import Client

    from commander.streaming.nats.chunks import ChunkedClient

    overrides(ChunkedClient, Client, "_process_msg")
    assert inspect.iscoroutinefunction(Client._process_msg)


@relied_on("streaming/nats/chunks.py", "nats-py", "Client._send_command and Client._flush_pending to write")
def test_the_client_writes_commands() -> None:
    from nats.aio.client import Client

    begins_with(Client._send_command, "self", "cmd")
    uses(Client._send_publish, "_send_command", "_flush_pending")
    client = Client()
    run(client._send_command(b"PUB a 0\r\n\r\n"))
    assert client._pending == [b"PUB a 0\r\n\r\n"]


@relied_on(
    "streaming/nats/chunks.py", "nats-py", "Client._process_connect_init being called with a new transport"
)
def test_the_client_sets_up_each_connection_in_one_method() -> None:
    from nats.aio.client import Client
    from nats.aio.transport import TcpTransport

    from commander.streaming.nats.chunks import ChunkedClient

    overrides(ChunkedClient, Client, "_process_connect_init")
    uses(Client.connect, "_process_connect_init")
    uses(Client._attempt_reconnect, "_process_connect_init")
    uses(TcpTransport.connect, "_io_writer", "open_connection")


@relied_on("streaming/nats/chunks.py", "nats-py", "Subscription._id being the number that messages bear")
def test_a_subscription_knows_its_number() -> None:
    from nats.aio.client import Client
    from nats.aio.subscription import Subscription

    assert Subscription(None, id=7)._id == 7
    uses(Client.subscribe, "_sid", "Subscription", "_subs")
    uses(Client._process_msg, "_subs", "sid")


@relied_on("streaming/nats/__init__.py", "nats-py", "its import going on without importlib.metadata")
def test_the_client_needs_no_metadata() -> None:
    code = "import sys; sys.modules['importlib.metadata'] = None; import nats.aio.client as client; "
    shown = subprocess.check_output([sys.executable, "-c", code + "print(client.__version__)"], text=True)
    assert shown.strip() == "0.0.0"


@relied_on("streaming/nats/__init__.py", "nats-py", "Client telling the server nats.aio.client.__version__")
def test_the_client_tells_its_version_from_the_module() -> None:
    from nats.aio.client import Client

    uses(Client._connect_command, "__version__")
