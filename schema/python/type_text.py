"""Types of GraphQL as annotations of Python, and descriptions as docstrings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

from graphql import GraphQLList, GraphQLNonNull, GraphQLScalarType, GraphQLSchema, GraphQLType

_BUILT_IN = {"String": "str", "ID": "str", "Int": "int", "Float": "float", "Boolean": "bool"}
_SCALARS = {
    "UUID": "uuid.UUID",
    "Decimal": "decimal.Decimal",
    "DateTime": "datetime.datetime",
    "Date": "datetime.date",
    "Time": "datetime.time",
    "Position": "typing.Annotated[int, codec.AS_TEXT]",
    "BigInt": "typing.Annotated[int, codec.AS_TEXT]",
}
"""What a scalar is in Python. Any other is as JSON has it."""
WIDTH = 100


def annotation(type_: GraphQLType, *, given: bool = False, prefix: str = "") -> str:
    """The annotation of a value. given: by the caller, who can give any sequence for a list.

    prefix: of the names of types that are made from the schema.
    """
    if isinstance(type_, GraphQLNonNull):
        return _not_null(type_.of_type, given, prefix)
    return f"{_not_null(type_, given, prefix)} | None"


def _not_null(type_: GraphQLType, given: bool, prefix: str) -> str:
    if isinstance(type_, GraphQLList):
        item = annotation(type_.of_type, given=given, prefix=prefix)
        return f"collections.abc.Sequence[{item}]" if given else f"tuple[{item}, ...]"
    name = str(type_)
    return _BUILT_IN.get(name, f"{prefix}{name}")


def scalars_of(schema: GraphQLSchema) -> dict[str, GraphQLScalarType]:
    """The scalars of a schema that are not built into GraphQL."""
    return {
        name: type_
        for name, type_ in sorted(schema.type_map.items())
        if isinstance(type_, GraphQLScalarType) and name not in _BUILT_IN
    }


def scalar_aliases(schema: GraphQLSchema, codecs: Mapping[str, str]) -> Iterable[str]:
    """A type alias for each scalar. codecs: the classes that the caller has chosen, as MODULE:CLASS."""
    for name, type_ in scalars_of(schema).items():
        own = f"typing.Annotated[{codecs[name].replace(':', '.')}, codec.BY_TEXT]" if name in codecs else None
        yield f"{name}: typing.TypeAlias = {own or _SCALARS.get(name, 'typing.Any')}"
        yield from docstring(type_.description)


def docstring(text: str | None, indent: str = "") -> Iterable[str]:
    """A description as a literal, or nothing."""
    if not text or not text.strip():
        return
    safe = text.strip().replace("\\", "\\\\").replace('"""', r"\"\"\"")
    lines = [
        part
        for line in safe.splitlines()
        for part in textwrap.wrap(line, WIDTH - len(indent), break_long_words=False, break_on_hyphens=False)
        or [""]
    ]
    if len(lines) == 1 and not lines[0].endswith('"'):
        yield f'{indent}"""{lines[0]}"""'
        return
    yield f'{indent}"""{lines[0]}'
    yield from (f"{indent}{line}".rstrip() for line in lines[1:])
    yield f'{indent}"""'
