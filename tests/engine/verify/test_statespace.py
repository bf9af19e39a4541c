"""The plain exploration, held against the answers of the Model Checking Contest."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.engine.net import Arc, Ends, Net, Outcome, Place, external, immediate
from weft.engine.verify.plain import plain_net
from weft.engine.verify.statespace import explore
from weft.schema.errors import UsageError
from weft.schema.pnml import read_pnml_file

MOST_STATES = 45_000
"""Larger nets of the contest are left to a bench; these take a few seconds together."""


def net(places: dict[str, int], *transitions) -> Net:
    return Net("n", tuple(Place(name, n) for name, n in places.items()), transitions)


def test_the_contest_nets_give_the_contest_answers(corpus: Path) -> None:
    with (corpus / "pnml" / "expected.csv").open() as expected:
        rows = list(csv.DictReader(expected))
    tried = 0
    for row in rows:
        if int(row["states"]) > MOST_STATES:
            continue
        tried += 1
        found = explore(plain_net(read_pnml_file(corpus / "pnml" / f"{row['model']}.pnml")))
        assert {
            "places": found.places,
            "transitions": found.transitions,
            "states": found.states,
            "firings": found.firings,
            "max_tokens_in_place": found.max_tokens_in_place,
            "max_tokens_in_marking": found.max_tokens_in_marking,
            "dead_states": found.deadlocks,
            "one_safe": found.safe,
            "quasi_live": found.dead_transitions == 0,
        } == {
            **{
                key: int(row[key])
                for key in (
                    *("places", "transitions", "states", "firings"),
                    *("max_tokens_in_place", "max_tokens_in_marking", "dead_states"),
                )
            },
            "one_safe": row["one_safe"] == "true",
            "quasi_live": row["quasi_live"] == "true",
        }, row["model"]
        assert (found.bounded, found.complete) == (True, True)
    assert tried == 27


def test_unbounded_contest_nets_are_found_unbounded_quickly(corpus: Path) -> None:
    files = sorted((corpus / "pnml").glob("UNBOUNDED-*.pnml"))
    assert len(files) == 5
    for file in files:
        found = explore(plain_net(read_pnml_file(file)))
        assert (found.bounded, found.safe, found.complete) == (False, False, False), file.name
        assert found.states < 1000


def test_a_net_that_only_grows_is_unbounded() -> None:
    found = explore(net({"p": 1, "q": 0}, external("t", take=["p"], put=["p", "q"])))
    assert (found.bounded, found.safe) == (False, False)


def test_a_place_that_overflows_is_unbounded_even_with_inhibitors() -> None:
    big = 2**31 - 2
    grown = net({"p": big, "x": 0}, external("t", lacks=["x"], take=["p"], put=["p"] * 3))
    assert explore(grown).bounded is False


def test_the_bound_on_states_is_kept_and_said() -> None:
    ring = net(
        {f"p{i}": int(i == 0) for i in range(50)},
        *(external(f"t{i}", take=[f"p{i}"], put=[f"p{(i + 1) % 50}"]) for i in range(50)),
    )
    found = explore(ring, max_states=10)
    assert (found.states, found.complete, found.bounded, found.safe) == (10, False, None, None)
    assert explore(ring).states == 50
    with pytest.raises(UsageError, match="at least 1"):
        explore(ring, max_states=0)


def test_immediates_go_before_external_transitions_and_vanishing_markings_count() -> None:
    found = explore(
        net(
            {"p": 1, "q": 0, "r": 0, "s": 0},
            external("go", take=["p"], put=["q", "r"]),
            immediate("move", take=["q"], put=["s"]),
            external("late", take=["r"]),
        )
    )
    # p | q r (vanishing: only `move` fires) | s r | s
    assert (found.states, found.firings, found.deadlocks) == (4, 3, 1)
    assert found.dead_markings == ({"s": 1},)


def test_guarded_immediates_may_fire_or_not() -> None:
    found = explore(
        net(
            {"p": 1, "q": 0},
            immediate("when", take=["p"], put=["q"], when="x"),
            external("other", take=["p"]),
        )
    )
    assert (found.states, found.firings) == (3, 2)


def test_counts_from_data_have_no_state_space_of_their_own() -> None:
    counted = net({"p": 1, "q": 0}, immediate("t", take=["p"], counted={"q": "n"}))
    with pytest.raises(UsageError, match="depends on data"):
        explore(counted)


def test_dead_transitions_and_deadlocks_are_counted() -> None:
    found = explore(
        net(
            {"p": 1, "q": 0},
            external("never", take=["q"], put=["p"]),
            immediate("end", take=["p"], ends=Ends(Outcome.COMPLETED)),
        )
    )
    assert (found.dead_transitions, found.deadlocks, found.safe) == (1, 1, True)


@given(st.data())
def test_the_exploration_agrees_with_the_plainest_one(data: st.DataObject) -> None:
    """Against sets of tuples and dict arcs, on small random nets of all kinds of arc."""
    n = data.draw(st.integers(1, 4))
    names = [f"p{i}" for i in range(n)]
    some = st.lists(st.sampled_from(names), max_size=2)
    arcs = []
    for i in range(data.draw(st.integers(1, 4))):
        take = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2))
        needs = [p for p in data.draw(some) if p not in take]
        # No more put than taken: the state space is finite.
        put = data.draw(st.lists(st.sampled_from(names), max_size=len(take)))
        lacks, clear = data.draw(some), data.draw(some)
        arcs.append((f"t{i}", take, put, needs, lacks, clear))
    start = {p: data.draw(st.integers(0, 2)) for p in names}
    made = net(
        start,
        *(
            external(name, take=take, put=put, needs=needs, lacks=lacks, clear=clear)
            for name, take, put, needs, lacks, clear in arcs
        ),
    )

    seen = {tuple(start.values())}
    queue, firings, dead = [start], 0, 0
    while queue:
        marking = queue.pop()
        fired = 0
        for _, take, put, needs, lacks, clear in arcs:
            if any(marking[p] < take.count(p) for p in take):
                continue
            if any(marking[p] < needs.count(p) for p in needs):
                continue
            if any(marking[p] >= lacks.count(p) for p in lacks):
                continue
            after = dict(marking)
            for p in take:
                after[p] -= 1
            for p in clear:
                after[p] = 0
            for p in put:
                after[p] += 1
            fired += 1
            if tuple(after.values()) not in seen:
                seen.add(tuple(after.values()))
                queue.append(after)
        firings += fired
        dead += fired == 0
    found = explore(made)
    assert (found.states, found.firings, found.deadlocks) == (len(seen), firings, dead)
    assert found.max_tokens_in_place == max(max(m) for m in seen)
    assert found.max_tokens_in_marking == max(sum(m) for m in seen)


def test_case_wide_arcs_count_the_places_of_the_net_itself() -> None:
    found = explore(
        net(
            {"a": 1, "b": 1, "a run": 0, "b run": 0},
            external("a", take=["a"], put=["a run"], lacks=[Arc("b run", case_wide=True)]),
            external("b", take=["b"], put=["b run"], lacks=[Arc("a run", case_wide=True)]),
        )
    )
    assert (found.states, found.firings, found.deadlocks) == (3, 2, 2)
