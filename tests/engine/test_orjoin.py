"""The rule of the OR-join, held against a slow one that looks at everything that can happen."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from weft.engine import orjoin
from weft.engine.net import (
    Arc,
    Ends,
    Invariant,
    MergeRule,
    Net,
    OrJoin,
    Outcome,
    Place,
    Transition,
    arcs_of,
)

Tokens = dict[str, int]


def net(*transitions: Transition, **marked: int) -> Net:
    """A net of transitions, with the tokens that some places hold."""
    names = dict.fromkeys(marked)
    for t in transitions:
        for arc in (*t.take, *t.put, *t.needs, *t.lacks):
            names[arc.place] = None
        names |= dict.fromkeys((*t.clear, *t.sources, *(p for p, _ in t.counted)))
    return Net(
        name="net",
        places=tuple(Place(p, marked.get(p, 0)) for p in names),
        transitions=transitions,
    )


def move(name: str, take: Sequence[str] = (), put: Sequence[str] = (), **more: Any) -> Transition:
    for kind in ("needs", "lacks"):
        more[kind] = arcs_of(more.get(kind, ()))
    more["clear"] = tuple(more.get("clear", ()))
    return Transition(name=name, external=True, take=arcs_of(take), put=arcs_of(put), **more)


def join(name: str, inputs: Sequence[str], put: Sequence[str] = (), **more: Any) -> Transition:
    rule = more.pop("rule", MergeRule.GENERAL)
    for kind in ("take", "needs", "lacks"):
        more[kind] = arcs_of(more.get(kind, ()))
    return Transition(name=name, or_join=OrJoin(tuple(inputs), rule), put=arcs_of(put), **more)


def enabled(of: Net, name: str, /, work: int = 10**7, **marked: int) -> bool:
    cells = [marked.get(p.name, 0) for p in of.places]
    return orjoin.enabled(of, cells, of.transition_index[name], alone=True, work=work)


# ── the slow rule ────────────────────────────────────────────────────────────────────────────


def slow_waits(of: Net, tokens: Tokens, name: str, most: int = 600) -> bool | None:
    """Whether an empty input can be marked, by firing whatever can fire in every order.

    Tokens that are set aside are kept apart: they are seen and cleared, and nobody takes them.
    None: there is more than was looked at.
    """
    (asked,) = (t for t in of.transitions if t.name == name)
    assert asked.or_join is not None
    inputs = asked.or_join.inputs
    empty = [p for p in inputs if not tokens.get(p)]
    free = {p: n - (p in inputs) for p, n in tokens.items() if n}
    aside = frozenset(p for p in inputs if tokens.get(p))
    first = (frozenset((p, n) for p, n in free.items() if n), aside)
    seen, queue = {first}, [first]
    for held, kept in queue:
        if any(p in empty for p, _ in held):
            return True
        for t in of.transitions:
            if t.name == name:
                continue
            ways = [[]] if t.or_join is None else [[p] for p in t.or_join.inputs]
            for way in ways:
                after = slow_fire(t, way, dict(held), set(kept))
                if after is not None and after not in seen:
                    seen.add(after)
                    queue.append(after)
                    if len(seen) > most:
                        return None
    return False


def slow_fire(t: Transition, way: list[str], free: Tokens, aside: set[str]) -> Any:
    def there(p: str) -> int:
        return free.get(p, 0) + (p in aside)

    if not all(there(a.place) >= a.weight for a in t.needs):
        return None
    if not all(there(a.place) < a.weight for a in t.lacks):
        return None
    for p, n in [(a.place, a.weight) for a in t.take] + [(p, 1) for p in way]:
        if free.get(p, 0) < n:
            return None
        free[p] -= n
    for p in t.clear:
        free[p] = 0
        aside.discard(p)
    for a in t.put:
        free[a.place] = free.get(a.place, 0) + a.weight
    return frozenset((p, n) for p, n in free.items() if n), frozenset(aside)


# ── random nets ──────────────────────────────────────────────────────────────────────────────

NAMES = tuple("abcdef")
some = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2)
few = st.lists(st.sampled_from(NAMES), max_size=2, unique=True)


@st.composite
def nets(draw: Any, *, lacks: bool = False) -> tuple[Net, list[int]]:
    """A net with loops, resets, reads and one to three OR-joins, and a walk through it."""
    made = []
    for i in range(draw(st.integers(2, 6))):
        take = draw(some)
        tests = [p for p in draw(few) if p not in take]
        # Mostly as many tokens come as go, so that what can be reached has an end.
        put = draw(
            st.lists(st.sampled_from(NAMES), max_size=len(take) + (draw(st.integers(0, 5)) == 0))
        )
        odd = draw(
            st.sampled_from(("", "", "needs", "clear", *(("lacks", "lacks") if lacks else ())))
        )
        more = {odd: tests} if odd else {}
        made.append(move(f"t{i}", take, put, **more))
    for i in range(draw(st.integers(1, 3))):
        inputs = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=3, unique=True))
        put = draw(st.lists(st.sampled_from([p for p in NAMES if p not in inputs]), max_size=1))
        more = {"clear": draw(few)} if draw(st.integers(0, 3)) == 0 else {}
        made.append(join(f"j{i}", inputs, put, **{k: tuple(v) for k, v in more.items()}))
    tokens = draw(
        st.dictionaries(st.sampled_from(NAMES), st.integers(1, 2), min_size=1, max_size=4)
    )
    return net(*made, **dict.fromkeys(NAMES, 0) | tokens), draw(
        st.lists(st.integers(0, 20), max_size=6)
    )


def walked(of: Net, walk: list[int]) -> Iterator[Tokens]:
    """The markings on a walk of firings."""
    tokens = {p.name: p.tokens for p in of.places}
    yield tokens
    for step in walk:
        ways = []
        for t in of.transitions:
            inputs = t.or_join.inputs if t.or_join is not None else ()
            marked = [p for p in inputs if tokens[p]]
            if inputs and not marked:
                continue
            after = slow_fire(t, marked, dict(tokens), set())
            if after is not None:
                ways.append(dict(after[0]))
        if not ways:
            return
        tokens = dict.fromkeys(NAMES, 0) | ways[step % len(ways)]
        yield tokens


@given(nets())
@settings(max_examples=100, deadline=None)
def test_it_agrees_with_the_slow_rule(drawn: tuple[Net, list[int]]) -> None:
    of, walk = drawn
    for tokens in walked(of, walk):
        for t in of.transitions:
            if t.or_join is None or not any(tokens[p] for p in t.or_join.inputs):
                continue
            slow = slow_waits(of, tokens, t.name)
            assume(slow is not None)
            assert enabled(of, t.name, **tokens) == (not slow)


@given(nets(lacks=True))
@settings(max_examples=100, deadline=None)
def test_inhibitors_count_exactly_where_bounds_are_proven(drawn: tuple[Net, list[int]]) -> None:
    of, walk = drawn
    exact = orjoin._reachable(of, True) is not None
    for tokens in walked(of, walk):
        for t in of.transitions:
            if t.or_join is None or not any(tokens[p] for p in t.or_join.inputs):
                continue
            slow = slow_waits(of, tokens, t.name)
            assume(slow is not None)
            fast = enabled(of, t.name, **tokens)
            assert fast == (not slow) if exact else not (fast and slow)


@given(nets(lacks=True))
@settings(max_examples=60, deadline=None)
def test_a_wait_is_explained_by_a_path_that_can_be_fired(drawn: tuple[Net, list[int]]) -> None:
    of, walk = drawn
    assume(orjoin._reachable(of, True) is not None)
    by_name = {t.name: t for t in of.transitions}
    for tokens in walked(of, walk):
        cells = [tokens[p.name] for p in of.places]
        for at, t in enumerate(of.transitions):
            if t.or_join is None or not any(tokens[p] for p in t.or_join.inputs):
                continue
            told = orjoin.arrivals(of, cells, at, alone=True)
            assert bool(told) == (not enabled(of, t.name, **tokens))
            for arrival in told:
                assert not tokens[arrival.input]
                assert tokens[arrival.token_in]
                assert _fires(by_name, arrival, t, tokens)


def _fires(
    by_name: dict[str, Transition], told: orjoin.Arrival, t: Transition, tokens: Tokens
) -> bool:
    """Whether the firings of an explanation mark the input; an OR-join fires as an XOR-join."""
    assert t.or_join is not None
    inputs = t.or_join.inputs
    states = [
        ({p: n - (p in inputs) for p, n in tokens.items() if n}, {p for p in inputs if tokens[p]})
    ]
    for name in told.path:
        step = by_name[name]
        ways = [[]] if step.or_join is None else [[p] for p in step.or_join.inputs]
        after = [
            found
            for free, aside in states
            for way in ways
            if (found := slow_fire(step, way, dict(free), set(aside))) is not None
        ]
        states = [(dict(free), set(aside)) for free, aside in after]
    return any(free.get(told.input) for free, _ in states)


# ── the three nets that tell the rule from its look-alikes ───────────────────────────────────


def test_reset_a_sibling_may_clear_the_marked_input_and_mark_the_other() -> None:
    """A superset of the marked inputs is not coverable, and still another thread comes."""
    of = net(move("sibling", ["s"], ["b"], clear=["a"]), join("j", ["a", "b"], ["out"]))
    assert not enabled(of, "j", a=1, s=1)
    assert enabled(of, "j", b=1)


def test_steal_what_shares_an_input_cannot_make_the_join_wait_for_its_own_token() -> None:
    """The other input can be marked, but only with the very token that the join has."""
    of = net(move("thief", ["a"], ["b"]), join("j", ["a", "b"], ["out"]))
    assert enabled(of, "j", a=1)
    assert not enabled(of, "j", a=2), "one of two can be moved, and the join has one of each then"


def test_catalyst_a_sibling_may_read_the_marked_input_and_mark_the_other() -> None:
    """Without the token that the join has, the sibling could not; but the token is there."""
    of = net(move("sibling", ["s"], ["b"], needs=["a"]), join("j", ["a", "b"], ["out"]))
    assert not enabled(of, "j", a=1, s=1)
    assert enabled(of, "j", a=1)


# ── its parts ────────────────────────────────────────────────────────────────────────────────


def test_all_marked_goes_and_none_marked_does_not() -> None:
    of = net(move("t", ["s"], ["a", "b"]), join("j", ["a", "b"]))
    assert enabled(of, "j", a=1, b=1, s=1)
    assert not enabled(of, "j")
    assert not enabled(of, "j", s=1)


def test_it_does_not_wait_for_what_only_itself_could_send() -> None:
    of = net(join("j", ["a", "b"], ["x"]), move("back", ["x"], ["b"]))
    assert enabled(of, "j", a=1)
    assert not enabled(of, "j", a=1, x=1)


def test_another_or_join_is_taken_as_an_xor_join() -> None:
    """Each of two joins may be fed by the other: both wait, which verification reports."""
    of = net(
        join("j", ["a", "from k"], ["x"]),
        join("k", ["b", "from j"], ["y"]),
        move("over", ["x"], ["from j"]),
        move("back", ["y"], ["from k"]),
    )
    assert not enabled(of, "j", a=1, b=1)
    assert not enabled(of, "k", a=1, b=1)
    assert enabled(of, "j", a=1)


def test_a_lacked_place_of_proven_bound_is_not_ignored() -> None:
    """The missing token waits to enter a section that the join stands in: it cannot come."""
    section = [
        move("enter", ["s"], ["b", "in"], lacks=["in"]),
        join("j", ["a", "b"], ["out"]),
    ]
    assert not enabled(net(*section, s=1, a=1), "j", s=1, a=1)
    held = net(*section, move("leave", ["out", "in"]), s=1, a=1)
    assert enabled(held, "j", s=1, a=1, **{"in": 1})


def test_a_lacked_place_of_no_bound_is_ignored() -> None:
    of = net(
        move("grow", ["g"], ["g", "in"]),
        move("enter", ["s"], ["b"], lacks=["in"]),
        join("j", ["a", "b"], ["out"]),
        g=1,
    )
    assert not enabled(of, "j", s=1, a=1, **{"in": 1})


def test_an_invariant_proves_a_bound_only_if_every_firing_keeps_it() -> None:
    lock = Invariant({"free": 1, "busy": 1}, total=1)
    parts = (
        move("more", ["g"], ["g", "x"]),  # so that nothing is proven by looking at everything
        move("enter", ["s", "free"], ["busy"]),
        move("pass", ["w"], ["b"], lacks=["busy"]),
        join("j", ["a", "b"], ["out"]),
    )
    places = net(*parts, g=1, free=1).places
    kept = Net(name="n", places=places, transitions=parts, invariants=(lock,))
    assert enabled(kept, "j", a=1, w=1, busy=1)
    broken = (*parts, move("odd", ["x"], ["busy"]))
    assert not enabled(
        Net(name="n", places=places, transitions=broken, invariants=(lock,)), "j", a=1, w=1, busy=1
    )


def test_a_lock_proves_a_bound_without_looking_at_markings() -> None:
    """The one item of a task, open or held: whatever adds to them lacks both."""
    parts = (
        move("more", ["g"], ["g", "x"]),  # so that nothing is proven by looking at everything
        move("start", ["w"], ["run"], lacks=["run", "held"]),
        move("fail", ["run"], ["held"]),
        move("pass", ["s"], ["b"], lacks=["run", "held"]),
        join("j", ["a", "b"], ["out"]),
    )
    of = net(*parts, g=1)
    assert enabled(of, "j", a=1, s=1, run=1), "nothing takes the item away"
    assert not enabled(of, "j", a=1, s=1)
    broken = net(*parts, move("odd", ["x"], ["run"]), g=1)
    assert not enabled(broken, "j", a=1, s=1, run=1)
    freed = net(*parts, move("end", ["held"]), g=1)
    assert not enabled(freed, "j", a=1, s=1, run=1)


def test_a_marking_beyond_the_proven_bounds_is_judged_without_them() -> None:
    of = net(move("enter", ["s"], ["b"], lacks=["in"]), join("j", ["a", "b"]), **{"in": 1})
    assert enabled(of, "j", a=1, s=1, **{"in": 1})
    assert not enabled(of, "j", a=1, s=1, **{"in": 5})


def test_a_counted_put_is_zero_to_many() -> None:
    of = net(
        Transition(name="split", external=True, take=(Arc("s"),), counted=(("w", "n"),)),
        move("three", ["w", "w", "w"], ["b"]),
        join("j", ["a", "b"]),
    )
    assert not enabled(of, "j", a=1, s=1)
    assert enabled(of, "j", a=1, w=2)


def test_a_trigger_source_does_not_count_and_its_store_is_full_for_a_thread() -> None:
    arrive = move("arrive", [], ["store"])
    begins = net(arrive, move("use", ["store"], ["b"]), join("j", ["a", "b"]))
    assert enabled(begins, "j", a=1)
    assert not enabled(begins, "j", a=1, store=1), "this one is there already"
    waits = net(arrive, move("use", ["w", "store"], ["b"]), join("j", ["a", "b"]))
    assert not enabled(waits, "j", a=1, w=1)
    assert enabled(waits, "j", a=1, store=1)


def test_what_ends_the_scope_marks_nothing() -> None:
    def ending(outcome: Outcome) -> Net:
        stop = Transition(name="stop", take=(Arc("s"),), put=(Arc("b"),), ends=Ends(outcome))
        return net(stop, join("j", ["a", "b"]))

    assert enabled(ending(Outcome.COMPLETED), "j", a=1, s=1)
    assert not enabled(ending(Outcome.FAILED), "j", a=1, s=1), "a failed case may be resumed"


def test_case_wide_arcs_count_only_where_no_second_scope_can_live() -> None:
    wide = move("enter", ["s"], ["b"], lacks=[Arc("in", case_wide=True)])
    of = net(wide, move("leave", ["in"]), join("j", ["a", "b"]), s=1, a=1, **{"in": 1})
    cells = [{"s": 1, "a": 1, "in": 1}.get(p.name, 0) for p in of.places]
    at = of.transition_index["j"]
    stuck = net(wide, join("j", ["a", "b"]), s=1, a=1, **{"in": 1})
    still = [{"s": 1, "a": 1, "in": 1}.get(p.name, 0) for p in stuck.places]
    assert not orjoin.enabled(of, cells, at, alone=True)
    assert orjoin.enabled(stuck, still, stuck.transition_index["j"], alone=True)
    assert not orjoin.enabled(stuck, still, stuck.transition_index["j"], alone=False)


def test_its_other_arcs_count_too() -> None:
    of = net(join("j", ["a", "b"], ["out"], take=["key"], needs=["lit"], lacks=["shut"]))
    assert enabled(of, "j", a=1, key=1, lit=1)
    assert not enabled(of, "j", a=1, lit=1)
    assert not enabled(of, "j", a=1, key=1)
    assert not enabled(of, "j", a=1, key=1, lit=1, shut=1)


# ── firing ───────────────────────────────────────────────────────────────────────────────────


def test_firing_takes_one_token_of_each_marked_input_then_clears_then_puts() -> None:
    of = net(join("j", ["a", "b", "c"], ["out", "b"], clear=("c",)))
    place = of.place_index
    cells = array("i", [0] * len(of.places))
    cells[place["a"]], cells[place["c"]] = 2, 3
    orjoin.fire(of, cells, 0)
    assert of.marking_view(cells.tobytes()) == {"a": 1, "out": 1, "b": 1}


def test_firing_without_a_marked_input_or_against_its_arcs_changes_nothing() -> None:
    of = net(join("j", ["a", "b"], ["out"], needs=["lit"]))
    cells = array("i", [0] * len(of.places))
    with pytest.raises(ValueError, match="no input of the OR-join 'j' is marked"):
        orjoin.fire(of, cells, 0)
    cells[of.place_index["a"]] = 1
    with pytest.raises(ValueError, match="'j' is not enabled"):
        orjoin.fire(of, cells, 0)
    assert of.marking_view(cells.tobytes()) == {"a": 1}


def test_firing_that_overflows_changes_nothing() -> None:
    of = net(join("j", ["a", "b"], ["out"]))
    cells = array("i", [0] * len(of.places))
    cells[of.place_index["a"]], cells[of.place_index["out"]] = 1, 2**31 - 1
    before = cells.tobytes()
    with pytest.raises(OverflowError):
        orjoin.fire(of, cells, 0)
    assert cells.tobytes() == before


# ── the structural rule ──────────────────────────────────────────────────────────────────────


def test_the_structural_rule_looks_at_paths_alone() -> None:
    def of(*transitions: Transition) -> Net:
        return net(*transitions, join("j", ["a", "b"], ["out"], rule=MergeRule.STRUCTURAL))

    one_way = of(move("t", ["s"], ["b"]))
    assert not enabled(one_way, "j", a=1, s=1)
    assert enabled(one_way, "j", a=1)
    either = of(move("t", ["s"], ["b"]), move("u", ["s"], ["a"]))
    assert enabled(either, "j", a=1, s=1), "a token that may also come to a marked input"
    dead = of(move("t", ["s", "never"], ["b"]))
    assert not enabled(dead, "j", a=1, s=1), "it does not see that the path is dead"
    general = net(move("t", ["s", "never"], ["b"]), join("j", ["a", "b"], ["out"]))
    assert enabled(general, "j", a=1, s=1)
    around = of(move("t", ["s"], ["a"]), move("back", ["out"], ["b"]))
    assert enabled(around, "j", a=1, s=1), "the path to b leads through the join"


def test_the_structural_rule_says_which_token_it_waits_for() -> None:
    of = net(move("t", ["s"], ["b"]), join("j", ["a", "b"], rule=MergeRule.STRUCTURAL))
    cells = [{"a": 1, "s": 1}.get(p.name, 0) for p in of.places]
    told = orjoin.arrivals(of, cells, of.transition_index["j"])
    assert told == [orjoin.Arrival("b", "s", ())]


# ── bounds ───────────────────────────────────────────────────────────────────────────────────


def hard(n: int) -> Net:
    """A net whose saturation is large: counters that carry over into each other."""
    steps = [move(f"up{i}", [f"p{i}", f"p{i + 1}"], [f"p{i + 2}", f"p{i}"]) for i in range(n)]
    steps += [
        move(f"down{i}", [f"p{i + 2}"], [f"p{i}", f"p{i + 1}", f"p{i + 1}"]) for i in range(n)
    ]
    return net(*steps, move("last", [f"p{n}"] * 5, ["b"]), join("j", ["a", "b"]))


def test_a_question_past_its_bound_is_said_to_be_undecided() -> None:
    of = hard(30)
    with pytest.raises(orjoin.Undecided, match="the OR-join 'j'"):
        enabled(of, "j", work=2000, a=1, p0=2, p1=2)
    with pytest.raises(orjoin.Undecided):
        orjoin.arrivals(
            of,
            [{"a": 1, "p0": 2, "p1": 2}.get(p.name, 0) for p in of.places],
            of.transition_index["j"],
            work=2000,
        )
    assert enabled(of, "j", work=2000, a=1), "no token is before it: that is cheap to see"


def test_answers_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orjoin, "MOST_ANSWERS", 3)
    of = net(move("t", ["s"], ["b"]), join("j", ["a", "b"]))
    for n in range(1, 10):
        assert not enabled(of, "j", a=1, s=n)
        assert enabled(of, "j", a=n)
    (question,) = of.merge_questions.values()
    assert len(question._answers) <= 3
