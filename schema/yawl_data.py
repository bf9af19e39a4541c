"""The data of YAWL files: variables with XSD types, XPath over them, many instances, timers.

A value of a simple type is JSON's (``xs:boolean`` true, ``xs:int`` 5, all else a text); one of a
complex type is an object by the names of its children, or a list where all children have one
name. Expressions are XPath, or one XPath within an element (``<total>{/net/a + 1}</total>``), and
are told in CEL (`weft.schema.conditions`); what is beyond is named, with its line, and whoever
completes the work gives the value instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import attrs

from weft.schema.conditions import RESERVED, Condition, Untranslatable, translated
from weft.schema.datatypes import DataType, InvalidDeclaration, Variable
from weft.schema.errors import DefinitionError
from weft.schema.jsonvalue import MAX_INTEGER, MIN_INTEGER, JsonValue
from weft.schema.xml import children, first, local, parse_xml, text_of
from weft.schema.yawl_query import told
from weft.schema.yawl_types import Types

__all__ = ["Data", "query", "read_variables", "verbatim"]

_TAKEN = (*RESERVED, "result", "results", "error")
_SIMPLE = ("string", "integer", "number", "boolean")
_ANY = DataType("any")
_MAX_DEPTH = 50

_ELEMENT = re.compile(r"<([\w:.-]+)>\s*\{(.*)\}\s*</\1>", re.DOTALL)
_VERBATIM = re.compile(r"weft:cel\('((?:[^']|'')*)'\)", re.DOTALL)
_LITERAL = re.compile(r"<([\w:.-]+)>([^<>{}]*)</\1>")
_ALL = re.compile(r"for\s+\$(\w+)\s+in\s+(.+?)\s+return\s+\$\1(?:/text\(\)|/\*)?", re.DOTALL)


@attrs.frozen
class Data:
    """The variables of a net or decomposition: what they are called in the file, and here."""

    names: Mapping[str, str]
    types: Mapping[str, str]
    variables: Mapping[str, Variable]

    def kinds(self) -> Mapping[str, DataType]:
        """The types of the variables, by what they are called here."""
        return {name: variable.type for name, variable in self.variables.items()}

    def condition(self, text: str) -> Condition:
        """A predicate in CEL.

        Raises:
            Untranslatable: It cannot be told in it.
        """
        if (cel := verbatim(text)) is not None:
            return Condition(cel, frozenset())
        try:
            cel = told(text, names=self.names, types=self.kinds(), condition=True)
        except Untranslatable:
            return translated(text, names=self.names, types=self.types)
        return Condition(cel, frozenset())


def read_variables(element: Any, known: Types) -> Data:
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
        type_ = known.named(kind) if kind else known.element(text_of(first(declared, "element")))
        default = _initial(text_of_raw(first(declared, "initialValue", "defaultValue")), type_)
        if made in variables and default is None:
            continue
        types[made] = type_.type if type_.type in _SIMPLE else ""
        variables[made] = _declared(made, type_, default)
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


def _initial(text: str, type_: DataType) -> JsonValue:
    """An initial value; None: there is none, or it is not of its type."""
    plain = text.strip()
    if not plain:
        return None
    if plain.startswith("<") and type_.type in ("any", "object", "array"):
        try:
            root, _ = parse_xml(f"<value>{plain}</value>".encode())
        except DefinitionError:
            return plain if type_.type == "any" else None
        return as_json(root, type_)
    return _simple(text, type_.type)


def _simple(text: str, type_: str) -> JsonValue:
    """A text as a value of a simple type; None: it is none."""
    plain = text.strip()
    if type_ == "boolean":
        return {"true": True, "1": True, "false": False, "0": False}.get(plain)
    if type_ in ("integer", "number"):
        if re.fullmatch(r"[+-]?\d{1,19}", plain):
            number = int(plain)
            return number if MIN_INTEGER <= number <= MAX_INTEGER else None
        if type_ == "number" and re.fullmatch(r"[+-]?(\d{1,300}\.?\d{0,300}|\.\d{1,300})", plain):
            return float(plain)
        return None
    return text if type_ == "string" else plain


def as_json(element: Any, type_: DataType = _ANY, depth: int = 0) -> JsonValue:
    """An element's content: a text, a list of children of one name, or an object of them.

    Its type says which, where it is known; else what stands there does.
    """
    below = children(element)
    if depth > _MAX_DEPTH:
        return text_of(element)
    if type_.type == "array":
        return [as_json(x, type_.items or _ANY, depth + 1) for x in below]
    fields = type_.fields or {}
    if not below:
        if type_.type in ("any", "object"):
            return {} if type_.type == "object" and not text_of(element) else text_of(element)
        return _simple(text_of(element), type_.type)
    names = [local(x) for x in below]
    if len(below) > 1 and len({*names}) == 1 and names[0] not in fields:
        return [as_json(x, _ANY, depth + 1) for x in below]
    found: dict[str, JsonValue] = {}
    for name, x in zip(names, below, strict=True):
        kind = fields.get(name, _ANY)
        if kind.type == "array" and kind.items is not None:  # the items, side by side
            value, several = as_json(x, kind.items, depth + 1), True
        else:
            value, several = as_json(x, kind, depth + 1), names.count(name) > 1
        if not several:
            found[name] = value
            continue
        listed = found.setdefault(name, [])
        if isinstance(listed, list):
            listed.append(value)
    return found


def verbatim(text: str) -> str | None:
    """The expression in CEL that ``weft:cel('…')`` holds, as Weft writes it; None: it is another."""
    found = _VERBATIM.fullmatch(text.strip())
    return None if found is None else found[1].replace("''", "'")


def query(text: str, data: Data, *, prefix: str = "", target: DataType | None = None) -> Condition:
    """An expression of a mapping in CEL: XPath, or XPath within and around elements.

    Args:
        text: The expression.
        data: The variables that it reads.
        prefix: Stands before each of them.
        target: The type of what it is for.

    Raises:
        Untranslatable: What of it cannot be told.
    """
    text = text.strip()
    if (cel := verbatim(text)) is not None:
        return Condition(cel, frozenset())
    literal = _LITERAL.fullmatch(text)
    if literal is not None:
        value: JsonValue = literal[2]
        if target is not None and target.type in ("boolean", "integer", "number"):
            value = _simple(literal[2], target.type)
        return Condition(json.dumps(value, ensure_ascii=False), frozenset())
    try:
        return _plain(text, data, prefix)
    except Untranslatable as reason:
        kinds = data.kinds()
        try:
            cel = told(text, names=data.names, types=kinds, prefix=prefix, target=target)
        except ImportError:  # pragma: no cover  # elementpath comes with lxml, in one extra
            raise reason from None
        return Condition(cel, frozenset())


def _plain(text: str, data: Data, prefix: str) -> Condition:
    """One XPath over simple variables, alone or within one element."""
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
