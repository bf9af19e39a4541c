"""Which event starts a case, and with which data."""

from __future__ import annotations

import pytest

from tests.engine import generated as g
from weft.engine.starting import BusEvent, start_data
from weft.schema.datatypes import DataType, Variable
from weft.schema.errors import DefinitionErrors, UsageError
from weft.schema.specification import EventTrigger, Specification

PLACED = BusEvent("order-placed", {"amount": 12}, key="o-1", id="m-1")


@pytest.mark.parametrize(
    ("trigger", "data"),
    [
        (EventTrigger("order-placed"), {"amount": 12}),
        (EventTrigger("order-gone"), None),
        (EventTrigger("order-placed", when="event.data.amount > 12"), None),
        (EventTrigger("order-placed", when="event.data.amount > 11"), {"amount": 12}),
        (
            EventTrigger("order-placed", {"a": "event.data", "k": "event.key", "n": 1}),
            {"a": {"amount": 12}, "k": "o-1", "n": 1},
        ),
        (EventTrigger("order-placed", {}), {}),
    ],
)
def test_what_a_trigger_makes_of_an_event(trigger, data):
    assert start_data(trigger, PLACED) == data


def test_an_event_without_data_starts_with_none():
    assert start_data(EventTrigger("x"), BusEvent("x")) == {}


@pytest.mark.parametrize(
    ("trigger", "event", "part"),
    [
        (EventTrigger("x"), BusEvent("x", [1]), "an object of variables"),
        (EventTrigger("x", {"a": "event.data.b.c"}), BusEvent("x", {}), "does not fit this event"),
        (EventTrigger("x", when="event.data > 1"), BusEvent("x", "text"), "does not fit"),
    ],
)
def test_an_event_that_a_trigger_cannot_take(trigger, event, part):
    with pytest.raises(UsageError, match=part):
        start_data(trigger, event)


@pytest.mark.parametrize(
    "given",
    [
        {"name": ""},
        {"name": "two words"},
        {"name": "x" * 201},
        {"name": "x", "data": float("nan")},
        {"name": "x", "data": object()},
        {"name": "x", "key": ""},
        {"name": "x", "id": "\ud800"},
        {"name": "x", "key": 5},
    ],
    ids=["empty", "words", "long", "nan", "object", "key", "surrogate", "number"],
)
def test_what_is_no_event(given):
    with pytest.raises(UsageError):
        BusEvent(**given)


def test_triggers_are_judged_with_their_specification():
    net = g.net("a", g.task("a"), variables={"n": Variable("n", DataType("integer"))})
    triggers = (
        EventTrigger("fine", {"n": "event.data"}),
        EventTrigger("no name"),
        EventTrigger("x", {"m": 1}, when="events.data"),
        EventTrigger("x", {"n": "event.data +"}),
    )
    with pytest.raises(DefinitionErrors) as caught:
        g.compiled(Specification("s", "1", {"net": net}, triggers=triggers))
    told = str(caught.value)
    assert len(caught.value.faults) == 4
    for part in ("'no name'", "'m' is not a variable", "events", "triggers.3.data.n"):
        assert part in told
