"""The methods of a client in Python: one per command, query and live list, and how they are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graphql import GraphQLArgument, GraphQLField, get_named_type, is_required_argument

from commander.schema.python.models import OPTIONS
from commander.schema.python.names import attribute, attributes
from commander.schema.python.type_text import annotation, docstring
from commander.schema.typescript.operations import RESUMING, Operations, Rows

PREFIX = "models."


def client_lines(operations: Operations) -> Iterator[str]:
    """The classes Commands, Read and Live."""
    yield from _head("Commands", "Sends commands. A method repeats its request until the outcome is known.")
    for name, field in operations.commands.items():
        yield from _command(name, field)
    yield from _head("Read", "Reads rows, which show at least what this client has written.")
    assert operations.schema.query_type is not None, "each schema has queries"
    for rows in operations.rows:
        fields = operations.schema.query_type.fields
        for name in (rows.one, *rows.by_keys):
            yield from _query(rows, name, fields[name], "row", f"{PREFIX}{rows.type.name} | None")
        yield from _query(rows, rows.many, fields[rows.many], "page", f"Page[{PREFIX}{rows.type.name}]")
        if rows.past:
            yield from _query(rows, rows.at, fields[rows.at], "row", f"{PREFIX}{rows.past.name} | None")
    yield from _head(
        "Live", "Follows rows: each is an async iterator, which shows what this client has written."
    )
    assert operations.schema.subscription_type is not None, "each schema has subscriptions"
    for rows in operations.rows:
        fields = operations.schema.subscription_type.fields
        yield from _live_row(rows, fields[rows.one])
        yield from _live_rows(rows, fields[rows.many])


def _head(name: str, description: str) -> Iterator[str]:
    yield from ("", "", f"class {name}:", f'    """{description}"""', "")
    yield from ("    def __init__(self, core: Core) -> None:", "        self._core = core")


def _command(name: str, field: GraphQLField) -> Iterator[str]:
    given, outcome = (get_named_type(of.type).name for of in (field.args["input"], field))
    yield ""
    yield f"    async def {attribute(name)}("
    yield f"        self, given: {PREFIX}{given}, /, **options: typing.Unpack[{PREFIX}{OPTIONS}]"
    yield f"    ) -> {PREFIX}{outcome}:"
    yield from docstring(field.description, "        ")
    yield f"        outcome: {PREFIX}{outcome} = await self._core.command("
    yield f'            "{name}", operations.COMMANDS["{name}"], given, options, {PREFIX}{outcome}'
    yield "        )"
    yield "        return outcome"


def _query(rows: Rows, name: str, field: GraphQLField, kind: str, result: str) -> Iterator[str]:
    names = attributes(field.args)
    row = rows.past.name if rows.past and name == rows.at else rows.type.name
    yield from _signature(name, field.args, names, result, patience=True)
    yield from docstring(field.description, "        ")
    yield f"        found: {result} = await self._core.{kind}("
    yield f'            "{name}",'
    yield f'            operations.QUERIES["{name}"],'
    yield f"            {_given(field.args, names)},"
    yield f"            {PREFIX}{row},"
    yield "            patience_seconds,"
    yield "        )"
    yield "        return found"


def _live_row(rows: Rows, field: GraphQLField) -> Iterator[str]:
    arguments = {name: one for name, one in field.args.items() if name not in RESUMING}
    names = attributes(arguments)
    result = f"AsyncGenerator[LiveRow[{PREFIX}{rows.type.name}], None]"
    yield from _signature(rows.one, arguments, names, result)
    yield from docstring(field.description, "        ")
    yield "        return self._core.live_row("
    yield f'            operations.LIVE["{rows.one}"], {_given(arguments, names)}, {PREFIX}{rows.type.name}'
    yield "        )"


def _live_rows(rows: Rows, field: GraphQLField) -> Iterator[str]:
    arguments = {name: one for name, one in field.args.items() if name not in RESUMING}
    names = attributes(arguments)
    key = annotation(rows.type.fields[rows.key].type, prefix=PREFIX)
    result = f"AsyncGenerator[LiveRows[{key}, {PREFIX}{rows.type.name}], None]"
    yield from _signature(rows.many, arguments, names, result)
    yield from docstring(field.description, "        ")
    yield "        return self._core.live_rows("
    yield f'            operations.LIVE["{rows.many}"],'
    yield f"            {_given(arguments, names)},"
    yield f'            "{rows.key}",'
    yield f"            {key},"
    yield f"            {PREFIX}{rows.type.name},"
    yield "        )"


def _signature(
    name: str,
    arguments: dict[str, GraphQLArgument],
    names: dict[str, str],
    result: str,
    *,
    patience: bool = False,
) -> Iterable[str]:
    """The head of a method. What may be left out has a keyword.

    patience: the method is a coroutine that repeats a request.
    """
    yield ""
    yield f"    {'async ' if patience else ''}def {attribute(name)}("
    yield "        self,"
    required = [one for one in arguments if is_required_argument(arguments[one])]
    others = [one for one in arguments if one not in required]
    for one in required:
        yield f"        {names[one]}: {annotation(arguments[one].type, given=True, prefix=PREFIX)},"
    if others or patience:
        yield "        *,"
    for one in others:
        shown = annotation(arguments[one].type, given=True, prefix=PREFIX)
        yield f"        {names[one]}: {shown} = codec.UNSET,"
    if patience:
        yield "        patience_seconds: float = PATIENCE_SECONDS,"
    yield f"    ) -> {result}:"


def _given(arguments: Iterable[str], names: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{name}": {names[name]}' for name in arguments) + "}"
