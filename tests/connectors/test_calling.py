from __future__ import annotations

import asyncio
import enum
import functools
import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict
from uuid import UUID

import anyio
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.connectors.conftest import make_work
from weft.connectors.calling import NotCallable, Plan, plan_call
from weft.engine.ports import Work
from weft.schema.errors import WorkFailed
from weft.schema.jsonvalue import JsonValue

Json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def call(function: Any, **inputs: Any) -> Any:
    return plan_call(function, "m:f").call(make_work(**inputs))


def refused(function: Any, **inputs: Any) -> str:
    """Why the inputs do not fit."""
    with pytest.raises(WorkFailed) as caught:
        call(function, **inputs)
    assert (caught.value.code, caught.value.retryable) == ("input-type", False)
    assert caught.value.message.startswith("m:f cannot be called: ")
    return caught.value.message.removeprefix("m:f cannot be called: ")


def wrong_result(function: Any, **inputs: Any) -> str:
    with pytest.raises(WorkFailed) as caught:
        call(function, **inputs)
    assert (caught.value.code, caught.value.retryable) == ("result-type", False)
    return caught.value.message.removeprefix("the result of m:f is wrong: ")


def not_callable(function: Any) -> str:
    with pytest.raises(NotCallable) as caught:
        plan_call(function, "m:f")
    return "; ".join(caught.value.faults)


def taking(kind: Any) -> Any:
    """A function with one parameter of this type, which gives the argument's repr."""

    def function(it: Any) -> str:
        return repr(it)

    function.__annotations__["it"] = kind
    return function


def giving(kind: Any, value: Any) -> Any:
    """A function that declares one result and gives another."""

    def function() -> Any:
        return value

    function.__annotations__["return"] = kind
    return function


# ── arguments ────────────────────────────────────────────────────────────────────────────────


def test_inputs_are_keyword_arguments() -> None:
    def function(a: int, b: int = 10, *, c: str = "x") -> str:
        return f"{a} {b} {c}"

    assert call(function, a=1) == "1 10 x"
    assert call(function, a=1, b=2, c="y") == "1 2 y"


def test_the_work_item_is_there_for_who_asks() -> None:
    def function(it: Work, a: int) -> str:
        return f"{it.case} {it.attempt} {it.idempotency_key} {a}"

    assert call(function, a=1) == "order-17 2 order-17:check/1 1"
    assert "no parameter for the input 'it'" in refused(function, a=1, it=2)


def test_further_inputs_go_where_there_is_room_for_them() -> None:
    def function(a: int, **rest: Any) -> Any:
        return rest

    def numbers(**rest: int) -> int:
        return sum(rest.values())

    assert call(function, a=1, b=[2], c=None) == {"b": [2], "c": None}
    assert call(numbers, x=1, y=2) == 3
    assert "input 'y' must be a whole number" in refused(numbers, x=1, y="2")


def test_positional_only_parameters_are_served() -> None:
    def function(a: int, b: int = 2, c: int = 3, /, *, d: int = 4) -> list[int]:
        return [a, b, c, d]

    assert call(function, a=1) == [1, 2, 3, 4]
    assert call(function, a=1, c=9, d=8) == [1, 2, 9, 8]
    assert call(pow, base=2, exp=3) == 8

    async def same(a: int, w: Work, /, b: int) -> list[int]:
        return [a, w.attempt, b]

    assert asyncio.run(call(same, a=1, b=3)) == [1, 2, 3]


def test_every_wrong_input_is_told() -> None:
    def function(a: int, b: str, c: bool) -> None: ...

    assert refused(function, a="1", bb=2) == (
        """input 'a' must be a whole number, not the text "1"; """
        "there is no parameter for the input 'bb' (did you mean 'b'?); "
        "the input 'b' is missing; the input 'c' is missing"
    )


def test_inputs_without_annotation_are_the_json_as_it_is() -> None:
    @given(Json)
    def law(value: JsonValue) -> None:
        assert call(lambda it: it, it=value) == value

    law()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, 5),
        (float, 5.5),
        (str, "5"),
        (bool, True),
        (None, None),
        (list, [1, "a"]),
        (dict, {"a": [1]}),
        (list[int], [1, 2]),
        (Sequence[str], ["a"]),
        (dict[str, float], {"a": 1.5}),
        (Mapping[str, list[int]], {"a": [1]}),
        (int | None, None),
        (int | str, "x"),
        (list[int] | dict[str, int], {"a": 1}),
        (JsonValue, {"a": [None]}),
        (object, [1]),
        (Literal["a", 1] | None, 1),
        (Annotated[int, "units"], 5),
        (NewType("Order", str), "x"),
    ],
)
def test_types_of_json_take_their_values_without_cattrs(
    kind: Any, value: JsonValue, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "weft.connectors.structured", None)
    assert call(taking(kind), it=value) == repr(value)


def test_anything_in_a_union_is_anything() -> None:
    assert call(taking(int | Any), it="x") == "'x'"
    assert call(taking(Literal[Colour.RED]), it="red") == "<Colour.RED: 'red'>"
    assert call(taking(set[Any]), it=[1]) == "{1}"


def test_a_missing_input_beside_the_work_item_is_told() -> None:
    def function(work: Work, a: int, **rest: int) -> str:
        return f"{work.attempt} {a} {rest}"

    assert refused(function) == "the input 'a' is missing"
    assert call(function, a=1, b=2) == "2 1 {'b': 2}"


def test_a_whole_number_is_a_float_where_one_is_wanted() -> None:
    assert call(taking(float), it=5) == "5.0"
    assert call(taking(float | int), it=5) == "5"  # as it was
    assert call(taking(list[float]), it=[1, 2.5]) == "[1.0, 2.5]"


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (int, "5", """'it' must be a whole number, not the text "5\""""),
        (int, 5.0, "'it' must be a whole number, not the number 5.0"),
        (int, True, "'it' must be a whole number, not true"),
        (str, 5, "'it' must be a text, not the number 5"),
        (float, "5", "'it' must be a number"),
        (float, False, "'it' must be a number, not false"),
        (float, 10**400, "'it' must be a number that a float can hold"),
        (bool, 1, "'it' must be true or false, not the number 1"),
        (None, 0, "'it' must be nothing (null)"),
        (list[int], "12", "'it' must be a list, not the text"),
        (
            list[int],
            [1, "x", True],
            """'it[1]' must be a whole number, not the text "x"; input 'it[2]'""",
        ),
        (dict[str, int], {"a": 1, "b": None}, "'it.b' must be a whole number, not nothing"),
        (dict[str, int], [1], "'it' must be a mapping, not a list"),
        (int | None, "x", "'it' must be a whole number or nothing, not the text"),
        (list[int] | None, [1, "x"], "'it[1]' must be a whole number"),
        (list[int] | list[str], [1, "x"], "'it' must be what is declared or what is declared"),
        (Literal["a", "b"], "c", """must be the text "a" or the text "b", not the text "c\""""),
        (Literal[1], True, "must be the number 1, not true"),
        (Literal[1], [1], "must be the number 1, not a list"),
    ],
)
def test_nothing_is_coerced(kind: Any, value: JsonValue, message: str) -> None:
    assert message in refused(taking(kind), it=value)


def test_at_most_twenty_faults_of_a_value_are_told() -> None:
    assert refused(taking(list[int]), it=["x"] * 1000).count("must be") == 20


# ── structured arguments ─────────────────────────────────────────────────────────────────────


class Colour(enum.Enum):
    RED = "red"
    ONE = 1


class Size(enum.IntEnum):
    SMALL = 1


class Word(str, enum.Enum):  # noqa: UP042 - as people have it
    YES = "yes"


class Name(str):
    __slots__ = ()


@attrs.frozen
class Line:
    price: Decimal
    count: int = attrs.field(default=1, validator=attrs.validators.ge(1))


@attrs.define
class Order:
    name: str
    lines: list[Line]
    placed: datetime
    colour: Colour = Colour.RED
    parts: list[Order] = attrs.field(factory=list)
    note: str | None = None


@dataclass
class Point:
    x: int
    y: float = 0.0


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Needed(TypedDict):
    verbose: bool


class Options(Needed, total=False):
    level: int


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (datetime, "2026-11-21T10:00:00Z", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        (date, "2026-11-21", date(2026, 11, 21)),
        (time, "10:00:00", time(10)),
        (timedelta, 90, timedelta(seconds=90)),
        (Decimal, "9.90", Decimal("9.90")),
        (Decimal, 9, Decimal(9)),
        (UUID, "12345678123456781234567812345678", UUID(int=0x12345678123456781234567812345678)),
        (Path, "a/b", Path("a/b")),
        (PurePosixPath, "a/b", PurePosixPath("a/b")),
        (bytes, "AAEC", b"\0\1\2"),
        (Colour, "red", Colour.RED),
        (Colour, 1, Colour.ONE),
        (Size, 1, Size.SMALL),
        (Word, "yes", Word.YES),
        (Name, "n", Name("n")),
        (set[int], [2, 1], {1, 2}),
        (frozenset[str], ["a"], frozenset({"a"})),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple, [1, "a"], (1, "a")),
        (tuple[int, str], [1, "a"], (1, "a")),
        (dict[UUID, int], {"12345678123456781234567812345678": 1}, None),
        (Point, {"x": 1}, Point(1, 0.0)),
        (Point, {"x": 1, "y": 2}, Point(1, 2.0)),
        (Pair, {"left": 1}, Pair(1)),
        (Options, {"verbose": True}, {"verbose": True}),
        (Line, {"price": "1.50"}, Line(Decimal("1.50"))),
        (Line | None, None, None),
        (list[Line], [{"price": 1}], [Line(Decimal(1))]),
        (dict[str, Line], {"a": {"price": 1}}, {"a": Line(Decimal(1))}),
        (Annotated[Line, "x"], {"price": 1}, Line(Decimal(1))),
        (
            Order,
            {
                "name": "n",
                "lines": [{"price": "1"}],
                "placed": "2026-11-21T00:00:00Z",
                "parts": [{"name": "p", "lines": [], "placed": "2026-11-21T00:00:00Z"}],
            },
            Order(
                "n",
                [Line(Decimal(1))],
                datetime(2026, 11, 21, tzinfo=UTC),
                parts=[Order("p", [], datetime(2026, 11, 21, tzinfo=UTC))],
            ),
        ),
    ],
)
def test_structured_types_are_made_from_json(kind: Any, value: JsonValue, expected: Any) -> None:
    if expected is None and kind is not (Line | None):
        expected = None if value is None else {UUID(int=0x12345678123456781234567812345678): 1}
    assert call(taking(kind), it=value) == repr(expected)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (datetime, "yesterday", "'it' must be a time such as 2026-11-21T10:00:00Z, not the text"),
        (datetime, 0, "must be a time such as"),
        (date, "2026-02-30", "must be a date such as"),
        (timedelta, "5s", "must be a number of seconds"),
        (timedelta, True, "must be a number of seconds"),
        (timedelta, 1e300, "that a timedelta can hold"),
        (Decimal, 9.9, 'must be a decimal number as a text, such as "9.90", not the number 9.9'),
        (Decimal, "x", "must be a decimal number"),
        (UUID, "x", "must be a UUID"),
        (Path, 5, "must be a path as a text"),
        (bytes, "ä", "must be a base64 text"),
        (Colour, "blue", "must be 'red' or 1, not the text"),
        (Colour, True, "must be 'red' or 1, not true"),
        (Word, "no", "must be 'yes', not"),
        (Size, True, "must be 1, not true"),
        (Name, 5, "must be a text"),
        (set[int], "12", "must be a list, not the text"),
        (set[int], [1, 1], "'it' holds the same item twice"),
        (set, [[1]], "'it' is refused: unhashable type"),
        (tuple[int, str], [1], "must be a list of 2 items, not of 1"),
        (tuple[int, str], "ab", "must be a list of 2 items, not the text"),
        (tuple[int, str], ["a", "b"], "'it[0]' must be a whole number"),
        (dict[UUID, int], {"x": 1}, "'it.x' must be a UUID"),
        (
            Line,
            {"price": "1", "cuont": 2},
            "'it.cuont' is no field of Line (did you mean 'count'?)",
        ),
        (Line, {"price": "1", "count": 0}, "'it' is refused: 'count' must be >= 1: 0"),
        (Line, {}, "'it' has no 'price'"),
        (Line, [1], "'it' must be a mapping with the fields of Line, not a list"),
        (list[Line], {"price": 1}, "'it' must be a list, not a mapping"),
        (Pair, {"left": "x"}, "'it.left' must be a whole number"),
        (Options, {"level": 1}, "'it' has no 'verbose'"),
        (
            Order,
            {"name": 1, "lines": [{"price": "x"}], "placed": "2026-11-21"},
            """'it.name' must be a text, not the number 1; input 'it.lines[0].price' must be a""",
        ),
    ],
)
def test_faults_name_the_path_of_the_field(kind: Any, value: JsonValue, message: str) -> None:
    assert message in refused(taking(kind), it=value)


# ── results ──────────────────────────────────────────────────────────────────────────────────


@given(Json)
def test_a_result_without_annotation_is_a_copy_of_its_own(value: JsonValue) -> None:
    result = call(giving(Any, value))
    assert result == value
    if isinstance(value, list | dict):
        assert result is not value


def test_what_a_function_keeps_of_its_result_changes_nothing() -> None:
    kept: dict[str, list[int]] = {"a": [1]}

    def function() -> dict[str, list[int]]:
        return kept

    def structured() -> Order:
        return order

    order = Order("n", [], datetime(2026, 1, 1, tzinfo=UTC))
    results = [call(function), call(lambda: kept), call(structured)]
    kept["a"].append(2)
    order.lines.append(Line(Decimal(1)))
    assert results[:2] == [{"a": [1]}, {"a": [1]}]
    assert results[2]["lines"] == []


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (int, 5, 5),
        (bool, True, True),
        (None, None, None),
        (float, 5, 5.0),
        (Any, Line(Decimal("1.50")), {"price": "1.50", "count": 1}),
        (Any, [Point(1, 2.0), Colour.RED], [{"x": 1, "y": 2.0}, "red"]),
        (Any, {"when": date(2026, 1, 1), "where": Path("a")}, {"when": "2026-01-01", "where": "a"}),
        (Line, Line(Decimal("1.50")), {"price": "1.50", "count": 1}),
        (Line | None, None, None),
        (set[str], {"b", "a"}, ["a", "b"]),
        (tuple[int, str], (1, "a"), [1, "a"]),
        (Pair, Pair(1), {"left": 1, "right": "r"}),
        (Options, {"verbose": True}, {"verbose": True}),
        (timedelta, timedelta(minutes=1), 60.0),
        (bytes, b"\0\1\2", "AAEC"),
        (Size, Size.SMALL, 1),
        (Annotated[Line, "x"], Line(Decimal(1)), {"price": "1", "count": 1}),
        (typing.NoReturn, 5, 5),
    ],
)
def test_results_become_json(kind: Any, value: Any, expected: JsonValue) -> None:
    result = call(giving(kind, value))
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (int, "x", """'result' must be a whole number, not the text "x\""""),
        (int, True, "must be a whole number, not true"),
        (int, None, "must be a whole number, not nothing"),
        (None, 0, "must be nothing"),
        (list[int], [1, "x"], "'result[1]' must be a whole number"),
        (list[int], (1, 2), "must be a list, not a tuple"),
        (Line, {"price": "1"}, "must be a tests.connectors.test_calling.Line, not a mapping"),
        (Line, Line([1]), "'result.price' must be a decimal"),  # type: ignore[arg-type]
        (date, datetime(2026, 1, 1, tzinfo=UTC), "must be a date such as"),
        (set[str], ["a"], "must be a set, not a list"),
        (Any, math.nan, "nan"),
        (float, math.inf, "inf"),
        (Any, {1: 2}, "1"),
        (Any, object(), "object"),
        (Any, lambda: 1, "function"),
        (list[Line], [5], "it cannot be made into JSON (AttributeError: "),
        (int, 2**63, "needs 65 bits"),
        (Any, "\ud800", "lone surrogate"),
    ],
)
def test_a_result_of_the_wrong_type_is_refused(kind: Any, value: Any, message: str) -> None:
    assert message in wrong_result(giving(kind, value))


def test_a_result_that_refers_to_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert wrong_result(giving(Any, loop))


def test_a_coroutine_that_nobody_awaits_is_refused() -> None:
    async def later() -> int:
        return 1

    message = "it is a coroutine: make the function async, or await it"
    assert wrong_result(giving(Any, later())) == message
    assert wrong_result(giving(int, later())) == message


def test_a_result_that_cannot_be_made_back_is_only_made_json() -> None:
    class Named:
        def __init__(self) -> None:
            self.name = "n"

    assert "Named" in wrong_result(giving(Named, Named()))
    assert "must be a" in wrong_result(giving(Named, 5))


# ── failures ─────────────────────────────────────────────────────────────────────────────────


def failure_of(function: Any) -> WorkFailed:
    with pytest.raises(WorkFailed) as caught:
        call(function)
    assert caught.value.code == "raised"
    return caught.value


def raising(error: BaseException) -> Any:
    def function() -> None:
        raise error

    return function


def test_an_exception_is_the_failure_of_the_attempt() -> None:
    failure = failure_of(raising(ValueError("no such order")))
    assert failure.message == "m:f raised ValueError: no such order"
    assert failure.retryable
    assert failure.details["class"] == "ValueError"
    assert failure.as_json()["class"] == "WorkFailed"
    assert isinstance(failure.__cause__, ValueError)


@pytest.mark.parametrize("error", [SystemExit(3), MemoryError(), RecursionError("deep")])
def test_what_would_end_a_program_is_only_a_failure(error: BaseException) -> None:
    assert failure_of(raising(error)).details["class"] == type(error).__name__


def test_a_recursion_without_end_is_a_failure() -> None:
    def function() -> None:
        function()

    assert failure_of(function).details["class"] == "RecursionError"


def test_work_failed_passes_as_it_is() -> None:
    error = WorkFailed("not yet", code="early", retryable=False)
    with pytest.raises(WorkFailed) as caught:
        call(raising(error))
    assert caught.value is error

    async def function() -> None:
        raise error

    with pytest.raises(WorkFailed) as caught:
        asyncio.run(call(function))
    assert caught.value is error


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        BaseExceptionGroup("several", [ValueError(), KeyboardInterrupt()]),
        BaseExceptionGroup("several", [ValueError(), asyncio.CancelledError()]),
    ],
)
def test_interrupts_are_passed_on(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        call(raising(error))
    assert caught.value is error

    async def function() -> None:
        raise error

    async def attempt() -> BaseException | None:
        try:
            await call(function)
        except BaseException as raised:  # noqa: BLE001 - the test looks at it
            return raised
        return None

    assert asyncio.run(attempt()) is error


async def test_a_cancellation_is_passed_on() -> None:
    heard: list[str] = []

    async def function() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            heard.append("cancelled")

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(plan_call(function, "m:f").call, make_work())
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
    assert heard == ["cancelled"]
    assert scope.cancelled_caught


async def test_a_cancellation_that_nobody_asked_for_is_a_failure() -> None:
    """Something that the function itself waits for was cancelled."""

    async def function() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    with pytest.raises(WorkFailed, match=r"raised asyncio.*CancelledError"):
        await call(function)

    def plain() -> None:
        raise asyncio.CancelledError

    with pytest.raises(WorkFailed, match=r"raised asyncio.*CancelledError"):
        call(plain)


async def test_a_coroutine_that_is_closed_ends_quietly() -> None:
    heard: list[str] = []

    async def function() -> None:
        try:
            await anyio.lowlevel.cancel_shielded_checkpoint()
        finally:
            heard.append("closed")

    coroutine = call(function)
    coroutine.send(None)
    coroutine.close()
    assert heard == ["closed"]


def test_an_asynchronous_function_fails_like_any_other() -> None:
    async def function(a: int) -> int:
        if a:
            raise SystemExit(a)
        return a

    assert asyncio.run(call(function, a=0)) == 0
    with pytest.raises(WorkFailed, match="m:f raised SystemExit: 3"):
        asyncio.run(call(function, a=3))
    with pytest.raises(WorkFailed, match="cannot be called"):
        asyncio.run(call(function, a="x"))


# ── what can be called ───────────────────────────────────────────────────────────────────────


class Callable:
    def __call__(self, a: int) -> int:
        return a + 1

    async def later(self, a: int) -> int:
        return a + 1

    @classmethod
    def made(cls, a: int) -> int:
        return a + 2


class AsyncCallable:
    async def __call__(self, a: Line) -> Line:
        return a


def test_anything_that_can_be_called_performs_work() -> None:
    assert call(Callable(), a=1) == 2
    assert call(Callable.made, a=1) == 3
    assert call(functools.partial(Callable(), a=5)) == 6
    assert call(Line, price="1", count=2) == {"price": "1", "count": 2}
    assert call(len, obj=[1, 2]) == 2
    assert asyncio.run(call(Callable().later, a=1)) == 2
    assert asyncio.run(call(AsyncCallable(), a={"price": "1"})) == {"price": "1", "count": 1}
    assert plan_call(functools.partial(AsyncCallable()), "m:f").is_async


def test_a_builtin_that_tells_nothing_takes_what_comes() -> None:
    plan = plan_call(dict, "m:f")
    assert plan.rest
    assert call(dict, a=1) == {"a": 1}


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (5, "m:f is a value of the class int, no function"),
        (taking(Iterator[Work]), "cannot be made from JSON"),
        (taking(object()), "which cannot be made from JSON"),
        (
            taking("NoSuchName"),
            "the annotation 'NoSuchName' of parameter 'it' of m:f has no meaning",
        ),
        (taking(Line | Point | Pair), "cannot be made from JSON"),
        (giving("NoSuchName", 1), "of the result of m:f has no meaning at run time"),
    ],
)
def test_what_cannot_perform_work_is_found_when_it_is_bound(thing: Any, message: str) -> None:
    assert message in not_callable(thing)


def test_generators_are_refused() -> None:
    def generator() -> Iterator[int]:
        yield 1

    async def stream() -> typing.AsyncIterator[int]:
        yield 1

    assert not_callable(generator) == "m:f is a generator: let it return a list"
    assert not_callable(stream) == "m:f is a generator: let it return a list"


def test_a_plan_knows_which_inputs_fit() -> None:
    def function(path: str, depth: int = 1, *more: int, work: Work) -> None: ...

    def open_function(path: str, **rest: int) -> None: ...

    plan = plan_call(function, "m:f")
    assert plan.input_faults(["path"]) == []
    assert plan.input_faults(["path", "depth"]) == []
    assert plan.input_faults(["pat"]) == [
        "m:f needs 'path', which is none of the task's inputs: pat",
        "m:f takes no 'pat' (did you mean 'path'?); it takes path, depth",
    ]
    assert plan_call(open_function, "m:f").input_faults(["path", "x"]) == []
    assert plan_call(open_function, "m:f").input_faults([]) == [
        "m:f needs 'path', which is none of the task's inputs: it has none"
    ]
    assert plan_call(lambda: 1, "m:f").input_faults(["x"]) == [
        "m:f takes no 'x'; it takes no inputs"
    ]


# ── laws ─────────────────────────────────────────────────────────────────────────────────────

lines = st.builds(
    Line,
    price=st.decimals(allow_nan=False, allow_infinity=False),
    count=st.integers(min_value=1, max_value=2**53),
)
orders = st.recursive(
    st.builds(
        Order,
        name=st.text(max_size=5),
        lines=st.lists(lines, max_size=2),
        placed=st.datetimes(timezones=st.none() | st.just(UTC)),
        colour=st.sampled_from(Colour),
        parts=st.just([]),
        note=st.none() | st.text(max_size=3),
    ),
    lambda inner: st.builds(
        lambda order, parts: attrs.evolve(order, parts=parts), inner, st.lists(inner, max_size=2)
    ),
    max_leaves=3,
)


def _roundtrip() -> tuple[Plan, Plan, list[Order]]:
    seen: list[Order] = []

    def give() -> Order:
        return seen[-1]

    def take(order: Order) -> None:
        seen.append(order)

    return plan_call(give, "m:give"), plan_call(take, "m:take"), seen


_give, _take, _seen = _roundtrip()


@given(orders)
def test_a_result_of_one_task_is_the_input_of_the_next_unchanged(order: Order) -> None:
    _seen[:] = [order]
    data = _give.call(make_work())
    _take.call(make_work(order=data))
    assert _seen[1] == order
    assert _give.call(make_work()) == data


def test_inputs_changed_by_a_function_change_nothing_elsewhere() -> None:
    """The work item's inputs are its own; what a function gets is not what others hold."""
    seen: list[Any] = []

    def function(order: Order, tags: list[str]) -> dict[str, Any]:
        order.lines.append(Line(Decimal(1)))
        tags.append("changed")
        result = {"tags": tags}
        seen.append(result)
        return result

    result = call(
        function, order={"name": "n", "lines": [], "placed": "2026-01-01"}, tags=["first"]
    )
    seen[0]["tags"].append("later")
    assert result == {"tags": ["first", "changed"]}
