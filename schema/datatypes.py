"""The types that a specification declares for its data, and how concurrent writers are merged.

A declaration is a plain value, as an author writes it: a name (``string``), or a mapping.

    path: {type: string, default: .}
    count: {type: integer, required: true}
    tags: {type: array, items: string}
    choice: {type: string, enum: [ship, stop], nullable: true}
    order: {type: object, fields: {sku: {type: string, required: true}, price: number}}
    log: {type: array, items: string, merge: append}

`DataType` is what a value must be, `Variable` a declared variable: a type, and what is said of it
besides. Checks are strict: the text ``5`` is no integer, and true is none either; nothing is
converted. One widening there is, since JSON has one kind of numbers: an integer is a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final, cast

import attrs

from weft.schema.jsonvalue import (
    MAX_INTEGER,
    MIN_INTEGER,
    JsonValue,
    NotJson,
    checked,
    in_words,
    path_text,
)

__all__ = [
    "ABSENT",
    "MERGES",
    "TYPES",
    "Absent",
    "DataType",
    "DeclarationFault",
    "InvalidDeclaration",
    "Variable",
    "declaration_schema",
    "merged",
]

TYPES: Final = ("string", "integer", "number", "boolean", "object", "array", "any")
"""The names of the types."""

MERGES: Final = {
    "last": "what was written last stays",
    "append": "a list; each write adds one item at its end",
    "extend": "a list; each write is a list, whose items are added at its end",
    "add": "an integer or a number; each write is added to it",
    "update": "an object; each write is an object, whose entries are put into it",
}
"""How the writes of concurrent tasks become one value: the names, and what they mean."""

_MERGE_TYPES: Final = {
    "append": ("array",),
    "extend": ("array",),
    "add": ("integer", "number"),
    "update": ("object",),
}
_MAX_FAULTS: Final = 20
_MAX_ENUM: Final = 1000

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# fmt: off
_RESERVED: Final = frozenset({
    "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in",
    "let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while",
})
# fmt: on

Path = tuple[str | int, ...]


class Absent(Enum):
    """The class of `ABSENT`."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT
"""No default: not even null."""


@attrs.frozen
class DeclarationFault:
    """What is wrong in a declaration, and where: keys and indexes from the outside in."""

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.message}" if self.path else self.message


class InvalidDeclaration(ValueError):
    """A declaration is wrong; ``faults`` has everything that is."""

    def __init__(self, faults: Sequence[DeclarationFault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = tuple(faults)


# ── types ────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class DataType:
    """What a value must be.

    Args:
        type: One of `TYPES`.
        items: The type of every item of an array; None: anything.
        fields: The types of an object's entries, by name; None: any entries.
        required: The fields that an object must have.
        additional: Whether an object with fields may have others besides.
        enum: The values that are accepted; None: all of the type.
        nullable: Whether null is accepted besides. ``any`` accepts it always.
        description: What it means, for people; it decides nothing.
    """

    type: str = attrs.field(default="any", validator=attrs.validators.in_(TYPES))
    items: DataType | None = None
    fields: Mapping[str, DataType] | None = None
    required: frozenset[str] = frozenset()
    additional: bool = False
    enum: tuple[str | int | float, ...] | None = None
    nullable: bool = False
    description: str = ""

    @classmethod
    def from_declaration(cls, declaration: object) -> DataType:
        """The type that a plain declaration means: a type's name, or a mapping with ``type``.

        Raises:
            InvalidDeclaration: All faults, each with its path.
        """
        reader = _Reader()
        found = reader.type(reader.plain(declaration), ())
        reader.finish()
        return found

    def as_json(self) -> JsonValue:
        """The shortest plain declaration of this type; `from_declaration` reads it back."""
        return _shortened(self._declared())

    def _declared(self) -> dict[str, JsonValue]:
        plain: dict[str, JsonValue] = {"type": self.type}
        if self.items is not None:
            plain["items"] = self.items.as_json()
        if self.fields is not None:
            plain["fields"] = {
                name: _shortened(
                    {**kind._declared(), **({"required": True} if name in self.required else {})}
                )
                for name, kind in self.fields.items()
            }
        if self.additional:
            plain["additional"] = True
        if self.enum is not None:
            plain["enum"] = list(self.enum)
        if self.nullable:
            plain["nullable"] = True
        if self.description:
            plain["description"] = self.description
        return plain

    def check(self, value: object, what: str) -> list[str]:
        """What is wrong with a value: a sentence a fault, that names the place; [] if it fits.

        Of very many faults the first 20 are told, then how many more there are.

        Args:
            value: Anything at all; a value that is not case data fits no type but ``any``.
            what: The value's name in the sentences, such as ``result``.
        """
        faults: list[str] = []
        total = 0
        for path, message in self._faults(value, ()):
            total += 1
            if total <= _MAX_FAULTS:
                faults.append(f"{path_text(what, path)}: {message}")
        if total > _MAX_FAULTS:
            faults.append(f"{what}: {total - _MAX_FAULTS:,} more such faults")
        return faults

    def fits(self, value: object) -> bool:
        """Whether a value is of this type."""
        return next(iter(self._faults(value, ())), None) is None

    def _faults(self, value: object, path: Path) -> Iterable[tuple[Path, str]]:
        if self.type == "any":
            return
        if value is None:
            if not self.nullable:
                yield path, f"expected {self.describe()}, found null"
            return
        if not _IS[self.type](value):
            yield path, f"expected {self.describe()}, found {_found(value)}"
            return
        if self.enum is not None and value not in self.enum:
            texts = [text for text in self.enum if isinstance(text, str)]
            near = get_close_matches(str(value), texts, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield path, f"expected {self.describe()}, found {_found(value)}{hint}"
        elif self.items is not None:
            for index, item in enumerate(cast("list[object]", value)):
                yield from self.items._faults(item, (*path, index))
        elif self.fields is not None:
            yield from self._field_faults(cast("dict[object, object]", value), path)

    def _field_faults(
        self, value: Mapping[object, object], path: Path
    ) -> Iterable[tuple[Path, str]]:
        assert self.fields is not None
        for name, kind in self.fields.items():
            if name in value:
                yield from kind._faults(value[name], (*path, name))
            elif name in self.required:
                near = [k for k in value if k not in self.fields and isinstance(k, str)]
                meant = get_close_matches(name, near, n=1)
                hint = f" (there is a {meant[0]!r})" if meant else ""
                yield path, f"the field {name!r} is missing{hint}; it is {kind.describe()}"
        if not self.additional:
            for key in value:
                if key not in self.fields:
                    known = ", ".join(self.fields) or "none"
                    accept = "additional: true would accept others"
                    yield path, f"the field {key!r} is not declared; declared: {known} ({accept})"

    def describe(self) -> str:
        """The type in words: ``a text``, ``a list of integers or null``, ``one of 'a', 'b'``."""
        return self._words(plural=False) + (" or null" if self.nullable else "")

    def _words(self, *, plural: bool) -> str:
        if self.enum is not None:
            shown = ", ".join(repr(value) for value in self.enum[:10])
            more = f" and {len(self.enum) - 10} more" if len(self.enum) > 10 else ""
            return f"one of {shown}{more}"
        words = _WORDS[self.type][plural]
        if self.items is not None and self.items.type != "any":
            null = " or null" if self.items.nullable else ""
            return f"{words} of {self.items._words(plural=True)}{null}"
        if self.fields:
            return f"{words} with {', '.join(self.fields)}"
        return words

    def json_schema(self) -> dict[str, JsonValue]:
        """The type as a JSON Schema (draft 2020-12)."""
        schema: dict[str, JsonValue] = {}
        if self.description:
            schema["description"] = self.description
        if self.type == "any":
            return schema
        schema["type"] = [self.type, "null"] if self.nullable else self.type
        if self.type == "integer":
            schema |= {"minimum": MIN_INTEGER, "maximum": MAX_INTEGER}
        if self.enum is not None:
            schema["enum"] = [*self.enum, None] if self.nullable else list(self.enum)
        if self.items is not None:
            schema["items"] = self.items.json_schema()
        if self.fields is not None:
            schema["properties"] = {
                name: field.json_schema() for name, field in self.fields.items()
            }
            if self.required:
                schema["required"] = [name for name in self.fields if name in self.required]
            if not self.additional:
                schema["additionalProperties"] = False
        return schema


def _is_integer(value: object) -> bool:
    return type(value) is int and MIN_INTEGER <= value <= MAX_INTEGER


def _is_number(value: object) -> bool:
    return _is_integer(value) or (type(value) is float and math.isfinite(value))


_IS: Final[Mapping[str, Callable[[object], bool]]] = {
    "string": lambda value: type(value) is str,
    "integer": _is_integer,
    "number": _is_number,
    "boolean": lambda value: type(value) is bool,
    "object": lambda value: type(value) is dict,
    "array": lambda value: type(value) is list,
}

_WORDS: Final = {
    "string": ("a text", "texts"),
    "integer": ("an integer", "integers"),
    "number": ("a number", "numbers"),
    "boolean": ("true or false", "true or false"),
    "object": ("an object", "objects"),
    "array": ("a list", "lists"),
    "any": ("anything", "anything"),
}


def _found(value: object) -> str:
    """A value in a message: its kind, and the value itself where that is short."""
    if type(value) is int and not _is_integer(value):
        return "an integer of more than 64 bits"
    if isinstance(value, bool | int | float | str):
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float) and not math.isfinite(value):
            return f"{value}, which JSON does not have"
        shown = repr(value)
        return f"{in_words(value)} ({shown if len(shown) <= 40 else f'{shown[:39]}…'})"
    return in_words(value)


def _shortened(plain: dict[str, JsonValue]) -> JsonValue:
    return plain["type"] if len(plain) == 1 else plain


# ── variables ────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Variable:
    """A variable that a specification declares for the data of a scope.

    Args:
        name: Its name; expressions read it under this name.
        type: What its values must be.
        default: Its value when none is given; `ABSENT`: it is null until something is written.
        required: Whether a value must be given when the scope opens.
        description: What it means, for people.
        merge: How the writes of concurrent tasks become one value, one of `MERGES`; None: a
            write replaces the value, and the verifier warns of concurrent ones.
    """

    name: str
    type: DataType = attrs.field(factory=DataType)
    default: JsonValue | Absent = ABSENT
    required: bool = False
    description: str = ""
    merge: str | None = None

    def __attrs_post_init__(self) -> None:
        faults = list(_variable_faults(self))
        if faults:
            raise InvalidDeclaration(faults)

    @property
    def has_default(self) -> bool:
        """Whether there is a default; null may be one."""
        return self.default is not ABSENT

    @classmethod
    def from_declaration(cls, name: str, declaration: object) -> Variable:
        """The variable that a plain declaration means.

        Raises:
            InvalidDeclaration: All faults, each with its path in the declaration.
        """
        reader = _Reader()
        variable = reader.variable(name, declaration)
        reader.finish()
        return variable

    def as_json(self) -> JsonValue:
        """The shortest plain declaration of this variable; `from_declaration` reads it back."""
        plain = self.type._declared()
        if self.description:
            plain["description"] = self.description
        if not isinstance(self.default, Absent):
            plain["default"] = self.default
        if self.required:
            plain["required"] = True
        if self.merge is not None:
            plain["merge"] = self.merge
        return _shortened(plain)


def _variable_faults(variable: Variable) -> Iterable[DeclarationFault]:
    """What its parts must be together; each part by itself is good."""
    if _NAME.fullmatch(variable.name) is None:
        yield DeclarationFault(
            (),
            f"{variable.name!r} cannot name a variable: expressions need letters, digits and "
            "underscores, and no digit first",
        )
    elif variable.name in _RESERVED:
        yield DeclarationFault((), f"{variable.name!r} is a reserved word of the expressions")
    if not isinstance(variable.default, Absent):
        advice = "; leave it out, or say nullable: true" if variable.default is None else ""
        for path, message in variable.type._faults(variable.default, ("default",)):
            yield DeclarationFault(path, message + advice)
        if variable.required:
            yield DeclarationFault(
                ("default",),
                "a variable that is required is always given, so that its default is never used: "
                "leave one of the two out",
            )
    if variable.merge is None:
        return
    if variable.merge not in MERGES:
        yield DeclarationFault(("merge",), _unknown(variable.merge, "merge", MERGES))
        return
    types = _MERGE_TYPES.get(variable.merge, TYPES)
    if variable.type.type not in types:
        yield DeclarationFault(
            ("merge",),
            f"merge: {variable.merge} is for variables of the type {' or '.join(types)}, and this "
            f"one is of the type {variable.type.type}",
        )


def merged(merge: str, old: JsonValue, new: JsonValue) -> JsonValue:
    """The value of a variable after a write, by its declared merge.

    The value before may be null: nothing was written yet. Neither value is changed; the new one
    shares their parts. A write of the wrong kind (``extend`` with a text) is returned as it
    is, so that the check of the variable's type, which comes next, refuses it in its words; a
    sum past the bounds of a number is refused there too.

    >>> merged("append", ["a"], "b")
    ['a', 'b']
    """
    if merge not in MERGES:
        raise ValueError(_unknown(merge, "merge", MERGES))
    if merge == "append":
        return [*old, new] if isinstance(old, list) else [new]
    if merge == "extend" and isinstance(new, list):
        return [*old, *new] if isinstance(old, list) else new
    if merge == "update" and isinstance(new, dict):
        return {**old, **new} if isinstance(old, dict) else new
    if merge == "add" and _is_number(new) and _is_number(old):
        return cast("Any", old) + cast("Any", new)  # type: ignore[no-any-return]
    return new


# ── reading declarations ─────────────────────────────────────────────────────────────────────


class _Reader:
    """One reading of a declaration; it goes on after a fault, so that all are found."""

    def __init__(self) -> None:
        self.faults: list[DeclarationFault] = []

    def fault(self, path: Path, message: str) -> None:
        self.faults.append(DeclarationFault(path, message))

    def finish(self) -> None:
        if self.faults:
            raise InvalidDeclaration(self.faults)

    def plain(self, declaration: object) -> JsonValue:
        """The declaration as data; what is none (or has no end) is a fault, and taken as any."""
        try:
            return checked(declaration, what="declaration")
        except NotJson as error:
            self.fault(error.path, error.reason)
            return "any"

    def variable(self, name: str, declaration: object) -> Variable:
        plain = self.mapping(self.plain(declaration), ())
        kind = self.keys(plain, (), _VARIABLE_KEYS)
        variable = Variable("_")
        try:
            variable = Variable(
                name,
                kind,
                default=plain.get("default", ABSENT),
                required=self.flag(plain, "required", ()),
                description=self.text(plain, "description", ()),
                merge=self.text(plain, "merge", ()) if "merge" in plain else None,
            )
        except InvalidDeclaration as error:
            # Of a declaration that is wrong elsewhere, it would be said what was not written.
            whole = not self.faults
            self.faults += [f for f in error.faults if whole or not f.path]
        return variable

    def type(self, declaration: JsonValue, path: Path) -> DataType:
        plain = self.mapping(declaration, path)
        kind = self.keys(plain, path, _TYPE_KEYS)
        return attrs.evolve(kind, description=self.text(plain, "description", path))

    def keys(self, plain: Mapping[str, JsonValue], path: Path, known: Sequence[str]) -> DataType:
        """The type in a mapping that may say more than a type."""
        for key in plain:
            if key not in known:
                self.fault((*path, key), _unknown(key, "key", known))
        name = plain.get("type", "any")
        if not isinstance(name, str) or name not in TYPES:
            self.fault((*path, "type"), self._no_type(name))
            return DataType()
        for key, owner in (("items", "array"), ("fields", "object"), ("additional", "object")):
            if key in plain and owner != name:
                self.fault((*path, key), f"{key!r} is for the type {owner}, and this is {name}")
                return DataType(name)
        fields, required = self.fields(plain, path)
        if "additional" in plain and fields is None:
            self.fault((*path, "additional"), "an object without 'fields' accepts any already")
        return DataType(
            name,
            items=self.type(plain["items"], (*path, "items")) if "items" in plain else None,
            fields=fields,
            required=required,
            additional=self.flag(plain, "additional", path),
            enum=self.enum(plain, name, path),
            nullable=self.flag(plain, "nullable", path),
        )

    def mapping(self, declaration: JsonValue, path: Path) -> Mapping[str, JsonValue]:
        if isinstance(declaration, dict):
            return declaration
        if declaration in TYPES:
            return {"type": declaration}
        if isinstance(declaration, str):
            self.fault(path, self._no_type(declaration))
        else:
            self.fault(
                path,
                f"expected a type ({', '.join(TYPES)}) or a mapping such as "
                f"{{type: string, default: a}}, found {in_words(declaration)}",
            )
        return {}

    @staticmethod
    def _no_type(name: object) -> str:
        if not isinstance(name, str):
            return f"expected the name of a type ({', '.join(TYPES)}), found {in_words(name)}"
        meant = _HABITS.get(name.lower())
        if meant is None:
            return _unknown(name, "type", TYPES)
        return f"there is no type {name!r}: write {meant}"

    def fields(
        self, plain: Mapping[str, JsonValue], path: Path
    ) -> tuple[dict[str, DataType] | None, frozenset[str]]:
        if "fields" not in plain:
            return None, frozenset()
        declared = plain["fields"]
        path = (*path, "fields")
        if not isinstance(declared, dict):
            self.fault(
                path, f"expected fields by name, {{price: number}}, found {in_words(declared)}"
            )
            return None, frozenset()
        fields: dict[str, DataType] = {}
        required: set[str] = set()
        for name, declaration in declared.items():
            field = self.mapping(declaration, (*path, name))
            kind = self.keys(field, (*path, name), _FIELD_KEYS)
            text = self.text(field, "description", (*path, name))
            fields[name] = attrs.evolve(kind, description=text)
            if self.flag(field, "required", (*path, name)):
                required.add(name)
        return fields, frozenset(required)

    def flag(self, plain: Mapping[str, JsonValue], key: str, path: Path) -> bool:
        value = plain.get(key, False)
        if isinstance(value, bool):
            return value
        self.fault((*path, key), f"expected true or false, found {_found(value)}")
        return False

    def text(self, plain: Mapping[str, JsonValue], key: str, path: Path) -> str:
        value = plain.get(key, "")
        if isinstance(value, str):
            return value
        self.fault((*path, key), f"expected a text, found {_found(value)}")
        return ""

    def enum(
        self, plain: Mapping[str, JsonValue], name: str, path: Path
    ) -> tuple[str | int | float, ...] | None:
        if "enum" not in plain:
            return None
        values = plain["enum"]
        path = (*path, "enum")
        if name not in {"string", "integer", "number"}:
            self.fault(path, f"'enum' is for the types string, integer and number, not for {name}")
            return None
        if not isinstance(values, list) or not 0 < len(values) <= _MAX_ENUM:
            self.fault(path, f"expected a list of 1 to {_MAX_ENUM:,} values, such as [a, b]")
            return None
        plain_type = DataType(name)
        good: list[str | int | float] = []
        for index, value in enumerate(values):
            if value is None:
                self.fault((*path, index), "for null, say nullable: true")
            elif not plain_type.fits(value):
                wanted = plain_type.describe()
                self.fault((*path, index), f"expected {wanted}, found {_found(value)}")
            elif value in good:
                self.fault((*path, index), f"{value!r} stands twice in the list")
            else:
                good.append(cast("str | int | float", value))
        return tuple(good)


_HABITS: Final = {
    **dict.fromkeys(("str", "text", "char", "varchar", "date", "datetime", "uuid"), "string"),
    **dict.fromkeys(("int", "long", "int64", "short"), "integer"),
    **dict.fromkeys(("float", "double", "decimal", "real"), "number"),
    "bool": "boolean",
    **dict.fromkeys(("dict", "map", "mapping", "struct", "record"), "object"),
    **dict.fromkeys(("list", "tuple", "sequence", "set"), "array"),
    **dict.fromkeys(("null", "none", "object?", "json"), "any"),
}
"""What people write by habit, and the name that it has here."""

_TYPE_KEYS: Final = ("type", "items", "fields", "additional", "enum", "nullable", "description")
_FIELD_KEYS: Final = (*_TYPE_KEYS, "required")
_VARIABLE_KEYS: Final = (*_FIELD_KEYS, "default", "merge")


def _unknown(name: str, what: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    hint = f", did you mean {near[0]!r}?" if near else ";"
    return f"there is no {what} {name!r}{hint} there are: {', '.join(known)}"


def declaration_schema(at: str = "#/$defs/variable") -> dict[str, JsonValue]:
    """The JSON Schema (draft 2020-12) of a variable's declaration.

    It says a little less than `Variable.from_declaration`: whether a default fits its type is
    not in it, for example.

    Args:
        at: Where in its document the schema will stand, as types may hold types.
    """
    names: dict[str, JsonValue] = {"enum": list(TYPES)}
    text: dict[str, JsonValue] = {"type": "string"}
    flag: dict[str, JsonValue] = {"type": "boolean"}
    merges: list[JsonValue] = [
        {"const": name, "description": meaning} for name, meaning in MERGES.items()
    ]
    properties: dict[str, JsonValue] = {
        "type": {"enum": list(TYPES), "description": "What its values are."},
        "items": {"$ref": f"{at}/$defs/type", "description": "The type of an array's items."},
        "fields": {
            "type": "object",
            "additionalProperties": {"$ref": f"{at}/$defs/field"},
            "description": "The types of an object's entries, by name.",
        },
        "additional": {**flag, "description": "Whether an object may have other fields besides."},
        "enum": {
            "type": "array",
            "items": {"type": ["string", "number"]},
            "minItems": 1,
            "maxItems": _MAX_ENUM,
            "uniqueItems": True,
            "description": "The values that are accepted.",
        },
        "nullable": {**flag, "description": "Whether null is accepted besides."},
        "description": {**text, "description": "What it means, for people."},
    }
    required: dict[str, JsonValue] = {"required": {**flag, "description": "Must it be given?"}}
    variable: dict[str, JsonValue] = {
        "default": {"description": "Its value when none is given."},
        "merge": {"oneOf": merges, "description": "How concurrent writes become one value."},
    }

    def declared(keys: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        mapping: dict[str, JsonValue] = {
            "type": "object",
            "properties": dict(keys),
            "additionalProperties": False,
            "allOf": [
                _only("items", "array"),
                _only("fields", "object"),
                _only("enum", "string", "integer", "number"),
            ],
            "dependentRequired": {"additional": ["fields"]},
        }
        return {"anyOf": [names, mapping]}

    return {
        **declared({**properties, **required, **variable}),
        "$defs": {"type": declared(properties), "field": declared({**properties, **required})},
    }


def _only(key: str, *types: str) -> JsonValue:
    """A key that stands only beside certain types."""
    beside: dict[str, JsonValue] = {
        "required": ["type"],
        "properties": {"type": {"enum": list(types)}},
    }
    return {"if": {"required": [key]}, "then": beside}
