"""Reading projections: one row by its key, or a page of rows in the order of their keys."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from commander.domain.errors import InvalidRequest
from eventstore.projections import count_of_rows, page_of_rows, row_by_key
from eventstore.tables import Table
from resolvers.events import Page, page_size
from resolvers.services import Services


async def row(services: Services, table: Table, key: Any) -> Any | None:
    """The row with this key; None when there is none."""
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
        raise InvalidRequest("after", f"this is a cursor of {list_name}, not of {name}")
    try:
        return msgspec.convert(key, table.projection.key_field.type.python, strict=False)
    except (msgspec.ValidationError, TypeError) as error:
        raise InvalidRequest("after", f"{cursor!r} is no cursor of {name}") from error
