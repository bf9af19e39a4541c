"""What every net has to satisfy, whoever made it."""

from __future__ import annotations

from typing import Any

import pytest

from weft.engine.net import (
    MAX_TOKENS,
    Arc,
    Ends,
    Invariant,
    Net,
    Outcome,
    Place,
    Role,
    Task,
    Transition,
    external,
    immediate,
)
from weft.engine.wellformed import net_faults

PLACES = (Place("p", 1), Place("q"), Place("r"))


def net(*transitions: Transition, places: tuple[Place, ...] = PLACES, **more: Any) -> Net:
    return Net("net", places, transitions, **more)


def test_a_good_net_has_no_faults() -> None:
    good = net(
        external("start", role=Role.FIRE, take=["p"], put=["q"]),
        immediate("on", take=["q", "q"], put=["r"], lacks=["p"]),
        immediate("end", take=["r"], ends=Ends(Outcome.COMPLETED)),
        invariants=(Invariant({"p": 1, "q": 1, "r": 2}, 1),),
    )
    assert net_faults(good) == []


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (net(places=(Place("p"), Place("p"))), "two places are called 'p'"),
        (net(*[immediate("t", take=["p"])] * 2), "two transitions are called 't'"),
        (net(places=(Place("p", -1),)), "place 'p' starts with -1 tokens"),
        (net(places=(Place("p", MAX_TOKENS + 1),)), "0 to 2147483647 fit"),
        (net(immediate("t", take=["x"])), "takes 'x', which is no place"),
        (net(immediate("t", take=["p"], put=["x"])), "puts 'x', which is no place"),
        (net(immediate("t", take=["p"], needs=["x"])), "needs 'x', which is no place"),
        (net(immediate("t", take=["p"], lacks=["x"])), "lacks 'x', which is no place"),
        (net(immediate("t", take=["p"], clear=["x"])), "names 'x', which is no place"),
        (net(immediate("t", take=["p"], counted={"x": "1"})), "names 'x', which is no place"),
        (net(immediate("t", take=[Arc("p", 0)])), "takes 0 of 'p'; a weight is 1 to"),
        (net(immediate("t", take=["p"], put=[Arc("q", 1, True)])), "only needs and lacks may be"),
        (net(immediate("t", take=["p"], needs=["p"])), "both takes and needs 'p'"),
        (net(external("t", role=Role.START, put=["q"])), "takes nothing: there would be no end"),
        (
            net(Transition("t", external=True, role=Role.FIRE, take=(Arc("p"),), when="true")),
            "is external: it has neither guard nor end",
        ),
        (net(Transition("t", role=Role.START, take=(Arc("p"),))), "so it has no role 'start'"),
        (net(immediate("t", needs=["p"], put=["q"])), "takes nothing, so it would fire for ever"),
        (
            net(external("t", take=["p"]), immediate("u", take=["p"])),
            "the waiting one could never be chosen",
        ),
        (
            net(immediate("t", take=["p"]), immediate("u", take=["q", "p"])),
            "'u' can never fire: 't' fires by itself before it",
        ),
        (
            net(tasks={"a": Task("a", "a.run", "q", ("s",), "c", fail="f", retry_by="r")}),
            "task 'a' refers to 'a.run', which is not there",
        ),
        (net(invariants=(Invariant({"x": 1}, 0),)), "an invariant counts 'x', which is no place"),
        (
            net(invariants=(Invariant({"p": 1}, 5),)),
            "the invariant over p should be 5; in the initial marking it is 1",
        ),
    ],
)
def test_faults(faulty: Net, message: str) -> None:
    assert any(message in fault for fault in net_faults(faulty)), net_faults(faulty)


@pytest.mark.parametrize(
    "fine",
    [
        net(immediate("t", take=["p"], when="true"), immediate("u", take=["p"])),
        net(immediate("t", take=["p"], lacks=["q"]), immediate("u", take=["p"])),
        net(immediate("t", take=["p", "p"]), immediate("u", take=["p"])),
        net(immediate("t", take=["p", "q"]), immediate("u", take=["p"])),
        net(immediate("t", take=["p"], priority=2), immediate("u", take=["p", "q"], priority=1)),
    ],
)
def test_a_choice_between_immediates_that_leaves_something_to_both(fine: Net) -> None:
    assert net_faults(fine) == []
