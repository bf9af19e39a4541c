"""How JSON becomes the arguments of a typed function: the types that JSON has not, by cattrs.

attrs classes, dataclasses, typed dictionaries and named tuples come from mappings (unknown keys
are refused); `datetime`, `date`, `time` from ISO 8601 texts, `Decimal` from texts or whole
numbers, `UUID`, `Path` and `bytes` (base64) from texts, `timedelta` from seconds; enumerations
from their values; sets and tuples from lists. Results go the same way back; sets are sorted,
so that the same result is always the same JSON.

Importing this module imports cattrs (some 50 ms), so it is imported when first needed.
"""

from __future__ import annotations

import base64
import binascii
import collections
import collections.abc
import functools
import json
import math
import typing
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID

import attrs
import cattrs
from cattrs.cols import is_namedtuple, namedtuple_dict_structure_factory
from cattrs.cols import namedtuple_dict_unstructure_factory as namedtuple_dict_unstructure
from cattrs.errors import (
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    StructureHandlerNotFoundError,
)
from cattrs.strategies import configure_union_passthrough

from weft.connectors.options import did_you_mean
from weft.connectors.typed import (
    SCALARS,
    Converter,
    Mismatch,
    Place,
    as_it_is,
    collect,
    collect_mapping,
    mismatch,
)

__all__ = ["Unsupported", "structurer", "unstructure", "unstructurer"]


class Unsupported(Exception):
    """JSON cannot be turned into this type."""


class _Converter(cattrs.Converter):
    """cattrs, with mappings told from everything else."""

    def gen_structure_attrs_fromdict(self, cl: type[Any]) -> Callable[[Any, Any], Any]:
        if attrs.has(cl):
            attrs.resolve_types(cl)  # "list['Node']" in Node: cattrs resolves whole texts only
        fill = super().gen_structure_attrs_fromdict(cl)

        def structure(value: Any, kind: Any) -> Any:
            if type(value) is not dict:
                raise mismatch(f"a mapping with the fields of {cl.__qualname__}", value)
            return fill(value, kind)

        return structure


_cattrs = _Converter(forbid_extra_keys=True, detailed_validation=True)


def structurer(kind: Any) -> Converter:
    """The converter from JSON to a type.

    Raises:
        Unsupported: There is none.
    """
    try:
        hook = _cattrs.get_structure_hook(kind)
    except StructureHandlerNotFoundError as error:
        raise Unsupported(f"there is no rule for {error.type_!r}") from error
    except (TypeError, NameError) as error:  # an ambiguous union; an unknown name in a class
        raise Unsupported(str(error)) from error

    def convert(value: Any) -> Any:
        try:
            return hook(value, kind)
        except Mismatch:
            raise
        except Exception as error:  # of cattrs, or of a validator of the class
            raise Mismatch(_faults(error)) from error

    return convert


def unstructurer(kind: Any) -> Converter:
    """What turns a value of a type into lists, mappings and scalars."""
    hook = _cattrs.get_unstructure_hook(kind)

    def convert(value: Any) -> Any:
        return hook(value)

    return convert


def unstructure(value: Any) -> Any:
    """A value as lists, mappings and scalars, by its own class."""
    return _cattrs.unstructure(value)


def _faults(error: BaseException, place: Place = ()) -> list[tuple[Place, str]]:
    """The faults in an exception of cattrs, each with its place."""
    if isinstance(error, Mismatch):
        return [((*place, *inner), message) for inner, message in error.faults]
    if isinstance(error, ClassValidationError | IterableValidationError):
        with_notes, without = error.group_exceptions()
        faults: list[tuple[Place, str]] = []
        for member, note in with_notes:
            step = note.name if hasattr(note, "name") else note.index
            if isinstance(member, KeyError) and member.args == (step,):
                faults.append((place, f"has no {step!r}"))
            else:
                faults += _faults(member, (*place, step))
        for member in without:
            faults += _faults(member, place)
        return faults
    if isinstance(error, ForbiddenExtraKeysError):
        known = [field.name for field in getattr(error.cl, "__attrs_attrs__", ())]
        faults = []
        for name in map(str, sorted(error.extra_fields)):
            message = f"is no field of {error.cl.__qualname__}{did_you_mean(name, known)}"
            faults.append(((*place, name), message))
        return faults
    if isinstance(error, KeyError):
        return [(place, f"has no {error.args[0]!r}")]
    return [(place, f"is refused: {error}" if str(error) else "is refused")]


# ── scalars ──────────────────────────────────────────────────────────────────────────────────


def _from_text(expected: str, read: Callable[[str], Any]) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if type(value) is not str:
            raise mismatch(expected, value)
        try:
            return read(value)
        except (ValueError, InvalidOperation, binascii.Error) as error:
            raise mismatch(expected, value) from error

    return structure


def _decimal(value: Any, _: Any) -> Decimal:
    # a float has lost the digits that a Decimal is there to keep
    if type(value) is int:
        return Decimal(value)
    number: Decimal = _from_text('a decimal number as a text, such as "9.90"', Decimal)(value, _)
    return number


def _timedelta(value: Any, _: Any) -> timedelta:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise mismatch("a number of seconds", value)
    try:
        return timedelta(seconds=value)
    except OverflowError:
        raise mismatch("a number of seconds that a timedelta can hold", value) from None


@functools.cache
def _enumeration(kind: type[Enum]) -> Callable[[Any, Any], Any]:
    values = {member.value: member for member in kind}
    expected = " or ".join(map(repr, values)) if len(values) <= 12 else f"a {kind.__qualname__}"

    def structure(value: Any, _: Any) -> Enum:
        for known, member in values.items():
            if type(known) is type(value) and known == value:
                return member
        raise mismatch(expected, value)

    return structure


def _register(kind: type, convert: Callable[[Any, Any], Any]) -> None:
    """Put a hook in the place of cattrs' own, which also gets the subclasses of the class."""

    def structure(value: Any, it: Any) -> Any:
        if it is kind:
            return convert(value, it)
        if issubclass(it, Enum):  # such as an IntEnum
            return _enumeration(it)(value, it)
        return it(convert(value, kind))

    _cattrs.register_structure_hook(kind, structure)


def _scalar(convert: Converter) -> Callable[[Any, Any], Any]:
    return lambda value, _: convert(value)


for _kind, _convert in SCALARS.items():
    if _kind is not None:
        _register(_kind, _scalar(_convert))
_register(Decimal, _decimal)
_register(timedelta, _timedelta)
for _kind, _expected, _read in (
    (date, "a date such as 2026-11-21", date.fromisoformat),
    (datetime, "a time such as 2026-11-21T10:00:00Z", datetime.fromisoformat),
    (time, "a time of day such as 10:00:00", time.fromisoformat),
    (UUID, "a UUID", UUID),
    (bytes, "a base64 text", lambda text: base64.b64decode(text, validate=True)),
):
    _register(_kind, _from_text(_expected, _read))
for _kind in (PurePath, PurePosixPath, PureWindowsPath, Path):
    _register(_kind, _from_text("a path as a text", _kind))
_cattrs.register_structure_hook_factory(
    lambda kind: isinstance(kind, type) and issubclass(kind, Enum), _enumeration
)
configure_union_passthrough(str | int | float | bool | None, _cattrs)

for _kind in (Decimal, UUID, PurePath):
    _cattrs.register_unstructure_hook(_kind, str)
for _kind in (date, datetime, time):
    _cattrs.register_unstructure_hook(_kind, lambda value: value.isoformat())
_cattrs.register_unstructure_hook(timedelta, timedelta.total_seconds)
_cattrs.register_unstructure_hook(bytes, lambda value: base64.b64encode(value).decode("ascii"))


# ── collections ──────────────────────────────────────────────────────────────────────────────

# cattrs takes whatever can be iterated for a list: the characters of a text, the keys of a mapping

_FROM_LIST: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.deque: collections.deque,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    collections.abc.Iterable: list,
    collections.abc.Set: frozenset,
    collections.abc.MutableSet: set,
}
_FROM_MAPPING = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def _form(kind: Any) -> Any:
    return typing.get_origin(kind) or kind


def _part(kind: Any) -> Converter:
    """The converter of a part; cattrs' own exceptions gain the place of the part."""
    if kind is Any or kind is object or isinstance(kind, typing.TypeVar):
        return as_it_is
    return structurer(kind)


def _list_hook(kind: Any) -> Callable[[Any, Any], Any]:
    make = _FROM_LIST[_form(kind)]
    arguments = typing.get_args(kind)
    item = _part(arguments[0]) if arguments else as_it_is

    def structure(value: Any, _: Any) -> Any:
        items = collect(value, item)
        try:
            made = make(items)
        except TypeError as error:  # a set of what cannot be in a set
            raise Mismatch([((), f"is refused: {error}")]) from error
        if isinstance(made, set | frozenset) and len(made) != len(items):
            raise Mismatch([((), "holds the same item twice")])
        return made

    return structure


def _tuple_hook(kind: Any) -> Callable[[Any, Any], Any]:
    arguments = typing.get_args(kind)
    if not arguments or (len(arguments) == 2 and arguments[1] is Ellipsis):
        item = _part(arguments[0]) if arguments else as_it_is
        return lambda value, _: tuple(collect(value, item))
    parts = [_part(argument) for argument in arguments if argument != ()]

    expected = f"a list of {len(parts)} items"

    def structure(value: Any, _: Any) -> Any:
        if type(value) is not list:
            raise mismatch(expected, value)
        if len(value) != len(parts):
            raise Mismatch([((), f"must be {expected}, not of {len(value)}")])
        remaining = iter(parts)
        return tuple(collect(value, lambda element: next(remaining)(element)))  # noqa: PLW0108 - a part each

    return structure


def _mapping_hook(kind: Any) -> Callable[[Any, Any], Any]:
    key, value_kind = typing.get_args(kind) or (Any, Any)
    read_key, read_value = _part(key), _part(value_kind)
    return lambda value, _: collect_mapping(value, read_value, read_key)


_cattrs.register_structure_hook_factory(lambda kind: _form(kind) in _FROM_LIST, _list_hook)
_cattrs.register_structure_hook_factory(lambda kind: _form(kind) is tuple, _tuple_hook)
_cattrs.register_structure_hook_factory(lambda kind: _form(kind) in _FROM_MAPPING, _mapping_hook)
_cattrs.register_structure_hook_factory(is_namedtuple, namedtuple_dict_structure_factory)
_cattrs.register_unstructure_hook_factory(is_namedtuple, namedtuple_dict_unstructure)


def _is_set(kind: Any) -> bool:
    form = _form(kind)
    return isinstance(form, type) and issubclass(form, collections.abc.Set)


def _unstructure_set(value: Any) -> list[Any]:
    items = [_cattrs.unstructure(item) for item in value]
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True, default=repr))


def _is_plain_tuple(kind: Any) -> bool:
    return _form(kind) is tuple


_cattrs.register_unstructure_hook_func(_is_set, _unstructure_set)
_cattrs.register_unstructure_hook_func(
    _is_plain_tuple, lambda value: [_cattrs.unstructure(item) for item in value]
)
_cattrs.register_unstructure_hook_func(
    lambda kind: _form(kind) is collections.deque,
    lambda value: [_cattrs.unstructure(item) for item in value],
)
