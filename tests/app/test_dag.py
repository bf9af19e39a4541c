"""A process from tasks and what they need."""

from __future__ import annotations

import pytest

import weft
from weft.flow import Variable, dag, shell


@weft.task
def double(n: int) -> int:
    return 2 * n


@weft.task
def add(a: int, b: int) -> int:
    return a + b


N = Variable("n", int)


def test_results_go_along():
    from weft.flow import together

    first, second = double.given(N).named("first"), double.given(N).named("second")
    total = add.given(together(first.result, second.result))
    made = dag("sum", {total: [first, second], first: (), second: ()}, takes=[N])
    with weft.open() as engine:
        case = engine.run(made, {"n": 4})
        assert case.data["add"] == 16
    assert weft.loads(made.source.text.decode()).nets == made.nets


def test_what_is_no_graph_is_told_with_its_line():
    a, b, c = (shell(name, "true") for name in "abc")
    with pytest.raises(weft.DefinitionErrors, match="circle: a -> b -> a") as caught:
        dag("x", {a: [b], b: [a]})
    assert caught.value.file == __file__
    assert caught.value.faults[0].line
    with pytest.raises(weft.DefinitionErrors, match="'a' needs 'c', which is no task"):
        dag("x", {a: [c]})
    with pytest.raises(weft.DefinitionErrors, match="two tasks are called 'a'"):
        dag("x", {a: (), shell("a", "false"): ()})
    with pytest.raises(weft.DefinitionErrors, match="there are no tasks"):
        dag("x", {})
