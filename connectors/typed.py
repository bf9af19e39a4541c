"""How JSON becomes the arguments of a typed function, strictly: the types that JSON has itself.

`converter` gives a function from a JSON value to the value of a type, or None for a type that
takes `weft.connectors.structured` (attrs classes, dates, enumerations…), which needs cattrs and
so costs its import. Nothing is coerced: ``5`` is no text, ``"5"`` and ``true`` are no numbers.
Only a whole number where a ``float`` is wanted becomes one, as JSON has a single kind of number.
"""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal, Union

from weft.connectors.options import describe

__all__ = ["Converter", "Mismatch", "Place", "as_it_is", "converter"]

Converter = Callable[[Any], Any]
Place = tuple[str | int, ...]

MOST_FAULTS = 20
"""So many faults of one value are told."""


class Mismatch(Exception):
    """A value is not of its type; ``faults`` holds (place within the value, message)."""

    def __init__(self, faults: Sequence[tuple[Place, str]]) -> None:
        super().__init__(faults)
        self.faults = tuple(faults[:MOST_FAULTS])


def mismatch(expected: str, value: Any) -> Mismatch:
    """The fault that ``value`` as a whole is not what was expected."""
    return Mismatch([((), f"must be {expected}, not {describe_any(value)}")])


def describe_any(value: Any) -> str:
    """What a person calls a value, be it JSON or not."""
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return describe(value)
    return f"a {type(value).__qualname__}"


def as_it_is(value: Any) -> Any:
    """The converter of whatever has no type."""
    return value


def _whole_number(value: Any) -> int:
    if type(value) is not int:
        raise mismatch("a whole number", value)
    return value


def _number(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is not int:
        raise mismatch("a number", value)
    try:
        return float(value)
    except OverflowError:
        raise mismatch("a number that a float can hold", value) from None


def _text(value: Any) -> str:
    if type(value) is not str:
        raise mismatch("a text", value)
    return value


def _true_or_false(value: Any) -> bool:
    if type(value) is not bool:
        raise mismatch("true or false", value)
    return value


def _nothing(value: Any) -> None:
    if value is not None:
        raise mismatch("nothing (null)", value)


SCALARS: Mapping[Any, Converter] = {
    int: _whole_number,
    float: _number,
    str: _text,
    bool: _true_or_false,
    type(None): _nothing,
    None: _nothing,
}
_LISTS: tuple[Any, ...] = (
    list,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Collection,
    collections.abc.Iterable,
)
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def collect(value: Any, item: Converter) -> list[Any]:
    """The items of a list, each converted; all faults together."""
    if type(value) is not list:
        raise mismatch("a list", value)
    if item is as_it_is:
        return value
    items: list[Any] = []
    faults: list[tuple[Place, str]] = []
    for index, element in enumerate(value):
        try:
            items.append(item(element))
        except Mismatch as wrong:
            faults += [((index, *place), message) for place, message in wrong.faults]
    if faults:
        raise Mismatch(faults)
    return items


def collect_mapping(value: Any, item: Converter, key: Converter = as_it_is) -> dict[Any, Any]:
    """The values (and keys) of a mapping, each converted; all faults together."""
    if type(value) is not dict:
        raise mismatch("a mapping", value)
    items: dict[Any, Any] = {}
    faults: list[tuple[Place, str]] = []
    for name, element in value.items():
        try:
            items[key(name)] = item(element)
        except Mismatch as wrong:
            faults += [((name, *place), message) for place, message in wrong.faults]
    if faults:
        raise Mismatch(faults)
    return items


def _one_of(converters: Sequence[Converter], expected: str) -> Converter:
    def convert(value: Any) -> Any:
        inside: list[Mismatch] = []
        for attempt in converters:
            try:
                return attempt(value)
            except Mismatch as wrong:
                if all(place for place, _ in wrong.faults):
                    inside.append(wrong)
        if len(inside) == 1:  # the right form, with faults in its parts
            raise inside[0]
        raise mismatch(expected, value)

    return convert


def _literal(values: tuple[Any, ...]) -> Converter | None:
    if not all(type(value) in (str, int, bool, type(None)) for value in values):
        return None
    allowed = {(type(value), value) for value in values}
    expected = " or ".join(describe(value) for value in values)

    def convert(value: Any) -> Any:
        if not isinstance(value, str | int | None) or (type(value), value) not in allowed:
            raise mismatch(expected, value)
        return value

    return convert


_EXPECTED: dict[Converter, str] = {
    _whole_number: "a whole number",
    _number: "a number",
    _text: "a text",
    _true_or_false: "true or false",
    _nothing: "nothing",
}


def converter(kind: Any) -> Converter | None:
    """The converter of a type, or None when the type is none of JSON's own."""
    if kind is Any or kind is object:
        return as_it_is
    if kind is None or (isinstance(kind, type) and kind in SCALARS):
        return SCALARS[kind]
    if isinstance(kind, typing.NewType):
        return converter(kind.__supertype__)
    form, arguments = typing.get_origin(kind), typing.get_args(kind)
    if form is Annotated:
        return converter(arguments[0])
    if form is Literal:
        return _literal(arguments)
    if form in (Union, types.UnionType):
        # a float takes whole numbers too, so it must not come before int
        members = [converter(m) for m in sorted(arguments, key=lambda m: m is float)]
        known = [member for member in members if member is not None]
        if len(known) < len(members):
            return None
        if as_it_is in known:
            return as_it_is
        return _one_of(known, " or ".join(_EXPECTED.get(m, "what is declared") for m in known))
    if kind in _LISTS or form in _LISTS:
        item = converter(arguments[0]) if arguments else as_it_is
        return None if item is None else partial(collect, item=item)
    if kind in _MAPPINGS or form in _MAPPINGS:
        if arguments and arguments[0] not in (str, Any):
            return None
        item = converter(arguments[1]) if arguments else as_it_is
        return None if item is None else partial(collect_mapping, item=item)
    return None
