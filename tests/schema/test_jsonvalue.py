"""What case data may be, and what is refused at the border, with its place."""

from __future__ import annotations

import copy as deep
import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
from collections import OrderedDict, defaultdict, namedtuple
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.schema.jsonvalue import (
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_PARTS,
    MIN_INTEGER,
    NotJson,
    checked,
    copy,
    in_words,
    path_text,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(MIN_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def containers(value: Any) -> list[int]:
    """The identities of all lists and dicts in a value."""
    if isinstance(value, dict):
        return [id(value), *(i for v in value.values() for i in containers(v))]
    if isinstance(value, list):
        return [id(value), *(i for v in value for i in containers(v))]
    return []


def same(a: Any, b: Any) -> bool:
    """Equal, with the same classes: 1 is not true, nor 1.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@given(VALUES)
def test_what_is_json_passes_as_an_equal_value_of_new_containers(value: Any) -> None:
    for result in (checked(value, what="x"), copy(value)):
        assert same(result, value)
        assert not set(containers(value)) & set(containers(result))


@given(VALUES)
def test_what_is_json_survives_json(value: Any) -> None:
    assert same(json.loads(json.dumps(checked(value, what="x"))), value)


@given(VALUES, st.sampled_from([b"x", {1}, 2**63, math.nan, "\ud800", object()]), st.data())
def test_a_fault_is_found_wherever_it_is(value: Any, bad: Any, data: st.DataObject) -> None:
    """Put something bad at a random place: the path of the error leads there."""
    value = deep.deepcopy(value)
    path: list[str | int] = []
    root: Any = [value]
    here, step = root, 0
    while isinstance(here[step], list | dict) and here[step] and data.draw(st.booleans()):
        here = here[step]
        steps = list(here) if isinstance(here, dict) else list(range(len(here)))
        step = data.draw(st.sampled_from(steps))
        path.append(step)
    here[step] = bad
    with pytest.raises(NotJson) as caught:
        checked(root[0], what="result")
    assert caught.value.path == tuple(path)
    assert str(caught.value).startswith(path_text("result", path) + ": ")


def test_the_message_names_place_and_reason() -> None:
    with pytest.raises(NotJson) as caught:
        checked({"items": [{}, {"unit price": decimal.Decimal("1.1")}]}, what="result")
    assert str(caught.value) == (
        "result.items[1]['unit price']: a value of the class Decimal is not data of a case, which "
        "are null, true, false, integers, numbers, texts, lists and dicts; write it as text, "
        "str(…), or round it to a float"
    )
    assert caught.value.what == "result"
    assert caught.value.path == ("items", 1, "unit price")
    assert "Decimal" in caught.value.reason


def test_a_long_key_is_shortened_in_the_message() -> None:
    with pytest.raises(NotJson, match=r"^x\['k k k k k k k k k k k k k k k k k k k k…'\]: "):
        checked({"k " * 1000: b""}, what="x")


@pytest.mark.parametrize("number", [MAX_INTEGER, MIN_INTEGER, 0, -1])
def test_integers_of_64_bits_pass(number: int) -> None:
    assert checked([number], what="x") == [number]


@pytest.mark.parametrize("number", [MAX_INTEGER + 1, MIN_INTEGER - 1, 10**400])
def test_longer_integers_are_refused(number: int) -> None:
    with pytest.raises(NotJson, match=r"^x\.n: the integer needs \d+ bits; .* write a larger one"):
        checked({"n": number}, what="x")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_has_not_are_refused(number: float) -> None:
    with pytest.raises(NotJson, match=f"the number is {number}, which JSON does not have"):
        checked(number, what="x")


def test_lone_surrogates_are_refused_in_texts_and_keys() -> None:
    with pytest.raises(
        NotJson, match=r"^x\[0\]: the text has a lone surrogate, '\\ud800', at .* 1"
    ):
        checked(["a\ud800"], what="x")
    with pytest.raises(NotJson, match=r"^x: the text has a lone surrogate"):
        checked({"\udfff": 1}, what="x")
    assert checked("é😀", what="x") == "é😀"


@pytest.mark.parametrize(
    ("key", "words"),
    [(1, "an integer"), (None, "null"), (True, "true or false"), ((1,), "the class tuple")],
)
def test_keys_are_texts(key: object, words: str) -> None:
    with pytest.raises(NotJson, match=f"the key .* is .*{words}; the keys of an object are texts"):
        checked({"a": {key: 1}}, what="x")


def test_plain_values_are_made_of_subclasses() -> None:
    class Colour(enum.StrEnum):
        RED = "red"

    class Level(enum.IntEnum):
        HIGH = 3

    class Metres(float):
        pass

    class Stack(list[int]):
        pass

    given_value = {
        "od": OrderedDict(b=1, a=2),
        "dd": defaultdict(list, x=[Colour.RED]),
        Colour.RED: Level.HIGH,
        "m": Metres(1.5),
        "s": Stack([1]),
        "t": (1, (2,)),
    }
    result = checked(given_value, what="x")
    expected = {
        "od": {"b": 1, "a": 2},
        "dd": {"x": ["red"]},
        "red": 3,
        "m": 1.5,
        "s": [1],
        "t": [1, [2]],
    }
    assert same(result, expected)


@dataclasses.dataclass
class Money:
    amount: int


@attrs.frozen
class Order:
    sku: str


Point = namedtuple("Point", "x y")  # noqa: PYI024 - the untyped kind is what is tested


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (b"x", "decode it"),
        ({1}, "make it a list"),
        (dt.datetime.now(tz=dt.UTC), "isoformat"),
        (dt.timedelta(1), "total_seconds"),
        (Money(1), r"dataclasses\.asdict"),
        (Order("a"), r"attrs\.asdict"),
        (Point(1, 2), r"_asdict"),
        (MappingProxyType({"a": 1}), r"dict\(…\)"),
        ((i for i in [1]), r"list\(…\)"),
        (object(), "the class object is not data"),
        (Money, "the class type is not data"),
    ],
)
def test_other_classes_are_refused_with_advice(value: object, advice: str) -> None:
    with pytest.raises(NotJson, match=advice):
        checked(value, what="x")


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_depth_is_bounded() -> None:
    assert checked(nested(MAX_DEPTH), what="x") == nested(MAX_DEPTH)
    with pytest.raises(NotJson, match="more than 100 levels deep"):
        checked(nested(MAX_DEPTH + 1), what="x")
    with pytest.raises(NotJson, match="more than 100 levels deep"):
        checked(nested(100_000), what="x")


def test_what_contains_itself_is_refused() -> None:
    cycle: dict[str, Any] = {}
    cycle["a"] = [cycle]
    with pytest.raises(NotJson, match=r"contains itself \(x\.a\[0\]\.a…\)$") as caught:
        checked(cycle, what="x")
    assert caught.value.path == ()


def test_the_number_of_parts_is_bounded() -> None:
    assert len(checked([0] * MAX_PARTS, what="x")) == MAX_PARTS  # type: ignore[arg-type]
    with pytest.raises(NotJson, match="more than 1,000,000 parts"):
        checked([0] * (MAX_PARTS + 1), what="x")


def test_parts_shared_many_times_are_refused_soon() -> None:
    bomb: list[Any] = []
    for _ in range(60):  # written out, it would have 2 ** 60 parts
        bomb = [bomb, bomb]
    with pytest.raises(NotJson, match="parts"):
        checked(bomb, what="x")


def test_a_shared_part_is_copied_twice() -> None:
    shared = [1]
    result: Any = checked({"a": shared, "b": shared}, what="x")
    result["a"].append(2)
    assert result["b"] == shared == [1]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "true or false"),
        (1, "an integer"),
        (1.0, "a number"),
        ("", "a text"),
        ([], "a list"),
        ({}, "an object"),
        (b"", "a value of the class bytes"),
    ],
)
def test_values_in_words(value: object, words: str) -> None:
    assert in_words(value) == words
