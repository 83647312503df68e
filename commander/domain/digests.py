"""The digest of a command as it was sent. It detects a command id that is used twice with other content.

It is over the canonical JSON of the input: the fields that were sent, by their names in the API, sorted. So
it stays the same when the command gets an optional field, when a default changes, and when Commander encodes
commands in another way. What counts as the same:

- numbers with the same value: the decimals 10.5, 10.50 and 1.05E+1, the floats 1 and 1.0
- times of the same moment: 12:00Z and 14:00+02:00
- ids in any spelling of the same id
- a field that is null and one that is absent, where null means the default
- not: an absent field and one that has its default. The default can change, what was sent cannot.

Digests have a version in their first byte. Those of 16 bytes were made before, over the stored JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Decimal
from decimal import Context as Precision
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

from commander.domain.fields import EnumType, Field, FieldType, ListType, RecordType, ScalarType

Form = Callable[[Any], Any]
"""From a value to its canonical form."""

_VERSION = b"\x01"
_BYTES = 16
_EXACT = Precision(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_encoder = msgspec.json.Encoder(decimal_format="string", order="sorted")


def sent_digest(command_type: str, canonical: Mapping[str, Any]) -> bytes:
    """The digest of a command's canonical input, see `input_form`."""
    digest = _digest_of_type(command_type).copy()
    digest.update(_encoder.encode(canonical))
    return _VERSION + digest.digest()


def stored_digest(command_type: str, data: bytes) -> bytes:
    """The digest of a command's stored JSON, as earlier versions made it: 16 bytes."""
    digest = _digest_of_type(command_type).copy()
    digest.update(data)
    return digest.digest()


def is_of_stored(digest: bytes) -> bool:
    """Whether an earlier version made this digest, over the stored JSON."""
    return len(digest) == _BYTES


@lru_cache
def _digest_of_type(command_type: str) -> blake2b:
    """The state of a digest after the type's name; all commands of a type share it."""
    return blake2b(command_type.encode() + b"\0", digest_size=_BYTES)


def input_form(fields: tuple[Field, ...]) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """The function from an input to its canonical form. An input has the API's names and parsed values."""
    forms = {f.graphql_name: form for f in fields if (form := _form_of(f.type)) is not None}
    means_default = frozenset(f.graphql_name for f in fields if _null_means_default(f))

    def canonical(given: Mapping[str, Any]) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for name, value in given.items():
            if value is None:
                if name not in means_default:
                    found[name] = None
            else:
                form = forms.get(name)
                found[name] = value if form is None else form(value)
        return found

    return canonical


def input_of(fields: tuple[Field, ...], instance: Any) -> dict[str, Any]:
    """The input that gives an instance that code made. Fields that have their default are absent."""
    given = {}
    for field in fields:
        value = getattr(instance, field.name)
        if field.default is None or value != field.default():
            given[field.graphql_name] = _sent(field.type, value)
    return given


def own_form(fields: tuple[Field, ...]) -> Callable[[Any], Mapping[str, Any]]:
    """The function from an instance that code made to the canonical form of its input: both of the above."""
    parts = [
        (
            f.name,
            f.graphql_name,
            f.default,
            _is_nested(f.type),
            f.type,
            _form_of(f.type),
            _null_means_default(f),
        )
        for f in fields
    ]

    def canonical(instance: Any) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for name, shown, default, nested, type_, form, null_means_default in parts:
            value = getattr(instance, name)
            if default is not None and value == default():
                continue
            if value is None:
                if not null_means_default:
                    found[shown] = None
                continue
            if nested:
                value = _sent(type_, value)
            found[shown] = value if form is None else form(value)
        return found

    return canonical


def _is_nested(type_: FieldType) -> bool:
    return isinstance(type_, RecordType | ListType)


def _sent(type_: FieldType, value: Any) -> Any:
    match type_:
        case RecordType(_, fields) if value is not None:
            return input_of(fields, value)
        case ListType(_, item) if value is not None:
            return [_sent(item, one) for one in value]
    return value


def _null_means_default(field: Field) -> bool:
    if field.default is None:
        return False
    return not field.optional or field.default() is None


def _form_of(type_: FieldType) -> Form | None:
    """The canonical form of a value of this type; None if each value is its own."""
    match type_:
        case ScalarType(python):
            return _SCALAR_FORMS.get(python)
        case EnumType():
            return None
        case RecordType(_, fields):
            return input_form(fields)
        case ListType(_, item):
            return _list_form(_form_of(item))


def _list_form(item: Form | None) -> Form | None:
    if item is None:
        return None
    return lambda values: [None if value is None else item(value) for value in values]


def exact_decimal(value: Decimal) -> Decimal:
    """The same number in the one form that all equal numbers have."""
    return _EXACT.normalize(value) if value else Decimal(0)


def _moment_form(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _float_form(value: float) -> float:
    return float(value) + 0.0  # -0.0 becomes 0.0


_SCALAR_FORMS: Mapping[Any, Form] = {Decimal: exact_decimal, datetime: _moment_form, float: _float_form}
