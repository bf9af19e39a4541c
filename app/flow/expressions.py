"""Typed expressions over the data of a case, and the variables that they read.

An `Expression` is a text in the specification's language (CEL) that knows which Python type its
value has. Nothing is computed here: the text goes into the net, and the engine computes it.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any, Generic, Literal, TypeVar, Union, cast

import attrs

from weft.schema.datatypes import ABSENT, Absent, DataType
from weft.schema.datatypes import Variable as Declaration
from weft.schema.jsonvalue import JsonValue, checked

__all__ = ["At", "Expression", "Variable", "cel", "constant", "declared_type", "here", "together"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


@attrs.frozen
class At:
    """A line of somebody's Python."""

    file: str
    line: int


def here() -> At:
    """The line that called into this package."""
    frame = inspect.currentframe()
    package = __name__.rpartition(".")[0]
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(package):
        frame = frame.f_back
    if frame is None:  # pragma: no cover - somebody has called
        return At("<python>", 1)
    return At(frame.f_code.co_filename, frame.f_lineno)


class Expression(Generic[T_co]):
    """A computed value of a type, by its text in CEL.

    Args:
        text: The expression.
        kind: The Python type of its value.
        declares: The variables that it reads and that have to be declared.
        literal: The value itself, if it is known and no text.
    """

    def __init__(
        self,
        text: str,
        kind: Any,
        *,
        declares: tuple[Variable[Any], ...] = (),
        literal: JsonValue | Absent = ABSENT,
    ) -> None:
        self.text = text
        self.kind = kind
        self.declares = declares
        self.literal = literal

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.text}>"

    def map(self, function: Callable[[T_co], B]) -> Expression[B]:
        """What a function of the value would give, as an expression: a field, an item, a test.

        The function is called here, once, with a stand-in that writes down what is asked of it:
        ``claim.map(lambda c: c.amount > 1000)`` becomes ``claim.amount > 1000``. It may take
        attributes and items, compare, and combine tests with ``&``, ``|`` and ``~``.

        Raises:
            TypeError: The function does something else, such as ``and`` or arithmetic.
        """
        made = function(cast(T_co, _Recorder(self.text)))
        if not isinstance(made, _Recorder):
            return constant(made)
        return Expression(made._text, Any, declares=self.declares)


class Variable(Expression[T]):
    """A variable of a process: data that it is given, or keeps.

    Args:
        name: Its name, which expressions read it under.
        kind: The Python type of its values; what Weft knows of it is checked.
        default: Its value when none is given. Without one it has to be given to a process that
            takes it, and is null until it is written in one that only keeps it.
        description: What it means.
        merge: How the writes of concurrent tasks become one value.
    """

    def __init__(
        self,
        name: str,
        kind: type[T],
        *,
        default: T | Absent = ABSENT,
        description: str = "",
        merge: str | None = None,
    ) -> None:
        super().__init__(name, kind, declares=(self,))
        self.name = name
        self.default = default
        self.description = description
        self.merge = merge
        self.at = here()

    def declaration(self, *, required: bool) -> Declaration:
        """The variable as a specification declares it.

        Raises:
            InvalidDeclaration: Its name, default or merge does not fit.
        """
        default = ABSENT if isinstance(self.default, Absent) else as_json(self.default)
        return Declaration(
            self.name,
            declared_type(self.kind),
            default=default,
            required=required and default is ABSENT,
            description=self.description,
            merge=self.merge,
        )


def cel(text: str, kind: type[T]) -> Expression[T]:
    """An expression as a text of one's own; ``kind`` is trusted to be the type of its value."""
    return Expression(text, kind)


def constant(value: T) -> Expression[T]:
    """A value that is known now."""
    plain = as_json(value)
    text = json.dumps(plain, ensure_ascii=False)
    return Expression(text, type(value), literal=ABSENT if isinstance(plain, str) else plain)


@typing.overload
def together(a: Expression[A], b: Expression[B], /) -> Expression[tuple[A, B]]: ...
@typing.overload
def together(
    a: Expression[A], b: Expression[B], c: Expression[C], /
) -> Expression[tuple[A, B, C]]: ...
@typing.overload
def together(
    a: Expression[A], b: Expression[B], c: Expression[C], d: Expression[D], /
) -> Expression[tuple[A, B, C, D]]: ...
def together(*expressions: Expression[Any]) -> Expression[Any]:
    """Several values as one tuple, for a task with several parameters."""
    return Together(expressions)


class Together(Expression[Any]):
    """A tuple of expressions."""

    def __init__(self, parts: tuple[Expression[Any], ...]) -> None:
        super().__init__(
            f"[{', '.join(part.text for part in parts)}]",
            tuple[tuple(part.kind for part in parts)],  # type: ignore[misc]
            declares=tuple(v for part in parts for v in part.declares),
        )
        self.parts = parts


class _Recorder:
    """Stands in for a value, and writes down what a function asks of it."""

    __hash__ = None  # type: ignore[assignment]  # it compares like nothing else

    def __init__(self, text: str) -> None:
        self._text = text

    def __getattr__(self, name: str) -> _Recorder:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Recorder(f"{self._text}.{name}")

    def __getitem__(self, key: object) -> _Recorder:
        return _Recorder(f"{self._text}[{_operand(key)}]")

    def _compared(self, operator: str, other: object) -> _Recorder:
        return _Recorder(f"{self._text} {operator} {_operand(other)}")

    def __eq__(self, other: object) -> Any:
        return self._compared("==", other)

    def __ne__(self, other: object) -> Any:
        return self._compared("!=", other)

    def __lt__(self, other: object) -> _Recorder:
        return self._compared("<", other)

    def __le__(self, other: object) -> _Recorder:
        return self._compared("<=", other)

    def __gt__(self, other: object) -> _Recorder:
        return self._compared(">", other)

    def __ge__(self, other: object) -> _Recorder:
        return self._compared(">=", other)

    def __and__(self, other: object) -> _Recorder:
        return _Recorder(f"({self._text}) && ({_operand(other)})")

    def __or__(self, other: object) -> _Recorder:
        return _Recorder(f"({self._text}) || ({_operand(other)})")

    def __invert__(self) -> _Recorder:
        return _Recorder(f"!({self._text})")

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self._text!r} is computed when the case runs, so it is neither true nor false "
            "here: say & for and, | for or, ~ for not, or write the condition as CEL text"
        )


def _operand(value: object) -> str:
    if isinstance(value, _Recorder):
        return value._text
    return constant(value).text


# ── from Python's types to those of case data ────────────────────────────────────────────────


def as_json(value: object) -> JsonValue:
    """A value as JSON, by the rules of task functions (attrs classes, dates, enumerations…).

    Raises:
        NotJson: It cannot be made into JSON.
    """
    if type(value) in (type(None), bool, int, float, str):
        return checked(value, what="value")
    from weft.connectors import structured

    return checked(structured.unstructure(value), what="value")


_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "object"}


def declared_type(kind: Any, *, within: tuple[Any, ...] = ()) -> DataType:
    """The type of case data that holds a Python type; ``any`` where there is no closer one.

    ``within`` are the classes that it is a part of: one that holds itself is told once.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and origin is None:
        if kind in _SIMPLE:
            return DataType(_SIMPLE[kind])
        if kind is list or kind is tuple:
            return DataType("array")
        if issubclass(kind, Enum):
            return _enumeration([member.value for member in kind])
        if attrs.has(kind):
            return _record(kind, within)
    if origin is Literal:
        return _enumeration(list(arguments))
    if origin is list:
        return DataType("array", items=declared_type(arguments[0], within=within))
    if origin is dict:
        return DataType("object")
    if origin in (Union, types.UnionType) and type(None) in arguments and len(arguments) == 2:
        (only,) = (a for a in arguments if a is not type(None))
        inner = declared_type(only, within=within)
        return inner if inner.type == "any" else attrs.evolve(inner, nullable=True)
    return DataType()


def _enumeration(values: list[Any]) -> DataType:
    if values and all(isinstance(value, str) for value in values):
        return DataType("string", enum=tuple(values))
    return DataType()


def _record(kind: type[Any], within: tuple[Any, ...]) -> DataType:
    """An object with the fields of an attrs class."""
    if kind in within:
        return DataType("object")
    try:
        hints = typing.get_type_hints(kind)
    except NameError:  # an annotation without meaning: the connector says so
        return DataType("object")
    fields = {
        f.name: declared_type(hints.get(f.name, Any), within=(*within, kind))
        for f in attrs.fields(kind)
    }
    required = frozenset(f.name for f in attrs.fields(kind) if f.default is attrs.NOTHING)
    return DataType("object", fields=fields, required=required) if fields else DataType("object")


# ── functions by name ────────────────────────────────────────────────────────────────────────

_FOUND_AGAIN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def function_name(function: Callable[..., Any]) -> tuple[str, str | None]:
    """The name by which a function is found in any process, and the folder to look in first.

    Raises:
        ValueError: It would not be found again; the message says why.
    """
    module = getattr(function, "__module__", None) or ""
    path = getattr(function, "__qualname__", "")
    if "<lambda>" in path:
        raise ValueError(
            "a lambda has no name, so it could not be found again after a crash: "
            "write it as a function at the top of a module"
        )
    if "<locals>" in path:
        raise ValueError(
            f"{path.rpartition('.')[2]!r} is defined inside a function, so it could not be found "
            "again after a crash: move it to the top of its module"
        )
    if not _FOUND_AGAIN.fullmatch(path) or module not in sys.modules:
        raise ValueError(f"{function!r} is not a function that a module holds by name")
    home: Any = sys.modules[module]
    found = home
    for part in path.split("."):
        found = getattr(found, part, None)
    if found is not function and getattr(found, "__wrapped__", None) is not function:
        raise ValueError(
            f"module {module!r} holds something else as {path!r}, which would be called instead: "
            "give the two different names"
        )
    if module == "__main__":
        file = getattr(home, "__file__", None)
        if file is None:
            raise ValueError(
                f"{path!r} was typed at a prompt, so it could not be found again after a crash: "
                "write it to a module"
            )
        from pathlib import Path

        script = Path(file).resolve()
        return f"{script.stem}:{path}", str(script.parent)
    return f"{module}:{path}", None
