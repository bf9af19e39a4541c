"""What a specification may say of triggers, times and late work, fault by fault."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine import generated as g
from weft.engine.net import Mapped, Timing
from weft.engine.ports import Microseconds
from weft.engine.timing import due
from weft.schema.errors import DefinitionErrors
from weft.schema.specification import Use
from weft.schema.timing import TimingError

BAD: dict[str, tuple[list[Use], str]] = {
    "no trigger": ([Use("persistent-trigger")], "needs 'trigger'"),
    "a trigger's name": ([Use("persistent-trigger", "a b")], "expected a name"),
    "a variable": ([Use("persistent-trigger", {"trigger": "a", "into": "x-y"})], "name of a vari"),
    "a key": ([Use("persistent-trigger", {"trigger": "a", "key": "nowhere"})], "nowhere"),
    "a flag": ([Use("transient-trigger", {"trigger": "a", "always": 1})], "true or false"),
    "both": (
        [Use("transient-trigger", {"trigger": "a", "always": True, "key": "x"})],
        "no moment at which a key",
    ),
    "another key": ([Use("persistent-trigger", {"trigger": "a", "keep": True})], "takes {trigger"),
    "no time": ([Use("wait")], "needs 'time'"),
    "two times": ([Use("wait", {"for": "1h", "until": "18:00"})], "one of {for"),
    "a number": ([Use("wait", 5)], "for seconds write 5s"),
    "a duration": ([Use("wait", "5 h")], "without spaces"),
    "a zone": ([Use("wait", {"for": "1h", "zone": "Mars"})], "no time zone"),
    "a zone that is none": ([Use("wait", {"for": "1h", "zone": 1})], "name of a time zone"),
    "a date": ([Use("wait", {"until": "2026-02-30"})], "expected a time such as"),
    "cron": ([Use("wait", {"next": "1 2 3"})], "five fields"),
    "an expression": ([Use("wait", {"for": "x +"})], "x +|expression"),
    "a variable that is not there": ([Use("wait", {"until": "when"})], "when"),
    "depth": ([Use("recursion", 0)], "number from 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_waits_wrongly_is_refused(name: str) -> None:
    around, message = BAD[name]
    with pytest.raises(DefinitionErrors) as caught:
        g.compiled(g.net("a", g.task("a", None, around=around)))
    assert any(part in str(caught.value) for part in message.split("|"))


LATE: dict[str, tuple[dict[str, Any], str]] = {
    "no timeout": ({"on_timeout": g.use("b")}, "no `timeout` after which"),
    "no due": ({"on_due": g.use("b")}, "no `due` at which"),
    "due": ({"due": {"for": 1}}, "expected a text"),
    "instances": (
        {"timeout_seconds": 1.0, "on_timeout": g.use("b"), "around": [Use("for-each", {"in": "[1]"})]},
        "has to be counted",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LATE)
def test_late_work_that_is_told_wrongly_is_refused(name: str) -> None:
    more, message = LATE[name]
    with pytest.raises(DefinitionErrors) as caught:
        g.compiled(
            g.net(["a", "b"], g.task("a", "person", **more), g.task("b", join="multi-merge"))
        )
    assert message in str(caught.value)


def test_an_empty_task_is_not_late() -> None:
    with pytest.raises(DefinitionErrors, match="'due' means nothing here"):
        g.compiled(g.net("a", g.task("a", None, due="1h")))


def test_a_variable_belongs_to_a_trigger_and_is_declared_by_it() -> None:
    nets = g.compiled(g.net("a", g.task("a", None, around=[Use("persistent-trigger", "9:x/y-z")])))
    (wait,) = nets.net.waits.values()
    assert wait.into == "_9_x_y_z"
    assert nets.net.variables["_9_x_y_z"].type == "any"


def test_a_region_of_a_task_that_does_no_work_is_cleared() -> None:
    kinds = [Use("persistent-trigger", "stop"), Use("cancel-region", ["b"])]
    nets = g.compiled(g.net(["a", "b"], g.task("a", None, around=kinds), g.task("b", "person")))
    clearing = [t for t in nets.net.transitions if "b.run" in t.clear]
    assert clearing


@pytest.mark.parametrize(
    ("timing", "message"),
    [
        (Timing(), "after, until or next"),
        (Timing(after=Mapped(expression="x")), "expected a duration"),
        (Timing(until=Mapped(expression="1 / 0")), "zero"),
    ],
)
def test_a_timing_that_cannot_be_told(timing: Timing, message: str) -> None:
    with pytest.raises(TimingError, match=message):
        due(timing, Microseconds(0), {"x": None})
