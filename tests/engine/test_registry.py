"""Patterns are registered under official numbers; their parameters are read and checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from weft.engine.fragment import Branch, Fragment, Place, Places, PositiveInt
from weft.engine.net import immediate
from weft.engine.registry import Attachment, Family, Registry, pattern
from weft.patterns import builtin
from weft.schema.errors import DefinitionError

MINE = {"family": Family.BASIC, "attaches": Attachment.THEN}


def pass_on(input: Place) -> Fragment:
    """Pass on."""
    return Fragment([immediate("on", take=[input])])


def marked(
    function: Callable[..., Fragment], id: int | None = None, name: str = "Mine", **more: Any
) -> Callable[..., Fragment]:
    """The function, marked; a copy, since a mark stays."""
    import types

    copied = types.FunctionType(function.__code__, function.__globals__, function.__name__)
    copied.__annotations__ = dict(function.__annotations__)
    copied.__doc__ = function.__doc__
    copied.__defaults__ = function.__defaults__
    return pattern(id, name, **{**MINE, **more})(copied)


def test_the_builtin_patterns_have_their_official_numbers() -> None:
    registry = builtin()
    found = {p.id: p.key for p in registry if p.id is not None}
    assert {1: "sequence", 6: "multi-choice", 20: "cancel-case"}.items() <= found.items()
    assert len(registry) == len(list(registry)) == len(registry.by_key)
    assert [p.id or 99 for p in registry] == sorted(p.id or 99 for p in registry)
    for p in registry:
        assert p.description
        assert p.source.startswith("weft.patterns.")
        if p.id is not None:
            assert f"WCP-{p.id} in Russell" in (p.executor.__doc__ or "")


def test_patterns_are_found_by_name_number_and_alias() -> None:
    registry = builtin()
    for key in (4, "4", "exclusive-choice", "Exclusive Choice", "XOR-split", "switch"):
        found = registry.find(key)
        assert found is not None
        assert found.key == "exclusive-choice"
    for key in (99, "99", "nope", "²", "9" * 5000, ""):
        assert registry.find(key) is None
    assert "sequence" in registry
    with pytest.raises(ValueError, match="did you mean exclusive-choice"):
        registry.get("exclusive-chioce", Attachment.THEN)
    with pytest.raises(ValueError, match="synchronization stands at 'join', not here"):
        registry.get("synchronization", Attachment.THEN)


def test_both_claimants_of_a_number_or_name_are_named() -> None:
    registry = Registry([marked(pass_on, 1, "One")])
    for again in (marked(pass_on, 1, "Other"), marked(pass_on, None, "One")):
        with pytest.raises(DefinitionError) as caught:
            registry.register(again)
        assert caught.value.code == "pattern-duplicate"
        assert caught.value.message.count("test_registry.pass_on") == 2


def undocumented(input: Place) -> Fragment:
    return Fragment()


def untyped(input: Place, n: int) -> Fragment:
    """A parameter without a kind."""
    return Fragment()


def misplaced(input: Places) -> Fragment:
    """Given places where there is one."""
    return Fragment()


def without_input(n: PositiveInt) -> Fragment:
    """No place to begin at."""
    return Fragment()


def half_around(input: Place, output: Place) -> Fragment:
    """Around a task, but not quite."""
    return Fragment()


def optional(input: Place, n: PositiveInt = 3, m: PositiveInt | None = None) -> Fragment:
    """Parameters that may be left out."""
    return Fragment()


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        (pass_on, "is not marked as a pattern: put @pattern"),
        (marked(pass_on, 44), "claims pattern number 44; the catalogue has 1 to 43"),
        (marked(pass_on, 0), "claims pattern number 0"),
        (marked(undocumented), "has no docstring"),
        (marked(untyped), "parameter 'n' needs one of the annotations"),
        (marked(misplaced), "parameter 'input' is given by the surroundings"),
        (marked(without_input), "takes input; missing: input"),
        (marked(half_around, attaches=Attachment.TASK), "missing: body_input, body_output"),
    ],
)
def test_what_is_no_pattern(executor: Callable[..., Fragment], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Registry([executor])
    assert message in caught.value.message


def test_parameters_that_may_be_left_out() -> None:
    found = Registry([marked(optional)]).get("mine", Attachment.THEN)
    assert [(p.name, p.required, p.default) for p in found.parameters] == [
        ("n", False, 3),
        ("m", False, None),
    ]
    assert found.read(None) == {}
    assert found.read({"m": 2}) == {"m": 2}
    assert found.read({"n": 1, "m": 2}) == {"n": 1, "m": 2}
    with pytest.raises(ValueError, match=r"o: mine takes \{n, m\}"):
        found.read({"o": 1})
    with pytest.raises(ValueError, match="n: expected a whole number from 1, found 0"):
        found.read({"n": 0})


READS: list[tuple[str, Any, Any]] = [
    ("sequence", "b", {"to": "b"}),
    ("sequence", {"to": "b"}, {"to": "b"}),
    ("parallel-split", ["a", "b"], {"branches": ("a", "b")}),
    (
        "exclusive-choice",
        [{"when": "x", "to": "a"}, {"to": "b"}],
        {"branches": (Branch("a", "x"), Branch("b"))},
    ),
    ("structured-loop", {"while": "x > 1"}, {"while_": "x > 1"}),
    ("synchronization", None, {}),
    ("structured-partial-join", 2, {"n": 2}),
    ("critical-section", [["a"], ["b", "c"]], {"regions": (("a",), ("b", "c"))}),
    ("interleaved-routing", ["a", "b"], {"tasks": ("a", "b")}),
    ("cancel-region", "a", {"region": ("a",)}),
    ("thread-merge", "x + 1", {"n": "x + 1"}),
    ("thread-merge", 2, {"n": "2"}),
]


@pytest.mark.parametrize(("key", "argument", "values"), READS, ids=lambda x: str(x)[:30])
def test_arguments_as_they_are_written(key: str, argument: Any, values: Any) -> None:
    assert builtin().by_key[key].read(argument) == values


REFUSED: list[tuple[str, Any, str]] = [
    ("sequence", None, "sequence needs 'to': a task or place"),
    ("sequence", 5, "expected the name of a task or place, found 5"),
    ("sequence", "", "expected the name"),
    ("synchronization", 1, "synchronization takes no parameters"),
    ("parallel-split", "a", "expected a list of two or more"),
    ("parallel-split", ["a", 1], "expected the name of a task or place, found 1"),
    ("exclusive-choice", [], "expected a list of branches"),
    ("exclusive-choice", [{"when": "", "to": "a"}], "expected a condition"),
    ("exclusive-choice", [{"when": "x"}], "branch 1: expected"),
    ("structured-partial-join", True, "expected a whole number from 1, found True"),
    ("structured-partial-join", "x" * 100, "..."),
    ("critical-section", [["a"]], "expected a list of two or more lists of tasks"),
    ("critical-section", [["a"], ["a"]], "a stands in two of the lists"),
    ("interleaved-routing", ["a"], "expected a list of two or more tasks"),
    ("cancel-region", [], "expected a list of names"),
    ("cancel-region", ["a", "a"], "a stands twice in the list"),
    ("thread-merge", 0, "expected a whole number from 1 or an expression, found 0"),
    ("thread-merge", " ", "expected a whole number from 1 or an expression"),
]


@pytest.mark.parametrize(("key", "argument", "message"), REFUSED, ids=lambda x: str(x)[:30])
def test_arguments_that_are_refused(key: str, argument: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # its words are compared below
        builtin().by_key[key].read(argument)
    assert message in str(caught.value)
