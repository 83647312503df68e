"""What each process carries: the libraries that it may import, in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

from commander.cli.main import plain_arguments

PART = {
    *("annotated_types", "msgspec"),  # the domain
    *("asyncpg", "nats"),  # the servers
    "typing_extensions",  # only aiohttp imports it, which nats-py imports where it is installed
}
"""What a part may import that serves no API."""
API = PART | {
    *("strawberry", "graphql", "cross_web", "dateutil"),
    *("starlette", "anyio", "uvicorn", "httptools", "websockets", "click"),
}
DEV = {"annotated_types", "msgspec", "asyncpg"}
HELP = {"annotated_types", "typing_extensions", "msgspec", "annotated_doc"} | {
    *("typer", "shellingham", "rich", "pygments", "markdown_it", "mdurl")
}

STARTED = """
import json, sys
sys.argv = ["commander", {part!r}]
import commander.parts.process

commander.parts.process.run = lambda part: part.servers()
from commander.cli.main import main
main()
"""
"""A part as its process starts it, up to where it would serve and work."""
PRINTED = """
import json, sys
libraries = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
print(json.dumps(sorted(libraries)))
"""
OF_NATS_PY = {
    *("aiohttp", "aiohappyeyeballs", "aiosignal", "attr", "attrs", "frozenlist", "idna", "multidict"),
    *("propcache", "yarl"),
}
"""aiohttp and its own, which nats-py imports where they are installed."""


def run_code(code: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "COMMANDER_POSTGRES_URL": "postgresql://db/bank",
        "COMMANDER_NATS_URL": "nats://nats",
        "COMMANDER_HEALTH_PORT": "1",
        "COMMANDER_AUTH": "none",
    }
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )


def imported(code: str) -> set[str]:
    """The libraries that an interpreter has imported once it has run this code; not ours."""
    return _libraries(run_code(code + PRINTED).stdout)


def _libraries(printed: str) -> set[str]:
    found: list[str] = json.loads(printed)
    return {name for name in found if not name.startswith("_")} - OF_NATS_PY - {"commander", "cython_runtime"}


PARTS = ("processor", "relay", "projections", "reactors", "effects")


DEPLOYED = """
import sys
sys.modules["aiohttp"] = None  # it is for tests; a deployment does not have it
"""
HEAVY = """
import importlib.util, sys
from commander.deferred import SELDOM_USED
heavy = ("importlib.metadata", "zipfile", "csv", "tempfile", "ctypes", "http.client", "email.message")
heavy += ("email.parser", "zlib", "nats.js.kv", "nats.js.object_store", "commander.domain.rejection_reading")
print([name for name in heavy if name in sys.modules])
print([name for name in SELDOM_USED if type(sys.modules.get(name)).__name__ == "module"])
print(*sorted(name for name in sys.modules if name.startswith("commander.")))
import importlib.metadata
"""
"""What of Python a part has loaded that it does not need: of all modules, and of those that it defers. Then
what of ours it has loaded."""


@cache
def started_alone(part: str) -> list[str]:
    """The lines that a part has printed once it was started where Commander alone is installed."""
    return run_code(DEPLOYED + STARTED.format(part=part) + PRINTED + HEAVY).stdout.splitlines()


@pytest.mark.parametrize("part", PARTS)
def test_a_part_imports_no_web_framework_no_command_line_and_no_metadata_of_packages(part: str) -> None:
    libraries, heavy, loaded, _ = started_alone(part)
    assert _libraries(libraries) <= PART
    assert heavy == "[]"
    assert loaded == "[]"


def test_a_processor_imports_nothing_of_the_states_of_reactors() -> None:
    carried = started_alone("processor")[-1].split()
    assert "commander.eventstore.reactions.cancelled" in carried, "what is looked for can be found"
    assert "commander.eventstore.reactions.reactors" not in carried


def test_a_server_for_an_address_imports_no_codec_for_names() -> None:
    code = """
import asyncio, sys
from commander.parts.process import loop_factory
from commander.parts.status_server import StatusServer

async def serve_and_end():
    server = StatusServer({}, "127.0.0.1", 0)
    server.stop()
    await server.serve()

with asyncio.Runner(loop_factory=loop_factory()) as runner:
    runner.run(serve_and_end())
print("encodings.idna" in sys.modules)
"""
    assert run_code(code).stdout.strip() == "False"


def test_a_part_imports_no_more_where_aiohttp_is_installed() -> None:
    assert imported(STARTED.format(part="processor")) <= PART


def test_the_api_imports_no_command_line() -> None:
    carried = imported(STARTED.format(part="api"))
    assert carried <= API
    assert {"strawberry", "starlette", "uvicorn"} <= carried, "what is looked for can be found"


def test_the_tree_imports_nothing_that_only_its_parts_need() -> None:
    assert imported("import commander.dev.tree") <= DEV


def test_help_imports_only_what_prints_it() -> None:
    shown = """
import contextlib, io, sys
from commander.cli.main import main
sys.argv[1:] = ["--help"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
"""
    assert imported(shown) <= HELP


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ([], {}),
        (["shop:shop"], {"domain": "shop:shop"}),
        (["--port", "8001", "shop:shop"], {"domain": "shop:shop", "port": "8001"}),
        (["--help"], None),
        (["--port"], None),
        (["--port", "many"], None),
        (["--port=8001"], None),
        (["--port", "1", "--port", "2"], None),
        (["--unknown", "1"], None),
        (["a:b", "c:d"], None),
        (["list"], None),
    ],
)
def test_a_plain_command_is_read_without_the_command_line_and_any_other_with_it(
    arguments: list[str], given: dict[str, str] | None
) -> None:
    assert plain_arguments(["api", *arguments]) == given
    assert plain_arguments(["schema", *arguments]) is None


TRACED = """
import sys
{before}
from commander.streaming.tracing import enabled
print(enabled(), "opentelemetry" in sys.modules)
"""
WITH_AN_SDK = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
"""


@pytest.mark.parametrize(
    ("before", "variables", "said"),
    [
        ("", {}, "False False"),
        ("import opentelemetry.trace", {}, "False True"),
        (WITH_AN_SDK, {}, "True True"),
        ("", {"OTEL_PYTHON_TRACER_PROVIDER": "sdk_tracer_provider"}, "True True"),
    ],
    ids=["nothing", "an instrumented library", "an SDK set up in code", "an SDK named in the environment"],
)
def test_a_process_traces_where_an_sdk_is_set_up_and_imports_opentelemetry_nowhere_else(
    before: str, variables: dict[str, str], said: str
) -> None:
    code = TRACED.format(before=before)
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=True
    )
    assert ended.stdout.strip() == said
