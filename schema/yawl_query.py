"""The XQuery of YAWL files, told in CEL: XPath as elementpath reads it, in elements or around them.

    query   = "for" $name "in" query "return" query
            | "if" "(" query ")" "then" query "else" query
            | element+ | XPath
    element = "<name>" (text | "{" query "}" | element)* "</name>"

An XPath is parsed by elementpath (version 2.0 of the language), and its tree is told in CEL over
the values that `weft.schema.yawl_data` makes of elements. The types of the variables say what is a
list: of `/net/songs`, whose type is a sequence of songs, ``/net/songs/song`` and ``/net/songs/*``
are the value itself. What is not there is null, as XPath's empty sequence is.

An element around a query is the value of what it is mapped to, so it is not told itself: of
``<total>{/net/a + 1}</total>`` the sum is left. One with elements in it, or with several queries
that yield elements, is an object by their names; one with text and queries is a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from weft.schema.conditions import RESERVED, Untranslatable
from weft.schema.datatypes import DataType

__all__ = ["told", "told_of"]

MAX_LENGTH: Final = 20_000
"""No longer query is translated."""

MAX_NESTING: Final = 15
"""Nor one that is nested more deeply."""

_LOOPS = re.compile(r"\.(?:map|filter|exists|all)\(")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_OPEN = re.compile(r"<([A-Za-z_][\w.:-]*)\s*(/?)>")
_FOR = re.compile(r"for\s+\$([A-Za-z_][\w-]*)\s+in\b")
_SAME = {"=": "==", "eq": "==", "!=": "!=", "ne": "!="}
_ORDER = {"<": "<", "lt": "<", "<=": "<=", "le": "<=", ">": ">", "gt": ">", ">=": ">=", "ge": ">="}
_COMPARES = _SAME | _ORDER
_SUMS = {"+": "+", "-": "-", "*": "*", "div": "/", "idiv": "/", "mod": "%"}
_BOOLEAN, _TEXT, _NUMBER = DataType("boolean"), DataType("string"), DataType("number")
_INTEGER, _ANY = DataType("integer"), DataType("any")


@attrs.frozen
class _Value:
    """A piece of CEL, and what it yields.

    Args:
        cel: The text.
        type: Of one item, where ``many`` is set; else of the value.
        many: Whether it is a sequence, as a list.
        name: The last step of a path: the name of the element that it leads to.
        node: Whether it is an element, and not its text.
        all: Whether it stands for all that is in an element.
        literal: The text, of a literal.
        needs: What has to be there before it is compared, where that is not itself.
        loop: Of what goes over a list: the list, an item, a condition, and what it makes of each.
    """

    cel: str
    type: DataType = _ANY
    many: bool = False
    name: str = ""
    node: bool = False
    all: bool = False
    literal: str | None = None
    needs: tuple[str, ...] = ()
    loop: tuple[str, str, str, str] | None = None

    def wants(self) -> tuple[str, ...]:
        """What has to be there before it is compared: nothing is less than what is not there."""
        return self.needs or ((self.cel,) if self.node and not self.many else ())

    def each(self, bound: Iterable[str]) -> tuple[str, str, str, str]:
        """The loop that makes this list, or one over it as it is."""
        item = _free("x", bound)
        return self.loop or (self.cel, item, "", item)


def _over(loop: tuple[str, str, str, str], type_: DataType, name: str, *, node: bool) -> _Value:
    """The list that a loop makes. CEL goes over one list in an expression, so loops are merged."""
    listed, item, condition, made = loop
    if not condition:
        cel = listed if made == item else f"{listed}.map({item}, {made})"
    elif made == item:
        cel = f"{listed}.filter({item}, {condition})"
    else:
        cel = f"{listed}.map({item}, {condition}, {made})"
    return _Value(cel, type_, many=True, name=name, node=node, loop=loop)


def told_of(text: str, cel: str, type_: DataType, *, of: str = "") -> str:
    """A query over one element, in CEL: what is split into items, or made of their results.

    Args:
        text: The query.
        cel: The value of the element.
        type_: Its type; of anything, a list is taken for granted.
        of: What is in the element, where that is not to be told from the query.

    Raises:
        Untranslatable: What of it is no XPath, or has no counterpart.
    """
    listed = type_ if type_.type == "array" else DataType("array", items=_ANY)
    document = _Value(cel, listed if type_.type == "any" else type_, node=True, name=of)
    query = _Query({}, {}, "", document=document)
    try:
        found = query.query(text, {}, None, 0)
    except RecursionError:
        raise Untranslatable("it is nested too deeply") from None
    if not found.many:
        raise Untranslatable("it yields no list")
    _bounded(found.cel)
    return found.cel


def _bounded(cel: str) -> None:
    """Refuse what the engine would: two loops in one expression, or too much nesting."""
    if len(_LOOPS.findall(cel)) > 1:
        raise Untranslatable("it goes over more than one list")
    deep = deepest = 0
    for character in _QUOTED.sub("", cel):
        deep += (character in "([{") - (character in ")]}")
        deepest = max(deepest, deep)
    if deepest > MAX_NESTING:
        raise Untranslatable(f"it is nested more than {MAX_NESTING} deep")


def told(
    text: str,
    *,
    names: Mapping[str, str],
    types: Mapping[str, DataType],
    prefix: str = "",
    target: DataType | None = None,
    condition: bool = False,
) -> str:
    """A query in CEL.

    Args:
        text: The query.
        names: The variables: what the file calls them, and what they are called here.
        types: Their types, by what they are called here.
        prefix: Stands before every variable; ``result.`` is of what may be missing.
        target: The type of what it is for, where it is known.
        condition: Whether it is asked as a condition; what it reads is then to be a variable.

    Raises:
        Untranslatable: What of it is no XPath, or has no counterpart.
    """
    if len(text) > MAX_LENGTH:
        raise Untranslatable(f"it has more than {MAX_LENGTH} characters")
    try:
        query = _Query(names, types, prefix, strict=condition)
        found = query.query(text, {}, target, 0)
        cel = query.holds(found) if condition else found.cel
    except RecursionError:
        raise Untranslatable("it is nested too deeply") from None
    _bounded(cel)
    return cel


@attrs.frozen
class _Query:
    """The translation of one query."""

    names: Mapping[str, str]
    types: Mapping[str, DataType]
    prefix: str
    strict: bool = False
    document: _Value | None = None
    """The element that paths begin with, where it is not that of the net."""

    # ── what is around XPath ─────────────────────────────────────────────────────────────────

    def query(
        self, text: str, bound: Mapping[str, _Value], target: DataType | None, depth: int
    ) -> _Value:
        if depth > MAX_NESTING:
            raise Untranslatable(f"it is nested more than {MAX_NESTING} deep")
        text = text.strip()
        if text.startswith("<"):
            return self.elements(text, bound, target, depth + 1)
        if "<" not in re.sub(r"<\s*=|<\s*[\d/$(]|<\s", "", text) and "{" not in text:
            return self.xpath(text, bound)
        loop = _FOR.match(text)
        if loop is not None:
            source, rest = _split(text[loop.end() :], "return")
            over = self.query(source, bound, None, depth + 1)
            if not over.many:
                return self.query(rest, {**bound, loop[1]: over}, target, depth + 1)
            of_item = target.items if target is not None and target.type == "array" else None
            each = over.each(self.taken(bound))
            item = _Value(each[3], over.type, name=over.name, node=over.node)
            made = self.query(rest, {**bound, loop[1]: item}, of_item, depth + 1)
            return _over((*each[:3], made.cel), made.type, made.name, node=made.node)
        chosen = re.match(r"if\s*\(", text)
        if chosen is not None:
            inner = _balanced(text, chosen.end() - 1)
            asked = self.query(text[chosen.end() : inner], bound, None, depth + 1)
            rest = text[inner + 1 :].strip()
            if not re.match(r"then\b", rest):
                raise Untranslatable("an if without then")
            one, other = _split(rest[4:], "else")
            first = self.query(one, bound, target, depth + 1)
            second = self.query(other, bound, target, depth + 1)
            return _either(self.holds(asked), first, second)
        raise Untranslatable(f"{_short(text)!r} mixes elements and XPath in a way that is not read")

    def elements(
        self, text: str, bound: Mapping[str, _Value], target: DataType | None, depth: int
    ) -> _Value:
        """One element around something, or several side by side."""
        parts = list(_parts(text))
        made = [self.element(name, inside, bound, target, depth) for name, inside in parts]
        if len(made) == 1:
            return made[0]
        return self.together(made, target)

    def element(
        self,
        name: str,
        inside: str,
        bound: Mapping[str, _Value],
        target: DataType | None,
        depth: int,
    ) -> _Value:
        """The value of an element: what is in it."""
        pieces: list[_Value] = []
        elements = texts = False
        for kind, piece in _content(inside):
            if kind == "text":
                if piece.strip() or not (pieces or "{" in inside or "<" in inside):
                    texts = True
                    pieces.append(_Value(_quoted(piece), _TEXT, literal=piece))
            elif kind == "query":
                pieces.append(self.query(piece, bound, target, depth + 1))
            else:
                elements = True
                tag, below = next(_parts(piece))
                field = None
                if target is not None and target.type == "object":
                    field = (target.fields or {}).get(tag)
                elif target is not None and target.type == "array":
                    field = target.items
                made = self.element(tag, below, bound, field, depth + 1)
                pieces.append(attrs.evolve(made, name=tag, node=True, all=False))
        if not pieces:
            return _Value('""', _TEXT, name=name, node=True)
        if texts and len(pieces) > 1:
            if elements:
                raise Untranslatable(f"the element {name!r} has text beside elements")
            cel = " + ".join(p.cel if p.literal is not None else f"text({p.cel})" for p in pieces)
            return _Value(cel, _TEXT, name=name, node=True)
        if len(pieces) == 1 and not (elements or _field_of(target, pieces[0])):
            return attrs.evolve(pieces[0], name=name, node=True)
        return attrs.evolve(self.together(pieces, target), name=name, node=True)

    def together(self, pieces: Sequence[_Value], target: DataType | None) -> _Value:
        """Elements side by side: an object by their names, or a list where that is one name."""
        if any(not p.name for p in pieces):
            raise Untranslatable("it puts values without a name side by side")
        names = [p.name for p in pieces]
        listed = any(p.many for p in pieces) or (target is not None and target.type == "array")
        if listed or (len(names) > 1 and len({*names}) == 1):
            if len(pieces) == 1 and pieces[0].many:
                return pieces[0]
            cel = " + ".join(p.cel if p.many else f"[{p.cel}]" for p in pieces)
            return _Value(cel, pieces[0].type, many=True, all=True)
        if len({*names}) < len(names):
            raise Untranslatable("it puts elements of one name beside others")
        fields = ", ".join(f"{_quoted(p.name)}: {p.cel}" for p in pieces)
        return _Value(f"{{{fields}}}", DataType("object"), all=True)

    # ── XPath ────────────────────────────────────────────────────────────────────────────────

    def xpath(self, text: str, bound: Mapping[str, _Value]) -> _Value:
        from elementpath import ElementPathError, XPath2Parser

        try:
            tree = XPath2Parser().parse(text)
        except ElementPathError as error:
            said = re.sub(r"\s+", " ", str(error))[:200]
            raise Untranslatable(f"it is no XPath: {said}") from None
        except Exception as error:  # noqa: BLE001  # whatever a parser trips over is no XPath
            raise Untranslatable(f"it is no XPath: {type(error).__name__}") from None
        return self.value(tree, bound, None)

    def tree(self, t: Any, bound: Mapping[str, _Value], context: _Value | None) -> _Value:
        """The value of a token of elementpath's tree; ``context`` is what ``.`` means."""
        symbol = t.symbol
        parts = list(t)
        if symbol in ("(integer)", "(decimal)", "(float)"):
            return _Value(str(t.value), _INTEGER if symbol == "(integer)" else _NUMBER)
        if symbol == "(string)":
            return _Value(_quoted(str(t.value)), _TEXT, literal=str(t.value))
        if symbol == "(" and len(parts) == 1:
            inner = self.value(parts[0], bound, context)
            return attrs.evolve(inner, cel=f"({inner.cel})")
        if symbol == "(" and not parts:
            return _Value("null")
        if symbol == ":" and len(parts) == 2:
            return self.value(parts[1], bound, context)
        if symbol in ("/", "(name)", "*", "text", ".", "$", "[", "//") and not (
            symbol == "*" and len(parts) == 2
        ):
            return self.path(t, parts, bound, context)
        if symbol in _COMPARES and len(parts) == 2:
            return self.compared(
                symbol,
                self.value(parts[0], bound, context),
                self.value(parts[1], bound, context),
            )
        if symbol in ("and", "or"):
            sides = [self.holds(self.value(p, bound, context)) for p in parts]
            return _Value(f"({(' && ' if symbol == 'and' else ' || ').join(sides)})", _BOOLEAN)
        if symbol in _SUMS and parts:
            return self.summed(symbol, [self.value(p, bound, context) for p in parts])
        if symbol == "if":
            asked, one, other = (self.value(p, bound, context) for p in parts)
            return _either(self.holds(asked), one, other)
        if symbol in ("for", "some", "every"):
            return self.each(symbol, parts, bound, context)
        return self.called(symbol, [self.value(p, bound, context) for p in parts])

    def value(self, t: Any, bound: Mapping[str, _Value], context: _Value | None) -> _Value:
        """The value of a token, which is not the element of the net itself."""
        found = self.tree(t, bound, context)
        if not found.cel:
            raise Untranslatable("it takes all variables together")
        return found

    def path(
        self, t: Any, parts: list[Any], bound: Mapping[str, _Value], context: _Value | None
    ) -> _Value:
        symbol = t.symbol
        if symbol == "//" and len(parts) == 1 and parts[0].symbol in ("(name)", ":"):
            name = str(list(parts[0])[1].value if parts[0].symbol == ":" else parts[0].value)
            return self.variable(name) if name in self.names else _Value("", name="//")
        if symbol == "//":
            raise Untranslatable("a path with // in it searches all that is below")
        if symbol == "$":
            name = str(parts[0].value)
            if name not in bound:
                raise Untranslatable(f"${name} is bound by nothing")
            return bound[name]
        if symbol == ".":
            if context is None:
                raise Untranslatable("'.' means nothing there")
            return context
        if symbol == "[":
            return self.filtered(self.tree(parts[0], bound, context), parts[1], bound)
        if symbol == "/" and len(parts) == 2:
            begins = parts[0]
            if context is None and begins.symbol == "(name)" and begins.value not in self.names:
                # The element of the net, without the slash before it.
                document = _Value("", name="//") if self.document is None else self.document
                return self.step(document, parts[1], bound)
            return self.step(self.tree(parts[0], bound, context), parts[1], bound)
        if symbol == "/" and len(parts) == 1 and parts[0].symbol in ("(name)", "*", ":"):
            # The element of the net, in which the variables are.
            return _Value("", name="//") if self.document is None else self.document
        if context is not None:
            return self.step(context, t, bound)
        if symbol == "(name)":
            return self.variable(str(t.value))
        raise Untranslatable(f"{_short(t.source)!r} begins with no name")

    def variable(self, name: str) -> _Value:
        """A variable of the net; what is none is not there."""
        made = self.names.get(name)
        if made is None and self.strict:
            raise Untranslatable(f"{name!r} is no variable here")
        if made is None:
            return _Value("null", name=name)
        type_ = self.types.get(made, _ANY)
        cel = f"{self.prefix}{made}"
        if self.prefix == "result.":
            cel = f"result.get('{made}')"
        return _Value(cel, type_, name=name, node=True)

    def step(self, value: _Value, t: Any, bound: Mapping[str, _Value]) -> _Value:
        """One step down."""
        symbol = t.symbol
        if symbol == "[":
            below, condition = list(t)
            return self.filtered(self.step(value, below, bound), condition, bound)
        if symbol == ":":
            return self.step(value, list(t)[1], bound)
        if value.name == "//" and not value.cel:
            if symbol == "[":
                raise Untranslatable("it asks a condition of the net's own element")
            if symbol != "(name)":
                raise Untranslatable("it takes all variables together")
            return self.variable(str(t.value))
        if symbol == "text":
            return attrs.evolve(value, node=False, all=False, needs=value.wants())
        if symbol not in ("(name)", "*"):
            raise Untranslatable(f"the step {symbol!r} has no counterpart")
        name = "" if symbol == "*" else str(t.value)
        if value.cel == "null":
            return attrs.evolve(value, name=name)
        if value.type.type == "array" and not value.many:
            items = value.type.items or _ANY
            listed = f"({value.cel} == null ? [] : {value.cel})"
            return _Value(listed, items, many=True, name=name or value.name, node=True, all=True)
        if symbol == "*":
            return attrs.evolve(value, all=True)
        type_ = (value.type.fields or {}).get(name, _ANY) if value.type.type == "object" else _ANY
        if value.many:
            each = value.each(self.taken(bound))
            made = f"{each[3]}.get({_quoted(name)})"
            return _over((*each[:3], made), type_, name, node=True)
        return _Value(f"{value.cel}.get({_quoted(name)})", type_, name=name, node=True)

    def filtered(self, value: _Value, condition: Any, bound: Mapping[str, _Value]) -> _Value:
        """A path with a condition in square brackets: a place in the list, or a test."""
        listed = value
        if not value.many:
            listed = attrs.evolve(value, cel=f"({value.cel} == null ? [] : [{value.cel}])")
        if condition.symbol == "(integer)":
            cel = f"{listed.cel}.get({int(condition.value) - 1})"
            return attrs.evolve(value, cel=cel, many=False, all=False)
        each = listed.each(self.taken(bound))
        context = _Value(each[3], value.type, name=value.name, node=True)
        held = self.holds(self.value(condition, bound, context))
        both = f"{each[2]} && {held}" if each[2] else held
        return _over((*each[:2], both, each[3]), value.type, value.name, node=value.node)

    def each(
        self, symbol: str, parts: list[Any], bound: Mapping[str, _Value], context: _Value | None
    ) -> _Value:
        """A loop over one variable, or a question about all or some."""
        if len(parts) != 3:
            raise Untranslatable(f"{symbol!r} goes over several variables")
        name = str(next(iter(parts[0])).value)
        over = self.value(parts[1], bound, context)
        if not over.many:
            found = self.value(parts[2], {**bound, name: over}, context)
            return found if symbol == "for" else _Value(self.holds(found), _BOOLEAN)
        each = over.each(self.taken(bound))
        inner = {**bound, name: _Value(each[3], over.type, name=over.name, node=over.node)}
        made = self.value(parts[2], inner, context)
        if symbol == "for":
            return _over((*each[:3], made.cel), made.type, made.name, node=made.node)
        held = self.holds(made)
        if each[2]:
            held = f"{each[2]} && {held}" if symbol == "some" else f"!({each[2]}) || {held}"
        method = "exists" if symbol == "some" else "all"
        return _Value(f"{each[0]}.{method}({each[1]}, {held})", _BOOLEAN)

    def taken(self, bound: Mapping[str, _Value]) -> set[str]:
        """Names that no item of a loop may have."""
        return {*self.names.values(), *bound, *(v.cel for v in bound.values())}

    # ── operators and functions ──────────────────────────────────────────────────────────────

    def holds(self, value: _Value) -> str:
        """A value as a condition: an element is true if it is there and not empty."""
        if value.many:
            return f"size({value.cel}) > 0"
        if value.type.type == "boolean":
            plain = not value.node or value.cel in ("true", "false")
            return value.cel if plain else f"({value.cel} == true)"
        if value.type.type in ("integer", "number") and not value.node:
            return f"({value.cel} != 0)"
        if value.type.type in ("array", "object"):
            return f"({value.cel} != null && size({value.cel}) > 0)"
        return f'({value.cel} != null && {value.cel} != "")'

    def compared(self, symbol: str, left: _Value, right: _Value) -> _Value:
        sign = _COMPARES[symbol]
        left, right = _alike(left, right), _alike(right, left)
        if left.many or right.many:
            if left.many and right.many:
                raise Untranslatable("it compares two sequences")
            several, one = (left, right) if left.many else (right, left)
            listed, item, condition, made = several.each(self.names.values())
            test = f"{made} {sign} {one.cel}" if left.many else f"{one.cel} {sign} {made}"
            test = f"{condition} && {test}" if condition else test
            return _Value(f"{listed}.exists({item}, {test})", _BOOLEAN)
        known = [] if sign == "==" else dict.fromkeys((*left.wants(), *right.wants()))
        there = "".join(f"{cel} != null && " for cel in known)
        return _Value(f"({there}{left.cel} {sign} {right.cel})", _BOOLEAN)

    def summed(self, symbol: str, values: list[_Value]) -> _Value:
        numbers = [_as_number(v) for v in values]
        needs = tuple(dict.fromkeys(need for v in values for need in v.wants()))
        if len(numbers) == 1:
            cel = f"-({numbers[0].cel})" if symbol == "-" else numbers[0].cel
            return _Value(cel, _NUMBER, needs=needs)
        if any(v.many for v in numbers):
            raise Untranslatable("it calculates with a sequence")
        whole = all(v.type.type == "integer" for v in numbers) and symbol != "div"
        one, other = (v.cel for v in numbers)
        mixed = {v.type.type for v in numbers} == {"integer", "number"}
        if (mixed or symbol == "div") and not whole:
            one, other = f"double({one})", f"double({other})"
        type_ = _INTEGER if whole else _NUMBER
        return _Value(f"({one} {_SUMS[symbol]} {other})", type_, needs=needs)

    def called(self, symbol: str, values: list[_Value]) -> _Value:
        function = _FUNCTIONS.get((symbol, len(values)))
        if symbol == "concat" and len(values) > 1:
            return _Value(f"({' + '.join(_as_text(v) for v in values)})", _TEXT)
        if function is None:
            raise Untranslatable(f"the function or operator {symbol}() has no counterpart")
        return function(self, *values)


def _counted(query: _Query, value: _Value) -> _Value:
    if value.many:
        return _Value(f"size({value.cel})", _INTEGER)
    if value.all and value.type.type in ("object", "any"):
        cel = f'({value.cel} == null || {value.cel} == "" ? 0 : size({value.cel}))'
        return _Value(cel, _INTEGER)
    return _Value(f"({value.cel} == null ? 0 : 1)", _INTEGER)


def _texted(method: str) -> Callable[[_Query, _Value, _Value], _Value]:
    def made(query: _Query, value: _Value, part: _Value) -> _Value:
        return _Value(f"{_as_text(value)}.{method}({_as_text(part)})", _BOOLEAN)

    return made


_FUNCTIONS: Final[Mapping[tuple[str, int], Callable[..., _Value]]] = {
    ("true", 0): lambda q: _Value("true", _BOOLEAN),
    ("false", 0): lambda q: _Value("false", _BOOLEAN),
    ("not", 1): lambda q, v: _Value(f"!({q.holds(v)})", _BOOLEAN),
    ("boolean", 1): lambda q, v: _Value(q.holds(v), _BOOLEAN),
    ("exists", 1): lambda q, v: _Value(
        f"(size({v.cel}) > 0)" if v.many else f"({v.cel} != null)", _BOOLEAN
    ),
    ("empty", 1): lambda q, v: _Value(
        f"(size({v.cel}) == 0)" if v.many else f"({v.cel} == null)", _BOOLEAN
    ),
    ("count", 1): _counted,
    ("string", 1): lambda q, v: _Value(_as_text(v), _TEXT),
    ("number", 1): lambda q, v: attrs.evolve(_as_number(v), needs=v.wants()),
    ("abs", 1): lambda q, v: _Value(f"({v.cel} < 0 ? -({v.cel}) : {v.cel})", _as_number(v).type),
    ("data", 1): lambda q, v: attrs.evolve(v, node=False, needs=v.wants()),
    ("string-length", 1): lambda q, v: _Value(f"size({_as_text(v)})", _INTEGER),
    ("contains", 2): _texted("contains"),
    ("starts-with", 2): _texted("startsWith"),
    ("ends-with", 2): _texted("endsWith"),
    ("matches", 2): _texted("matches"),
}


def _either(asked: str, one: _Value, other: _Value) -> _Value:
    """One of two values; a sequence where either is one."""
    if one.many != other.many:
        one, other = _listed(one), _listed(other)
    cel = f"({asked} ? {one.cel} : {other.cel})"
    return attrs.evolve(one if one.cel not in ("null", "[]") else other, cel=cel)


def _listed(value: _Value) -> _Value:
    if value.many:
        return value
    if value.cel == "null":
        return attrs.evolve(value, cel="[]", many=True)
    return attrs.evolve(value, cel=f"[{value.cel}]", many=True)


def _field_of(target: DataType | None, piece: _Value) -> bool:
    """Whether an element that a query yields is a field of what it is for, and not all of it."""
    if target is None or not piece.node or piece.all or piece.many:
        return False
    return target.type == "object" and piece.name in (target.fields or {})


def _alike(one: _Value, other: _Value) -> _Value:
    """A literal text in the type of what it is compared with."""
    if one.literal is None or other.literal is not None:
        return one
    text = one.literal.strip()
    if other.type.type == "boolean" and text in ("true", "false", "1", "0"):
        return _Value("true" if text in ("true", "1") else "false", _BOOLEAN)
    if other.type.type in ("integer", "number") and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return _Value(text, other.type)
    return one


def _as_text(value: _Value) -> str:
    if value.many:
        raise Untranslatable("it takes a sequence for a text")
    return value.cel if value.literal is not None else f"text({value.cel})"


def _as_number(value: _Value) -> _Value:
    if value.literal is not None and re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", value.literal):
        text = value.literal.strip()
        return _Value(text, _NUMBER if "." in text else _INTEGER)
    if value.type.type == "string":
        return _Value(f"double({value.cel})", _NUMBER)
    return attrs.evolve(value, type=value.type if value.type.type != "any" else _INTEGER)


# ── the text of a query ──────────────────────────────────────────────────────────────────────


def _free(name: str, taken: Iterable[str]) -> str:
    """A name like this one that nothing has."""
    made, used = name, {*taken, *RESERVED}
    while made in used:
        made += "_"
    return made


def _short(text: str) -> str:
    return " ".join(text.split())[:40]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for raw, written in (("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        escaped = escaped.replace(raw, written)
    return f'"{escaped}"'


def _skipped(text: str, at: int) -> int:
    """Where what begins at a place ends: a quoted text, a bracket's content, an element."""
    character = text[at]
    if character in "'\"":
        end = text.find(character, at + 1)
        if end < 0:
            raise Untranslatable("a quote is not closed")
        return end + 1
    if character in "([{":
        return _balanced(text, at) + 1
    if character == "<" and _OPEN.match(text, at):
        return _element_end(text, at)[2]
    return at + 1


def _balanced(text: str, at: int) -> int:
    """Where the bracket at a place is closed."""
    close = {"(": ")", "[": "]", "{": "}"}[text[at]]
    i = at + 1
    while i < len(text):
        if text[i] == close:
            return i
        i = _skipped(text, i)
    raise Untranslatable(f"{text[at]!r} is not closed")


def _element_end(text: str, at: int) -> tuple[str, str, int]:
    """The element at a place: its name, what is in it, and where it ends."""
    begin = _OPEN.match(text, at)
    if begin is None:
        raise Untranslatable(f"{_short(text[at:])!r} is no element without attributes")
    if begin[2]:
        return begin[1], "", begin.end()
    i = begin.end()
    while i < len(text):
        if text.startswith("</", i):
            close = re.compile(r"</\s*([\w.:-]+)\s*>").match(text, i)
            if close is None or close[1] != begin[1]:
                raise Untranslatable(f"the element {begin[1]!r} is not closed")
            return begin[1], text[begin.end() : i], close.end()
        if text[i] == "<":
            i = _element_end(text, i)[2]
        elif text[i] == "{":
            i = _balanced(text, i) + 1
        else:
            i += 1
    raise Untranslatable(f"the element {begin[1]!r} is not closed")


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """The elements side by side in a text: name and content."""
    i = 0
    while i < len(text):
        if text[i].isspace():
            i += 1
            continue
        name, inside, i = _element_end(text, i)
        yield name.rpartition(":")[2], inside


def _content(text: str) -> Iterator[tuple[str, str]]:
    """What is in an element: texts, queries in braces, elements."""
    i = begun = 0
    while i < len(text):
        if text[i] not in "{<":
            i += 1
            continue
        if i > begun:
            yield "text", text[begun:i]
        end = _balanced(text, i) + 1 if text[i] == "{" else _element_end(text, i)[2]
        yield ("query", text[i + 1 : end - 1]) if text[i] == "{" else ("element", text[i:end])
        i = begun = end
    if i > begun:
        yield "text", text[begun:i]


def _split(text: str, word: str) -> tuple[str, str]:
    """A text before and after a word that stands outside all brackets."""
    i = deep = 0
    while i < len(text):
        found = re.compile(r"[A-Za-z_][\w.-]*").match(text, i)
        if found is None:
            i = _skipped(text, i)
            continue
        if found[0] == {"return": "for", "else": "if"}.get(word):
            deep += 1
        elif found[0] == word and deep:
            deep -= 1
        elif found[0] == word:
            return text[:i], text[found.end() :]
        i = found.end()
    raise Untranslatable(f"{word!r} is missing")
