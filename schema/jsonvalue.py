"""What a value of case data may be: JSON, with the bounds that every part of Weft can hold.

| value | bound |
| --- | --- |
| null, true, false | |
| integer | 64 bits with sign |
| number | finite |
| text | no lone surrogates (it has to be UTF-8 in a journal) |
| list, object | up to 100 levels deep and 1,000,000 parts in all; keys of objects are texts |

`checked` is the border: what comes from outside is copied there into plain containers of our own,
so that nothing its owner does to it afterwards can be seen inside. `copy` is for the way out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Final, TypeAlias, Union, cast

__all__ = [
    "MAX_DEPTH",
    "MAX_INTEGER",
    "MAX_PARTS",
    "MIN_INTEGER",
    "JsonValue",
    "NotJson",
    "checked",
    "copy",
    "in_words",
    "path_text",
]

JsonValue: TypeAlias = Union[bool, int, float, str, "list[JsonValue]", "dict[str, JsonValue]", None]
"""A value of case data."""

MAX_DEPTH: Final = 100
"""How deep lists and objects may be nested: ``[[1]]`` is 2 deep."""
MAX_PARTS: Final = 1_000_000
"""How many items and entries a value may have in all its lists and objects together."""
MAX_INTEGER: Final = 2**63 - 1
MIN_INTEGER: Final = -(2**63)

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ADVICE: Final = {
    "bytes": "decode it, or encode it as base64",
    "bytearray": "decode it, or encode it as base64",
    "datetime": "write it as text, .isoformat()",
    "date": "write it as text, .isoformat()",
    "time": "write it as text, .isoformat()",
    "timedelta": "write its seconds, .total_seconds()",
    "Decimal": "write it as text, str(…), or round it to a float",
    "Fraction": "write it as text, str(…), or round it to a float",
    "complex": "write its two parts",
    "set": "make it a list, sorted(…)",
    "frozenset": "make it a list, sorted(…)",
    "generator": "make it a list, list(…)",
    "coroutine": "await it",
    "Path": "write it as text, str(…)",
    "PosixPath": "write it as text, str(…)",
    "UUID": "write it as text, str(…)",
    "PMap": "make it plain, pyrsistent.thaw(…)",
    "PVector": "make it plain, pyrsistent.thaw(…)",
    "mappingproxy": "make it a dict, dict(…)",
}


class NotJson(ValueError):
    """A value cannot be case data.

    ``path`` is where in the value the fault is: keys and indexes, from the outside in.
    ``what`` names the whole value, and ``reason`` says what is wrong at that place.
    """

    def __init__(self, what: str, path: Sequence[str | int], reason: str) -> None:
        super().__init__(f"{path_text(what, path)}: {reason}")
        self.what = what
        self.path = tuple(path)
        self.reason = reason


def path_text(what: str, path: Sequence[str | int]) -> str:
    """A path as people write it: ``result.items[3].price``, ``result["a b"]``."""
    text = what
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_NAME.fullmatch(step):
            text += f".{step}"
        else:
            text += f"[{_shortened(step)!r}]"
    return text


def in_words(value: object) -> str:
    """What kind of value this is, as authors of specifications call it: ``a text``, ``null``."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            name = type(value).__name__
            return f"a value of the class {name}"


def checked(value: object, *, what: str) -> JsonValue:
    """A deep copy of a value, known to be case data from then on.

    Lists and dicts are new, texts and numbers are shared. A tuple becomes a list. An instance of
    a subclass (an ``IntEnum``, an ``OrderedDict``) becomes the plain value; a named tuple is
    refused, since its names would be lost.

    Args:
        value: Anything at all.
        what: The value's name in the error's message, such as ``result``.

    Raises:
        NotJson: The first fault, and where in the value it is.
    """
    kind = type(value)
    if kind is str and value.isascii():  # type: ignore[attr-defined]
        return cast("str", value)
    if kind is bool or value is None:
        return cast("bool | None", value)
    return _Check(what).copy(value, 0)


def copy(value: JsonValue) -> JsonValue:
    """A deep copy of a value that is known to be case data; texts and numbers are shared."""
    if type(value) is dict:
        entries = value.copy()
        for key, item in entries.items():
            if type(item) is dict or type(item) is list:
                entries[key] = copy(item)
        return entries
    if type(value) is list:
        return [copy(i) if type(i) is dict or type(i) is list else i for i in value]
    return value


class _Check:
    """One run of `checked`: where it is, and how much it has seen."""

    __slots__ = ("parts", "path", "what")

    def __init__(self, what: str) -> None:
        self.what = what
        self.path: list[str | int] = []
        self.parts = 0

    def refuse(self, reason: str) -> NotJson:
        return NotJson(self.what, self.path, reason)

    def copy(self, value: Any, depth: int) -> JsonValue:
        kind = type(value)
        if kind is str:
            return cast("str", value) if value.isascii() else self.text(value)
        if kind is int:
            return self.integer(value)
        if kind is bool or value is None:
            return cast("bool | None", value)
        if kind is float:
            return self.number(value)
        if kind is dict:
            return self.entries(value, depth)
        if kind is list or kind is tuple:
            return self.items(value, depth)
        return self.subclass(value, depth)

    def text(self, value: str) -> str:
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self.refuse(
                f"the text has a lone surrogate, {value[error.start]!r}, at index {error.start}; "
                "it is no Unicode character, so the text cannot be stored as UTF-8"
            ) from None
        return value

    def integer(self, value: int) -> int:
        if MIN_INTEGER <= value <= MAX_INTEGER:
            return value
        size = value.bit_length() + 1
        raise self.refuse(
            f"the integer needs {size} bits; an integer has up to 64, so that it is at most "
            f"{MAX_INTEGER} and at least {MIN_INTEGER}: write a larger one as text"
        )

    def number(self, value: float) -> float:
        if math.isfinite(value):
            return value
        raise self.refuse(f"the number is {value}, which JSON does not have; use null or a text")

    def entries(self, value: dict[Any, Any], depth: int) -> dict[str, JsonValue]:
        self.enter(len(value), depth)
        result: dict[str, JsonValue] = {}
        path = self.path
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                key = self.key(key)
            path.append(key)
            result[key] = self.copy(item, depth + 1)
            path.pop()
        return result

    def key(self, key: object) -> str:
        if not isinstance(key, str):
            raise self.refuse(
                f"the key {_shortened(key)} is {in_words(key)}; the keys of an object are texts"
            )
        return self.text(str.__str__(key))

    def items(self, value: Sequence[Any], depth: int) -> list[JsonValue]:
        self.enter(len(value), depth)
        result: list[JsonValue] = []
        path = self.path
        for index, item in enumerate(value):
            path.append(index)
            result.append(self.copy(item, depth + 1))
            path.pop()
        return result

    def enter(self, length: int, depth: int) -> None:
        """Step into a container; this bounds what contains itself, and what shares its parts."""
        if depth >= MAX_DEPTH:
            shown = path_text(self.what, self.path[:3])
            self.path.clear()
            raise self.refuse(
                f"it is nested more than {MAX_DEPTH} levels deep, or contains itself ({shown}…)"
            )
        self.parts += length
        if self.parts > MAX_PARTS:
            self.path.clear()
            raise self.refuse(
                f"it has more than {MAX_PARTS:,} parts; keep large data in a file or a database, "
                "and its name in the case"
            )

    def subclass(self, value: object, depth: int) -> JsonValue:
        # The base classes' own conversions: an enum's name, or a unit in __str__, is not asked for.
        if isinstance(value, str):
            return self.text(str.__str__(value))
        if isinstance(value, int):
            return self.integer(int.__int__(value))
        if isinstance(value, float):
            return self.number(float.__float__(value))
        if isinstance(value, dict):
            return self.entries(dict(value), depth)
        if isinstance(value, list):
            return self.items(list(value), depth)
        name = type(value).__name__
        if isinstance(value, tuple):
            advice = "make it a dict, ._asdict(), or a list, list(…)"
        elif hasattr(type(value), "__attrs_attrs__"):
            advice = "make it a dict, attrs.asdict(…)"
        elif hasattr(type(value), "__dataclass_fields__"):
            advice = "make it a dict, dataclasses.asdict(…)"
        else:
            advice = _ADVICE.get(name, "")
        raise self.refuse(
            f"a value of the class {name} is not data of a case, which are null, true, false, "
            "integers, numbers, texts, lists and dicts" + (f"; {advice}" if advice else "")
        )


def _shortened(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
