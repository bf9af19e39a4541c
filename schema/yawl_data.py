"""The data of YAWL files: variables with XSD types, XPath over them, many instances, timers.

A value of a simple type is JSON's (``xs:boolean`` true, ``xs:int`` 5, all else a text); one of a
complex type is an object by the names of its children, or a list where all children have one
name. Expressions are XPath, or one XPath within an element (``<total>{/net/a + 1}</total>``), and
are told in CEL (`weft.schema.conditions`); what is beyond is named, with its line, and whoever
completes the work gives the value instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

from weft.schema.conditions import RESERVED, Condition, Untranslatable, translated
from weft.schema.datatypes import DataType, InvalidDeclaration, Variable
from weft.schema.errors import DefinitionError
from weft.schema.jsonvalue import MAX_INTEGER, MIN_INTEGER, JsonValue
from weft.schema.xml import children, first, local, parse_xml, text_of

__all__ = ["Data", "query", "read_variables"]

_INTEGERS = (
    *("integer", "int", "long", "short", "byte", "nonNegativeInteger", "positiveInteger"),
    *("nonPositiveInteger", "negativeInteger", "unsignedInt", "unsignedLong", "unsignedShort"),
    "unsignedByte",
)
_TEXTS = (
    *("string", "normalizedString", "token", "anyURI", "date", "time", "dateTime", "duration"),
    *("NMTOKEN", "Name", "NCName", "language", "ID"),
)
_TYPES: Final = {
    **dict.fromkeys(_INTEGERS, "integer"),
    **dict.fromkeys(_TEXTS, "string"),
    **dict.fromkeys(("double", "float", "decimal"), "number"),
    "boolean": "boolean",
}
_TAKEN = (*RESERVED, "result", "results", "error")
_MAX_DEPTH = 50

_ELEMENT = re.compile(r"<([\w:.-]+)>\s*\{(.*)\}\s*</\1>", re.DOTALL)
_LITERAL = re.compile(r"<([\w:.-]+)>([^<>{}]*)</\1>")
_ALL = re.compile(r"for\s+\$(\w+)\s+in\s+(.+?)\s+return\s+\$\1(?:/text\(\)|/\*)?", re.DOTALL)


@attrs.frozen
class Data:
    """The variables of a net or decomposition: what they are called in the file, and here."""

    names: Mapping[str, str]
    types: Mapping[str, str]
    variables: Mapping[str, Variable]

    def condition(self, text: str) -> Condition:
        """A predicate in CEL.

        Raises:
            Untranslatable: It cannot be told in it.
        """
        return translated(text, names=self.names, types=self.types)


def read_variables(element: Any) -> Data:
    """The variables that a net or decomposition declares."""
    names: dict[str, str] = {}
    types: dict[str, str] = {}
    variables: dict[str, Variable] = {}
    for declared in children(element, "inputParam", "outputParam", "localVariable"):
        name = declared.get("name") or text_of(first(declared, "name", "element"))
        if not name:
            continue
        made = names.get(name) or _variable(name, variables)
        names[name] = made
        kind = text_of(first(declared, "type")) or declared.get("type", "")
        type_ = _TYPES.get(kind.rpartition(":")[2], "any")
        default = _initial(text_of_raw(first(declared, "initialValue", "defaultValue")), type_)
        if made in variables and default is None:
            continue
        types[made] = type_
        variables[made] = _declared(made, DataType(type_, nullable=type_ != "any"), default)
    return Data(names, types, variables)


def _declared(name: str, type_: DataType, default: JsonValue) -> Variable:
    """A variable; a default that is no value of case data (too deep, too large) is left out."""
    if default is not None:
        try:
            return Variable(name, type_, merge="last", default=default)
        except InvalidDeclaration:
            pass
    return Variable(name, type_, merge="last")


def text_of_raw(element: Any | None) -> str:
    """The text of an element as it stands, with the elements below it as text."""
    if element is None:
        return ""
    if len(element):
        from lxml import etree

        return "".join(
            [element.text or "", *(etree.tostring(x, encoding="unicode") for x in element)]
        )
    return element.text or ""


def _variable(name: str, taken: Mapping[str, object]) -> str:
    made = re.sub("[^A-Za-z0-9_]", "_", name)[:90]
    if not re.match("[A-Za-z_]", made) or made in _TAKEN:
        made = f"_{made}"
    while made in taken:
        made += "_"
    return made


def _initial(text: str, type_: str) -> JsonValue:
    """An initial value; None: there is none, or it is not of its type."""
    plain = text.strip()
    if not plain:
        return None
    if type_ == "boolean":
        return {"true": True, "1": True, "false": False, "0": False}.get(plain)
    if type_ in ("integer", "number"):
        if re.fullmatch(r"[+-]?\d{1,19}", plain):
            number = int(plain)
            return number if MIN_INTEGER <= number <= MAX_INTEGER else None
        if type_ == "number" and re.fullmatch(r"[+-]?(\d{1,300}\.?\d{0,300}|\.\d{1,300})", plain):
            return float(plain)
        return None
    if type_ == "any" and plain.startswith("<"):
        try:
            root, _ = parse_xml(f"<value>{plain}</value>".encode())
        except DefinitionError:
            return plain
        return as_json(root)
    return text if type_ == "string" else plain


def as_json(element: Any, depth: int = 0) -> JsonValue:
    """An element's content: a text, a list of children of one name, or an object of them."""
    below = children(element)
    if not below or depth > _MAX_DEPTH:
        return text_of(element)
    names = [local(x) for x in below]
    if len(below) > 1 and len({*names}) == 1:
        return [as_json(x, depth + 1) for x in below]
    found: dict[str, JsonValue] = {}
    for name, x in zip(names, below, strict=True):
        value = as_json(x, depth + 1)
        if names.count(name) == 1:
            found[name] = value
            continue
        several = found.setdefault(name, [])
        if isinstance(several, list):
            several.append(value)
    return found


def query(text: str, data: Data, *, prefix: str = "") -> Condition:
    """An expression of a mapping in CEL: XPath, or XPath within an element.

    Raises:
        Untranslatable: What of it cannot be told.
    """
    text = text.strip()
    literal = _LITERAL.fullmatch(text)
    if literal is not None:
        value = literal[2].replace("\\", "\\\\").replace('"', '\\"')
        return Condition(f'"{value}"', frozenset())
    element = _ELEMENT.fullmatch(text)
    if element is not None:
        text = element[2].strip()
    every = _ALL.fullmatch(text)
    if every is not None:
        text = every[2]
    if "<" in text and re.search(r"</?[\w:.-]+/?>", text):
        raise Untranslatable("it builds elements within elements")
    if "{" in text or "}" in text:
        raise Untranslatable("it puts several expressions together")
    return translated(text, names=data.names, types=data.types, prefix=prefix)
