"""Declared types: what they accept, how they are written, and how writes are merged."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.schema.datatypes import (
    ABSENT,
    MERGES,
    TYPES,
    DataType,
    DeclarationFault,
    InvalidDeclaration,
    Variable,
    declaration_schema,
    merged,
)
from weft.schema.jsonvalue import MAX_INTEGER, checked


def faults(declaration: object) -> list[str]:
    """The faults of a variable's declaration, each with its path."""
    with pytest.raises(InvalidDeclaration) as caught:
        Variable.from_declaration("v", declaration)
    assert str(caught.value) == "; ".join(map(str, caught.value.faults))
    return [str(fault) for fault in caught.value.faults]


# ── what a type accepts ──────────────────────────────────────────────────────────────────────

ONE_OF_EACH: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "integer": 5,
    "number": 5.0,
    "string": "5",
    "array": [],
    "object": {},
}


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_nothing_is_converted(type_: str, kind: str) -> None:
    accepted = type_ in {"any", kind} or (type_ == "number" and kind == "integer")
    declared = DataType.from_declaration(type_)
    assert (declared.check(ONE_OF_EACH[kind], "x") == []) is accepted
    assert declared.fits(ONE_OF_EACH[kind]) is accepted


@pytest.mark.parametrize("type_", TYPES)
def test_nullable_adds_null_and_nothing_else(type_: str) -> None:
    plain, nullable = DataType(type_), DataType(type_, nullable=True)
    assert nullable.fits(None)
    values: list[Any] = [True, 5, 5.0, "5", [], {}]
    for value in values:
        assert nullable.fits(value) == plain.fits(value)


UNDECLARED = (
    "x: the field 'skus' is not declared; declared: sku, price, tags "
    "(additional: true would accept others)"
)
ORDER = DataType.from_declaration(
    {
        "type": "object",
        "fields": {
            "sku": {"type": "string", "required": True},
            "price": "number",
            "tags": {"type": "array", "items": {"type": "string", "enum": ["new", "sale"]}},
        },
    }
)


@pytest.mark.parametrize(
    ("declaration", "value", "expected"),
    [
        ("string", 5, ["x: expected a text, found an integer (5)"]),
        ("integer", "5", ["x: expected an integer, found a text ('5')"]),
        ("integer", True, ["x: expected an integer, found true"]),
        ("integer", 5.0, ["x: expected an integer, found a number (5.0)"]),
        ("integer", 2**63, ["x: expected an integer, found an integer of more than 64 bits"]),
        ("number", math.nan, ["x: expected a number, found nan, which JSON does not have"]),
        ("number", None, ["x: expected a number, found null"]),
        ("boolean", "a" * 99, [f"x: expected true or false, found a text ('{'a' * 38}…)"]),
        ("object", [], ["x: expected an object, found a list"]),
        (
            "string",
            b"a",
            ["x: expected a text, found a value of the class bytes"],
        ),
        (
            {"type": "string", "enum": ["ship", "stop"], "nullable": True},
            "shop",
            [
                "x: expected one of 'ship', 'stop' or null, found a text ('shop'); did you mean 'stop'?"
            ],
        ),
        (
            {"type": "integer", "enum": list(range(12))},
            99,
            ["x: expected one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more, found an integer (99)"],
        ),
        (
            {"type": "array", "items": "integer"},
            [1, "2", 3, None],
            [
                "x[1]: expected an integer, found a text ('2')",
                "x[3]: expected an integer, found null",
            ],
        ),
        (
            ORDER.as_json(),
            {"skus": 1, "price": "1", "tags": ["new", "old"]},
            [
                "x: the field 'sku' is missing (there is a 'skus'); it is a text",
                "x.price: expected a number, found a text ('1')",
                "x.tags[1]: expected one of 'new', 'sale', found a text ('old')",
                UNDECLARED,
            ],
        ),
        (ORDER.as_json(), {}, ["x: the field 'sku' is missing; it is a text"]),
        (ORDER.as_json(), {"sku": "a"}, []),
        ({"type": "object", "fields": {}}, {"a": 1}, None),
        ({"type": "object", "fields": {}, "additional": True}, {"a": 1}, []),
    ],
)
def test_faults_name_the_place(declaration: Any, value: Any, expected: list[str] | None) -> None:
    found = DataType.from_declaration(declaration).check(value, "x")
    if expected is None:
        assert "declared: none" in found[0]
    else:
        assert found == expected


def test_of_many_faults_some_are_told() -> None:
    found = DataType("array", items=DataType("string")).check([0] * 1000, "x")
    assert len(found) == 21
    assert found[0] == "x[0]: expected a text, found an integer (0)"
    assert found[-1] == "x: 980 more such faults"


@pytest.mark.parametrize(
    ("declaration", "words"),
    [
        ("any", "anything"),
        ("array", "a list"),
        ({"type": "array", "items": "any"}, "a list"),
        (
            {"type": "array", "items": {"type": "array", "items": "number"}},
            "a list of lists of numbers",
        ),
        (
            {"type": "array", "items": {"type": "string", "nullable": True}},
            "a list of texts or null",
        ),
        ({"type": "integer", "nullable": True}, "an integer or null"),
        ({"type": "object", "fields": {"a": "any", "b": "any"}}, "an object with a, b"),
    ],
)
def test_types_in_words(declaration: Any, words: str) -> None:
    assert DataType.from_declaration(declaration).describe() == words


# ── declarations ─────────────────────────────────────────────────────────────────────────────


def declarations(depth: int = 2, *, field: bool = False) -> st.SearchStrategy[Any]:
    """Good declarations of types, long and short."""
    flags = st.booleans()
    extra = {"description": st.text(max_size=5), "nullable": flags}
    if field:
        extra["required"] = flags
    plain = st.sampled_from(TYPES)
    long = [
        st.fixed_dictionaries({}, optional={"type": plain, **extra}),
        st.fixed_dictionaries(
            {
                "type": st.just("string"),
                "enum": st.lists(st.text(max_size=3), min_size=1, max_size=3, unique=True),
            },
            optional=extra,
        ),
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(["integer", "number"]),
                "enum": st.lists(st.integers(-3, 3), min_size=1, max_size=3, unique=True),
            },
            optional=extra,
        ),
    ]
    if depth:
        inner = declarations(depth - 1)
        fields = st.dictionaries(
            st.sampled_from(["a", "b", "c d"]), declarations(depth - 1, field=True), max_size=3
        )
        long += [
            st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional=extra),
            st.fixed_dictionaries(
                {"type": st.just("object"), "fields": fields},
                optional={**extra, "additional": flags},
            ),
        ]
    return st.one_of(plain, *long)


LOOSE_VALUES = st.recursive(
    st.sampled_from([None, True, 0, 1, -3, 1.5, "", "a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "c d", "z"]), inner, max_size=3)
    ),
    max_leaves=8,
)

SCHEMA = jsonschema_rs.validator_for(
    {"$ref": "#/$defs/variable", "$defs": {"variable": declaration_schema()}}
)


@given(declarations())
def test_a_declaration_is_read_back_as_the_same_type(declaration: Any) -> None:
    declared = DataType.from_declaration(declaration)
    written = declared.as_json()
    assert DataType.from_declaration(written) == declared
    assert DataType.from_declaration(json.loads(json.dumps(written))) == declared
    assert DataType.from_declaration(written).as_json() == written
    assert checked(written, what="x") == written


@given(declarations())
def test_the_schema_of_declarations_accepts_good_ones(declaration: Any) -> None:
    assert SCHEMA.is_valid(declaration)
    assert SCHEMA.is_valid(DataType.from_declaration(declaration).as_json())


@given(declarations(), LOOSE_VALUES)
def test_a_type_and_its_json_schema_agree(declaration: Any, value: Any) -> None:
    declared = DataType.from_declaration(declaration)
    schema = jsonschema_rs.validator_for(declared.json_schema())
    assert declared.fits(value) == schema.is_valid(value)
    assert declared.fits(value) == (not declared.check(value, "x"))


def test_a_json_schema_in_full() -> None:
    assert ORDER.json_schema() == {
        "type": "object",
        "properties": {
            "sku": {"type": "string"},
            "price": {"type": "number"},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["new", "sale"]}},
        },
        "required": ["sku"],
        "additionalProperties": False,
    }
    assert DataType("integer").json_schema()["maximum"] == MAX_INTEGER
    described = DataType.from_declaration({"description": "Whatever."})
    assert described.json_schema() == {"description": "Whatever."}


@pytest.mark.parametrize("meant", TYPES)
def test_the_short_form_is_the_type_alone(meant: str) -> None:
    assert Variable.from_declaration("v", meant) == Variable("v", DataType(meant))
    assert Variable.from_declaration("v", {"type": meant}).as_json() == meant


def test_a_declaration_without_a_type_is_any() -> None:
    assert Variable.from_declaration("v", {"default": [1]}).type == DataType("any")


NAMES = ", ".join(TYPES)
NO_TYPE = (
    f"expected a type ({NAMES}) or a mapping such as {{type: string, default: a}}, found an integer"
)
ITEM_KEYS = "type, items, fields, additional, enum, nullable, description"

# fmt: off
BAD: list[tuple[Any, list[str]]] = [
    ("strng", ["there is no type 'strng', did you mean 'string'? there are: " + NAMES]),
    ("List", ["there is no type 'List': write array"]),
    ("qqq", ["there is no type 'qqq'; there are: " + NAMES]),
    (5, [NO_TYPE]),
    (None, [NO_TYPE.replace("an integer", "null")]),
    ({"type": 5}, [f"type: expected the name of a type ({NAMES}), found an integer"]),
    ({"typ": "string"}, [f"typ: there is no key 'typ', did you mean 'type'? there are: {ITEM_KEYS}, required, default, merge"]),
    ({"type": "string", "items": "string"}, ["items: 'items' is for the type array, and this is string"]),
    ({"additional": True}, ["additional: 'additional' is for the type object, and this is any"]),
    ({"type": "object", "additional": True},
     ["additional: an object without 'fields' accepts any already"]),
    ({"type": "object", "fields": ["a"]},
     ["fields: expected fields by name, {price: number}, found a list"]),
    ({"type": "object", "fields": {"a": "x", "b": {"type": "array", "items": 1}}},
     [f"fields.a: there is no type 'x'; there are: {NAMES}", f"fields.b.items: {NO_TYPE}"]),
    ({"type": "object", "fields": {"a": {"default": 1}}},
     [f"fields.a.default: there is no key 'default'; there are: {ITEM_KEYS}, required"]),
    ({"type": "array", "items": {"required": True}},
     [f"items.required: there is no key 'required'; there are: {ITEM_KEYS}"]),
    ({"type": "string", "nullable": "yes"}, ["nullable: expected true or false, found a text ('yes')"]),
    ({"required": 1}, ["required: expected true or false, found an integer (1)"]),
    ({"description": 1}, ["description: expected a text, found an integer (1)"]),
    ({"type": "boolean", "enum": [True]},
     ["enum: 'enum' is for the types string, integer and number, not for boolean"]),
    ({"type": "string", "enum": []}, ["enum: expected a list of 1 to 1,000 values, such as [a, b]"]),
    ({"type": "string", "enum": "ab"}, ["enum: expected a list of 1 to 1,000 values, such as [a, b]"]),
    ({"type": "string", "enum": ["a", 1, None, "a"]},
     ["enum.1: expected a text, found an integer (1)", "enum.2: for null, say nullable: true",
      "enum.3: 'a' stands twice in the list"]),
    ({"type": "integer", "default": "1"},
     ["default: expected an integer, found a text ('1')"]),
    ({"type": "integer", "default": None},
     ["default: expected an integer, found null; leave it out, or say nullable: true"]),
    ({"default": math.inf},
     ["default: the number is inf, which JSON does not have; use null or a text"]),
    ({"fields": {1: "string"}, "type": "object"},
     ["fields: the key 1 is an integer; the keys of an object are texts"]),
    ({"type": "string", "required": True, "default": "a"},
     [("default: a variable that is required is always given, so that its default is never used: "
       "leave one of the two out")]),
    ({"merge": "lst"}, [("merge: there is no merge 'lst', did you mean 'last'? there are: last, append, "
                         "extend, add, update")]),
    ({"merge": None}, ["merge: expected a text, found null"]),
    ({"merge": ""}, ["merge: there is no merge ''; there are: last, append, extend, add, update"]),
    ({"type": "string", "merge": "add"},
     [("merge: merge: add is for variables of the type integer or number, and this one is of "
       "the type string")]),
    (
        {"type": "array", "default": [1, []], "items": "integer"},
        ["default.1: expected an integer, found a list"],
    ),
]
# fmt: on


@pytest.mark.parametrize(("declaration", "expected"), BAD)
def test_bad_declarations(declaration: Any, expected: list[str]) -> None:
    assert faults(declaration) == expected


def test_all_faults_of_a_declaration_are_found_at_once() -> None:
    found = faults({"type": "object", "fields": {"a": "x", "b": "y"}, "nullable": 1, "what": 2})
    assert [fault.partition(":")[0] for fault in found] == [
        "what",
        "fields.a",
        "fields.b",
        "nullable",
    ]


def test_a_declaration_that_is_no_type_does_not_judge_the_default() -> None:
    assert faults({"type": "strng", "default": 5})[0].startswith("type: there is no type")
    assert len(faults({"type": "strng", "default": 5})) == 1


def test_a_fault_is_told_with_its_path() -> None:
    assert str(DeclarationFault(("a", 1), "wrong")) == "a.1: wrong"
    assert str(DeclarationFault((), "wrong")) == "wrong"


@pytest.mark.parametrize("deep", ["items", "fields"])
def test_declarations_are_bounded(deep: str) -> None:
    declaration: Any = "any"
    for _ in range(49):
        declaration = (
            {"type": "array", "items": declaration}
            if deep == "items"
            else {"type": "array", "items": {"type": "object", "fields": {"f": declaration}}}
        )
    if deep == "items":
        assert DataType.from_declaration(declaration).as_json() == declaration
    else:
        with pytest.raises(InvalidDeclaration, match="nested"):
            DataType.from_declaration(declaration)
    for _ in range(60):
        declaration = {"type": "array", "items": declaration}
    with pytest.raises(InvalidDeclaration, match="nested"):
        DataType.from_declaration(declaration)


def test_a_type_has_a_known_name() -> None:
    with pytest.raises(ValueError, match="'type' must be in"):
        DataType("text")


# ── variables ────────────────────────────────────────────────────────────────────────────────


def test_a_variable_in_full() -> None:
    declaration = {
        "type": "array",
        "items": "string",
        "description": "What was found.",
        "default": [],
        "merge": "append",
    }
    variable = Variable.from_declaration("findings", declaration)
    assert variable == Variable(
        "findings",
        DataType("array", items=DataType("string")),
        default=[],
        description="What was found.",
        merge="append",
    )
    assert variable.has_default
    assert variable.as_json() == declaration
    assert SCHEMA.is_valid(declaration)


def test_no_default_is_not_a_default_of_null() -> None:
    without = Variable.from_declaration("v", {"type": "string", "required": True})
    assert not without.has_default
    assert without.default is ABSENT
    assert repr(ABSENT) == "ABSENT"
    assert without.as_json() == {"type": "string", "required": True}
    null = Variable.from_declaration("v", {"type": "string", "nullable": True, "default": None})
    assert null.has_default
    assert null.default is None
    assert null.as_json() == {"type": "string", "nullable": True, "default": None}


def test_a_default_is_a_copy() -> None:
    default: list[Any] = []
    variable = Variable.from_declaration("v", {"default": default})
    default.append(1)
    assert variable.default == []


@pytest.mark.parametrize("name", ["exit-code", "a b", "1st", "", "é", "a\n", "in", "true"])
def test_names_are_those_of_expressions(name: str) -> None:
    with pytest.raises(InvalidDeclaration, match=r"cannot name a variable|reserved word"):
        Variable(name)
    with pytest.raises(InvalidDeclaration, match=r"cannot name a variable|reserved word") as caught:
        Variable.from_declaration(name, {"type": "x"})
    assert len(caught.value.faults) == 2


# ── merges ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("merge", "old", "new", "expected"),
    [
        ("last", 1, 2, 2),
        ("last", [1], None, None),
        ("append", None, 1, [1]),
        ("append", [1], [2], [1, [2]]),
        ("extend", None, [1], [1]),
        ("extend", [1], [2, 3], [1, 2, 3]),
        ("extend", [1], "ab", "ab"),
        ("add", None, 2, 2),
        ("add", 1, 2, 3),
        ("add", 1, 0.5, 1.5),
        ("add", 1, "2", "2"),
        ("add", 1, True, True),
        ("update", None, {"a": 1}, {"a": 1}),
        ("update", {"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ("update", {"a": 1}, ["a"], ["a"]),
    ],
)
def test_merges(merge: str, old: Any, new: Any, expected: Any) -> None:
    result = merged(merge, old, new)
    assert result == expected
    assert type(result) is type(expected)


@given(
    st.sampled_from(["append", "extend", "update"]),
    st.lists(st.dictionaries(st.sampled_from("abc"), st.integers()), max_size=5),
)
def test_merging_changes_no_value(merge: str, writes: list[dict[str, int]]) -> None:
    values: list[Any] = [[w] if merge == "extend" else w for w in writes]
    before = json.dumps(values)
    result: Any = None
    for value in values:
        kept = json.dumps(result)
        old, result = result, merged(merge, result, value)
        assert json.dumps(old) == kept
    assert json.dumps(values) == before
    if merge == "update":
        assert (result or {}) == {k: v for w in writes for k, v in w.items()}
    else:
        assert (result or []) == writes


def test_a_sum_past_the_bounds_is_refused_by_the_type() -> None:
    assert DataType("integer").check(merged("add", MAX_INTEGER, 1), "total")
    assert DataType("number").check(merged("add", 1e308, 1e308), "total")


def test_an_unknown_merge_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no merge 'first'; there are: last"):
        merged("first", 1, 2)


@pytest.mark.parametrize("merge", MERGES)
def test_every_merge_can_be_declared(merge: str) -> None:
    accepted = []
    for type_ in TYPES:
        try:
            Variable("v", DataType(type_), merge=merge)
        except InvalidDeclaration:
            continue
        accepted.append(type_)
    assert (
        accepted
        == {
            "last": list(TYPES),
            "append": ["array"],
            "extend": ["array"],
            "add": ["integer", "number"],
            "update": ["object"],
        }[merge]
    )
