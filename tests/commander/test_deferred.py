"""Modules that are loaded at their first use, and then are the modules that they always were."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

from commander.deferred import SELDOM_USED

THE_COMMAND = """
import sys, threading
sys.argv = ["commander"]
import commander

def is_loaded(name):
    return name in sys.modules and type(sys.modules[name]).__name__ == "module"
"""
"""As a process of the command `commander` begins."""


def said(code: str, first: str = THE_COMMAND) -> str:
    ended = subprocess.run([sys.executable, "-c", first + code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


ALL_USED = """
import json
from importlib import import_module
names = {names}
for name in names: import_module(name)
imported = [is_loaded(name) for name in names]
for name in names: exec(f"from {{name}} import *", {{}})
used = [(is_loaded(name), sys.modules[name].__spec__.name) for name in names]
print(json.dumps([[before, *after] for before, after in zip(imported, used)]))
"""


@cache
def all_used() -> dict[str, list[object]]:
    """Whether each module was loaded once all were imported, and once it was used; and as what."""
    printed: list[list[object]] = json.loads(said(ALL_USED.format(names=SELDOM_USED)))
    return dict(zip(SELDOM_USED, printed, strict=True))


@pytest.mark.parametrize("name", SELDOM_USED)
def test_a_deferred_module_is_loaded_when_something_of_it_is_used_and_not_when_it_is_imported(
    name: str,
) -> None:
    assert all_used()[name] == [False, True, name]


def test_threads_that_use_it_first_at_once_all_find_it_whole() -> None:
    code = """
import calendar
found = []
together = threading.Barrier(8)
def use():
    together.wait()
    found.append(calendar.monthrange(2024, 2))
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found), {day for day in found})
"""
    assert said(code).startswith("8 {(")


def test_a_name_that_it_does_not_have_is_missing_as_ever() -> None:
    code = """
import getpass
print(hasattr(getpass, "nothing"), is_loaded("getpass"))
try:
    from getpass import nothing
except ImportError as error:
    print(error.name)
"""
    assert said(code) == "False True\ngetpass"


def test_other_code_that_imports_commander_has_the_modules_of_python() -> None:
    code = "import sys, commander; print([type(sys.modules[n]).__name__ for n in ('ntpath', 'textwrap')])"
    assert said(code, "") == "['module', 'module']"


def test_nats_py_has_a_parser_of_headers_if_it_should_want_one() -> None:
    code = """
sys.modules["aiohttp"] = None
from commander.streaming.nats.connection import Nats
from nats.js.client import BytesParser
parser = BytesParser()
print("email.parser" in sys.modules, parser.parsebytes(b"a: 1")["a"], "email.parser" in sys.modules)
from email.parser import BytesParser
print(BytesParser.__name__)
"""
    assert said(code) == "False 1 True\nBytesParser"


def test_nats_py_has_its_stores_if_something_should_want_them() -> None:
    code = """
sys.modules["aiohttp"] = None
from commander.streaming.nats.connection import Nats
from nats.js import client
print("nats.js.kv" in sys.modules, "nats.js.object_store" in sys.modules)
print(client.VALID_BUCKET_RE.match("a-b")[0], client.OBJ_STREAM_TEMPLATE.format(bucket="b"))
store = client.KeyValue("b", "KV_b", "$KV.b.", None, False)
from nats.js.kv import KeyValue
print(type(store) is KeyValue)
"""
    assert said(code) == "False False\na-b OBJ_b\nTrue"
