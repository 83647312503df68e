#!/usr/bin/env bash
# graphql-core keeps something of every item of a subscription until the subscription ends.
#
# Versions   graphql-core 3.3.2, Python 3.11
# Behaviour  The fields below an object are collected anew for each item and remembered in one table of the whole
#            subscription, under a key made from lists that are new each time. The table never answers and only
#            grows: some 880 bytes an item for the smallest selection. A subscription that selects no object stays
#            flat. A feed of 100 items a second grows its server by 7 GB a day for each subscriber.
# Seen       { n }          1000 items:      2 bytes an item;   8000 items:      0 bytes an item
#            { n { a } }    1000 items:    879 bytes an item;   8000 items:    877 bytes an item
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check graphql-core==3.3.2
python=$work/venv/bin/python
"$python" - <<'PYTHON'
import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator

from graphql import build_schema, parse, subscribe

LEAF = build_schema("type Query { a: Int } type Subscription { n: Int }")
OBJECT = build_schema("type Query { a: Int } type Subscription { n: N } type N { a: Int }")


async def items(count: int, value: object) -> AsyncIterator[object]:
    for _ in range(count):
        yield {"n": value}


async def kept(schema, text: str, value: object, count: int) -> float:
    """How many bytes an item are held when the last one has come and the subscription has not ended."""
    source = items(count, value)
    answers = subscribe(schema, parse(text), subscribe_field_resolver=lambda *_: source)
    if asyncio.iscoroutine(answers):
        answers = await answers
    gc.collect()
    tracemalloc.start()
    for _ in range(count):
        assert (await anext(answers)).errors is None
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await answers.aclose()
    return held / count


async def main() -> None:
    leaf = [await kept(LEAF, "subscription { n }", 1, count) for count in (1000, 8000)]
    nested = [await kept(OBJECT, "subscription { n { a } }", {"a": 1}, count) for count in (1000, 8000)]
    for text, (few, many) in (("{ n }", leaf), ("{ n { a } }", nested)):
        print(f"{text:14} 1000 items: {few:6.0f} bytes an item;   8000 items: {many:6.0f} bytes an item")
    assert leaf[1] < 20, "changed: leaves are kept too"
    assert nested[1] > 200, "changed: objects are kept no more"


asyncio.run(main())
PYTHON
