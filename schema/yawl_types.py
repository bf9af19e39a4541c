"""The types of a YAWL file's data: XSD's own, and those that the file's schema defines.

A simple type is a text, an integer, a number or a boolean, with its enumeration. A complex type
is an object with its elements as fields; one that is nothing but a sequence of one element that
may stand several times is a list. What is further (attributes, choices, wildcards, extensions)
makes a type less strict and never stricter: a value that the schema allows is always allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from weft.schema.datatypes import DataType
from weft.schema.xml import children, first, local

__all__ = ["Types", "read_types"]

_INTEGERS = (
    *("integer", "int", "long", "short", "byte", "nonNegativeInteger", "positiveInteger"),
    *("nonPositiveInteger", "negativeInteger", "unsignedInt", "unsignedLong", "unsignedShort"),
    "unsignedByte",
)
_TEXTS = (
    *("string", "normalizedString", "token", "anyURI", "date", "time", "dateTime", "duration"),
    *("NMTOKEN", "Name", "NCName", "language", "ID", "IDREF", "QName", "base64Binary"),
    *("hexBinary", "gYear", "gYearMonth", "gMonth", "gMonthDay", "gDay", "DateTime"),
)
_PLAIN: Final = {
    **dict.fromkeys(_INTEGERS, "integer"),
    **dict.fromkeys(_TEXTS, "string"),
    **dict.fromkeys(("double", "float", "decimal"), "number"),
    "boolean": "boolean",
}
_MAX_PARTS = 500
"""A type of more parts than this is anything."""

_GROUPS = ("sequence", "all", "choice")
_ANY = DataType("any")


@attrs.frozen
class Types:
    """The types that a file knows: the elements of its schema that define them, by name."""

    defined: Mapping[str, Any] = attrs.field(factory=dict)
    elements: Mapping[str, Any] = attrs.field(factory=dict)
    _made: dict[str, DataType] = attrs.field(factory=dict, init=False)
    """Types that have been made; one that is under way stands for anything, in itself."""

    def named(self, name: str) -> DataType:
        """The type of a name, with or without its prefix; what is unknown is anything."""
        plain = name.rpartition(":")[2].strip()
        found = self.defined.get(plain)
        if found is None:
            kind = _PLAIN.get(plain)
            return _ANY if kind is None else DataType(kind, nullable=True)
        return self._once(f"type {plain}", lambda: self._of(found))

    def element(self, name: str) -> DataType:
        """The type of an element that the schema declares by itself."""
        plain = name.rpartition(":")[2].strip()
        found = self.elements.get(plain)
        return _ANY if found is None else self._once(f"element {plain}", lambda: self._in(found))

    def _once(self, key: str, make: Callable[[], DataType]) -> DataType:
        if key not in self._made:
            self._made[key] = _ANY
            made = make()
            self._made[key] = made if _parts(made) <= _MAX_PARTS else _ANY
        return self._made[key]

    def _in(self, x: Any) -> DataType:
        """The type of an element where it stands."""
        if x.get("ref"):
            return self.element(x.get("ref"))
        inner = first(x, "simpleType", "complexType")
        return self.named(x.get("type", "")) if inner is None else self._of(inner)

    def _of(self, element: Any) -> DataType:
        if local(element) == "simpleType":
            return self._simple(element)
        if first(element, "simpleContent", "complexContent") is not None:
            return _ANY
        group = first(element, *_GROUPS)
        if group is None or element.get("mixed") == "true":
            return _ANY
        return self._group(group)

    def _simple(self, element: Any) -> DataType:
        restriction = first(element, "restriction")
        if restriction is None:
            return DataType("string", nullable=True) if first(element, "list") is not None else _ANY
        base = self.named(restriction.get("base", ""))
        values = [x.get("value", "") for x in children(restriction, "enumeration")]
        if base.type == "string" and values:
            return attrs.evolve(base, enum=tuple(dict.fromkeys(values)))
        return base

    def _group(self, group: Any) -> DataType:
        """An object of the elements in a group; a list where there is one, several times."""
        elements = children(group, "element")
        if len(elements) != len(children(group)) - len(children(group, "annotation")):
            return _ANY
        if group.get("maxOccurs", "1") not in ("0", "1"):
            return _ANY
        fields: dict[str, DataType] = {}
        for x in elements:
            name = (x.get("name") or x.get("ref", "")).rpartition(":")[2]
            if not name or name in fields:
                return _ANY
            type_ = self._in(x)
            if x.get("maxOccurs", "1") not in ("0", "1"):
                several = DataType("array", items=type_, nullable=True)
                if len(elements) == 1:
                    return several
                type_ = several
            fields[name] = type_
        return DataType("object", fields=fields, additional=True, nullable=True)


def _parts(type_: DataType) -> int:
    """How many types a type is made of; each below it has been counted before it was made."""
    below = [*(type_.fields or {}).values(), *([] if type_.items is None else [type_.items])]
    return 1 + sum(_parts(x) for x in below)


def read_types(specification: Any) -> Types:
    """The types that the schema in a specification defines."""
    defined: dict[str, Any] = {}
    elements: dict[str, Any] = {}
    for schema in children(specification, "schema"):
        for x in children(schema, "simpleType", "complexType", "element"):
            name = x.get("name", "")
            (elements if local(x) == "element" else defined).setdefault(name, x)
    return Types(defined, elements)
