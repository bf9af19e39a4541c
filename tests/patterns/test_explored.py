"""Pattern fragments, explored over all interleavings of small nets that use them.

Immediates are tried in every order among themselves (``any``), and with ``free`` also interleaved
with external transitions: what holds then does not rest on priorities. Each property comes with a
mutant of the net that it kills.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable

import msgspec
import pytest

import weft
from weft.connectors import builtin as connectors
from weft.engine.compile import compile_specification
from weft.engine.net import Arc, Net, Role, Transition
from weft.native import kernel
from weft.patterns import builtin as patterns

# These run millions of lines that other tests cover: measuring them would take minutes.
pytestmark = pytest.mark.no_cover

Marking = dict[str, int]
MOST_STATES = 100_000


def compiled(text: str) -> Net:
    specification = weft.loads(f"weft: 1\nname: explored\nversion: '1'\nnet:\n{text}")
    return compile_specification(specification, registry=patterns(), connectors=connectors()).net


def explore(
    net: Net, *, failures: bool, free: bool, count: int = 1
) -> Iterable[tuple[bool, Marking]]:
    """Every reachable marking, and whether it is dead. Guards are ignored; counts are fixed."""
    seen = {net.initial}
    queue = [net.initial]
    while queue:
        marking = queue.pop()
        enabled = kernel.enabled_transitions(net.image, marking)
        if not failures:
            roles = (Role.FAIL, Role.RETRY, Role.GIVE_UP)
            enabled = [t for t in enabled if net.transitions[t].role not in roles]
        immediates = [t for t in enabled if not net.transitions[t].external]
        if immediates and not free:
            enabled = immediates
        for t in enabled:
            working = array("i", marking)
            kernel.fire(net.image, working, t, [count] * len(net.transitions[t].counted))
            after = working.tobytes()
            if after not in seen:
                seen.add(after)
                queue.append(after)
                assert len(seen) < MOST_STATES
        yield not enabled, net.marking_view(marking)


def holds(
    net: Net,
    *,
    always: Callable[[Marking], bool] = lambda _: True,
    finally_: Callable[[Marking], bool],
    failures: bool = False,
    free: bool = False,
) -> bool:
    """Whether a property holds in every marking, another in every dead one, and invariants hold."""
    dead = 0
    for is_dead, marking in explore(net, failures=failures, free=free):
        for invariant in net.invariants:
            total = sum(w * marking.get(p, 0) for p, w in invariant.weights.items())
            if total != invariant.total:
                return False
        if not always(marking) or (is_dead and not finally_(marking)):
            return False
        dead += is_dead
    return dead > 0


def mutant(net: Net, name: str, **changes: object) -> Net:
    """The net with one transition changed; it has to be there."""
    assert any(t.name == name for t in net.transitions), [t.name for t in net.transitions]
    return msgspec.structs.replace(
        net,
        transitions=tuple(
            msgspec.structs.replace(t, **changes) if t.name == name else t for t in net.transitions
        ),
    )


def transition(net: Net, name: str) -> Transition:
    return net.transitions[net.transition_index[name]]


def work(marking: Marking, *tasks: str) -> int:
    """Open and held items of the tasks together."""
    return sum(marking.get(f"{t}.run", 0) + marking.get(f"{t}.held", 0) for t in tasks)


def only(marking: Marking, *places: str) -> bool:
    return set(marking) <= set(places)


# ── partial joins ────────────────────────────────────────────────────────────────────────────

ROUNDS = """
  start: begin
  places: {fuel: {tokens: 2, then: again}}
  tasks:
    begin: {then: split}
    again: {shell: [x], then: split}
    split: {then: {parallel-split: [a, b, c]}}
    a: {shell: [x], then: j}
    b: {shell: [x], then: j}
    c: {shell: [x], then: j}
    j: {join: {JOIN}, shell: [x]}
"""
"""Three rounds, which may overtake each other."""

AFTERWARDS = {"end": 3, "j.join.open": 1, **{f"j.join.todo {i}": 1 for i in (1, 2, 3)}}
"""Three rounds have come to the end, and the join is as it was at the start."""


def rounds(join: str) -> Net:
    return compiled(ROUNDS.replace("{JOIN}", join))


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize(
    "join",
    [
        "blocking-discriminator",
        "{blocking-partial-join: {n: 2}}",
        "{blocking-partial-join: {n: 3}}",
    ],
)
def test_a_blocking_join_fires_once_a_round_and_comes_to_rest(join: str, free: bool) -> None:
    net = rounds(join)
    assert holds(net, finally_=lambda m: m == AFTERWARDS, free=free)


def test_mutants_of_the_partial_join_are_killed() -> None:
    net = rounds("{blocking-partial-join: {n: 2}}")

    def right(net: Net) -> bool:
        return holds(net, finally_=lambda m: m == AFTERWARDS)

    assert right(net)
    fire, reset = transition(net, "j.join.fire"), transition(net, "j.join.reset")
    absorb, early = transition(net, "j.join.absorb"), transition(net, "j.join.early 1")
    assert not right(mutant(net, fire.name, take=(Arc("j.join.open"), Arc("j.join.came", 1))))
    assert not right(mutant(net, fire.name, take=(Arc("j.join.came", 2),)))
    assert not right(mutant(net, reset.name, put=reset.put[:-1]))
    assert not right(mutant(net, absorb.name, needs=()))
    assert not right(mutant(net, early.name, take=early.take[:1]))


CANCELLING = """
  start: split
  tasks:
    split: {then: {parallel-split: [a, b, c]}}
    a: {shell: [x], then: j}
    b: {shell: [x], then: j}
    c: {shell: [x], then: j}
    j: {join: {cancelling-partial-join: {n: 2, cancels: [a, b, c]}}, shell: [x]}
"""


@pytest.mark.parametrize("failures", [False, True])
def test_a_cancelling_join_withdraws_the_rest_and_is_ready_at_once(failures: bool) -> None:
    net = compiled(CANCELLING)
    rest = {"end": 1, "j.join.todo 1": 1, "j.join.todo 2": 1, "j.join.todo 3": 1}

    def right(net: Net) -> bool:
        fire = net.transition_index["j.join.fire"]

        def fires_at_two(m: Marking) -> bool:
            cells = array("i", [m.get(p.name, 0) for p in net.places])
            return kernel.enabled(net.image, cells, fire) == (m.get("j.join.came", 0) >= 2)

        return holds(
            net,
            always=lambda m: fires_at_two(m) and not (work(m, "j") and work(m, "a", "b", "c")),
            finally_=lambda m: m == rest,
            failures=failures,
        )

    assert right(net)
    fire = transition(net, "j.join.fire")
    assert not right(mutant(net, fire.name, clear=()))
    assert not right(mutant(net, fire.name, put=fire.put[:-1]))
    assert not right(mutant(net, fire.name, take=(Arc("j.join.came"),)))


def test_a_generalised_join_serves_later_rounds_with_surplus_threads() -> None:
    net = compiled("""
  start: [a, b]
  places: {more-a: {tokens: 2, then: a}, more-b: {tokens: 1, then: b}}
  tasks:
    a: {shell: [x], then: j}
    b: {shell: [x], then: j}
    j: {join: generalised-and-join, shell: [x]}
""")
    # Three threads on one branch and two on the other: two pairs, and one thread left waiting.
    assert holds(net, finally_=lambda m: m == {"end": 2, "a>j": 1})
    join = transition(net, "j.start")
    assert not holds(
        mutant(net, join.name, take=join.take[:1]), finally_=lambda m: m == {"end": 2, "a>j": 1}
    )


def test_n_threads_split_and_merge_again() -> None:
    text = """
  start: split
  tasks:
    split: {then: {thread-split: {to: a, n: 2}}}
    a: {shell: [x], then: j}
    j: {thread-merge: 2, shell: [x]}
"""
    net = compiled(text)
    done = {"end": 1, "j.thread-merge.free": 1}
    assert holds(net, finally_=lambda m: m == done, failures=True)
    merge = transition(net, "j.thread-merge.merge")
    assert not holds(mutant(net, merge.name, lacks=()), finally_=lambda m: m == done, free=True)
    first = transition(net, "j.thread-merge.first")
    assert not holds(mutant(net, first.name, counted=()), finally_=lambda m: m == done)


# ── one at a time ────────────────────────────────────────────────────────────────────────────

INTERLEAVED = """
  start: split
  patterns: [{PATTERN: [a, b, c]}]
  tasks:
    split: {then: {parallel-split: [a, c]}}
    a: {shell: [x], then: b}
    b: {shell: [x], then: j}
    c: {shell: [x], then: j}
    j: {join: synchronization, shell: [x]}
"""


@pytest.mark.parametrize("key", ["interleaved-routing", "interleaved-parallel-routing"])
@pytest.mark.parametrize("failures", [False, True])
def test_interleaved_tasks_run_one_at_a_time_and_each_once(key: str, failures: bool) -> None:
    net = compiled(INTERLEAVED.replace("PATTERN", key))

    def right(net: Net) -> bool:
        return holds(
            net,
            always=lambda m: work(m, "a", "b", "c") <= 1,
            finally_=lambda m: m == {"end": 1},
            failures=failures,
        )

    assert right(net)
    for task in ("a", "b", "c"):
        assert not right(mutant(net, f"{task}.start", lacks=())) or task == "b"
    both = mutant(mutant(net, "b.start", lacks=()), "c.start", lacks=())
    assert not right(both)


def test_critical_sections_are_never_active_together() -> None:
    net = compiled("""
  start: split
  patterns: [critical-section: [[a, b], [c, d]]]
  tasks:
    split: {then: {parallel-split: [a, c]}}
    a: {shell: [x], then: b}
    b: {shell: [x], then: j}
    c: {shell: [x], then: d, on-failure: j}
    d: {shell: [x], then: j}
    j: {join: multi-merge, shell: [x]}
""")
    # The explorer has one scope, so a case-wide arc is an ordinary one here.
    net = msgspec.structs.replace(
        net,
        transitions=tuple(
            msgspec.structs.replace(t, lacks=tuple(Arc(a.place, a.weight) for a in t.lacks))
            for t in net.transitions
        ),
    )

    def active(m: Marking, flow: str, *tasks: str) -> bool:
        return bool(work(m, *tasks) or m.get(flow))

    def right(net: Net) -> bool:
        return holds(
            net,
            always=lambda m: not (active(m, "a>b", "a", "b") and active(m, "c>d", "c", "d")),
            finally_=lambda m: m == {"end": 2},
            failures=True,
        )

    assert right(net)
    assert not right(mutant(net, "a.start", lacks=()))
    assert not right(mutant(net, "c.start", lacks=()))
    without_flow = tuple(a for a in transition(net, "c.start").lacks if a.place != "a>b")
    assert not right(mutant(net, "c.start", lacks=without_flow))


# ── states and regions ───────────────────────────────────────────────────────────────────────


def test_a_milestone_is_tested_and_not_consumed() -> None:
    net = compiled("""
  start: [a, t]
  places: {reached: {then: leave}}
  tasks:
    a: {shell: [x], then: reached}
    leave: {shell: [x]}
    t: {shell: [x], milestone: reached}
""")
    start = net.transition_index["t.start"]
    index = net.place_index["reached"]
    for _, marking in explore(net, failures=False, free=False):
        cells = array("i", [marking.get(p.name, 0) for p in net.places])
        waiting = marking.get(">t", 0) > 0
        assert kernel.enabled(net.image, cells, start) == (waiting and cells[index] > 0)
    mutated = mutant(net, "t.start", needs=())
    assert kernel.enabled(mutated.image, mutated.initial, mutated.transition_index["t.start"])


@pytest.mark.parametrize("failures", [False, True])
def test_a_region_is_emptied_wherever_its_tokens_are(failures: bool) -> None:
    net = compiled("""
  start: split
  tasks:
    split: {then: {parallel-split: [a, b, c]}}
    a: {shell: [x], cancel-region: [b, d, c]}
    b: {shell: [x], then: d}
    c: {shell: [x], then: d}
    d: {join: blocking-discriminator, shell: [x], then: e}
    e: {shell: [x]}
""")
    rest = ("end", "d.join.open", "d.join.todo 1", "d.join.todo 2", "d.join.closed")

    def right(net: Net) -> bool:
        return holds(net, finally_=lambda m: only(m, *rest), failures=failures)

    assert right(net)
    complete = transition(net, "a.complete")
    assert "b.run" in complete.clear
    # The join in the region is set to rest: its marks are back, once.
    for _, marking in explore(net, failures=failures, free=False):
        assert marking.get("d.join.open", 0) <= 1
    assert not right(mutant(net, complete.name, put=complete.put[:1]))
    assert not right(mutant(net, complete.name, clear=("d.join.open",)))


def test_cancelling_a_task_leaves_nothing_of_it() -> None:
    net = compiled("""
  start: [a, b]
  tasks:
    a: {shell: [x], cancel-task: b}
    b: {shell: [x], then: c}
    c: {shell: [x]}
""")
    index = net.transition_index["a.complete"]
    for _, marking in explore(net, failures=True, free=False):
        if marking.get("a.run"):
            working = array("i", [marking.get(p.name, 0) for p in net.places])
            kernel.fire(net.image, working, index)
            after = net.marking_view(working.tobytes())
            assert not work(after, "b")
            assert not after.get(">b")
            assert after.get("c.run", 0) == marking.get("c.run", 0)


BAD = {
    "n > m": (ROUNDS.replace("{JOIN}", "{blocking-partial-join: {n: 4}}"), "n is 1 to 3"),
    "n < 1": (ROUNDS.replace("{JOIN}", "{structured-partial-join: {n: 0}}"), "number from 1"),
    "no n": (ROUNDS.replace("{JOIN}", "structured-partial-join"), "needs 'n'"),
    "one branch": (
        (
            "  start: a\n  tasks:\n    a: {shell: [x], then: j}\n"
            "    j: {join: structured-discriminator, shell: [x]}"
        ),
        "only one leads to",
    ),
    "a region that names nothing": (
        "  start: a\n  tasks:\n    a: {shell: [x], cancel-region: [b]}",
        "no task or place 'b'",
    ),
    "an empty region": ("  start: a\n  tasks:\n    a: {shell: [x], cancel-region: []}", "a list"),
    "a milestone nowhere": (
        "  start: a\n  tasks:\n    a: {shell: [x], milestone: m}",
        "there is no place 'm'",
    ),
    "interleaving one": (
        "  start: a\n  patterns: [interleaved-routing: [a]]\n  tasks:\n    a: {shell: [x]}",
        "two or more tasks",
    ),
    "a task in two sections": (
        "  start: a\n  patterns: [critical-section: [[a], [a]]]\n  tasks:\n    a: {shell: [x]}",
        "in two of the lists",
    ),
    "a join where a net pattern goes": (
        "  start: a\n  patterns: [synchronization: [a]]\n  tasks:\n    a: {shell: [x]}",
        "stands at 'join'",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_parameters_are_refused_with_their_place(name: str) -> None:
    text, words = BAD[name]
    with pytest.raises(weft.DefinitionErrors) as caught:
        compiled(text)
    assert words in str(caught.value)
    assert all(fault.line for fault in caught.value.exceptions)
