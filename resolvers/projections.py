"""Reading projections: one row by its key, or a page of rows in the order of their keys."""

from __future__ import annotations

import base64
import binascii
from types import SimpleNamespace
from typing import Any

import msgspec

from commander.domain import Field
from commander.domain.checking import problems_of
from commander.domain.errors import InvalidRequest
from commander.domain.fields import EnumType
from eventstore.projections import count_of_rows, page_of_rows, row_by_key
from eventstore.tables import Table
from resolvers.events import Page, page_size
from resolvers.services import Services


async def row(services: Services, table: Table, key: Any) -> Any | None:
    """The row with this key; None when there is none."""
    if not _possible(table, key):
        return None
    return await row_by_key(services.database, table, key)


async def rows(services: Services, table: Table, first: int | None, after: str | None) -> Page[Any]:
    """Rows in the order of their key, behind a cursor."""
    size = page_size(services, first)
    key = None if after is None else key_from(table, after)
    found = await page_of_rows(services.database, table, key, size + 1)
    return Page(found[:size], more=len(found) > size)


async def total(services: Services, table: Table) -> int:
    return await count_of_rows(services.database, table)


def cursor_of(table: Table, row: Any) -> str:
    """An opaque cursor for a row: the list it is of, and the row's key."""
    key = table.key_bind(getattr(row, table.projection.key))
    return base64.urlsafe_b64encode(msgspec.json.encode([table.projection.plural, key])).decode()


def key_from(table: Table, cursor: str) -> Any:
    """The key in a cursor. Raises InvalidRequest for one that is no cursor, or of another list."""
    name = table.projection.plural
    try:
        list_name, key = msgspec.json.decode(base64.urlsafe_b64decode(cursor))
    except (ValueError, TypeError, binascii.Error, msgspec.DecodeError) as error:
        raise InvalidRequest("after", f"{cursor!r} is no cursor of {name}") from error
    if list_name != name:
        raise InvalidRequest("after", f"this is a cursor of {list_name!s:.100}, not of {name}")
    try:
        found = _decoded(table.projection.key_field, key)
    except (msgspec.ValidationError, TypeError, KeyError) as error:
        raise InvalidRequest("after", f"{cursor!r} is no cursor of {name}") from error
    if not _possible(table, found):
        raise InvalidRequest("after", f"{cursor!r} is no cursor of {name}")
    return found


def _decoded(field: Field, key: Any) -> Any:
    """The other way from `Table.key_bind`: an enum comes by its name."""
    if isinstance(field.type, EnumType):
        return field.type.python[key]
    return msgspec.convert(key, field.type.python, strict=False)


def _possible(table: Table, key: Any) -> bool:
    """Whether a row can have this key; Postgres does not even compare with a text that holds a NUL."""
    field = table.projection.key_field
    return not problems_of((field,), SimpleNamespace(**{field.name: key}))
