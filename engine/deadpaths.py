"""Where word has to be sent that a path is dead, so that a merge need not wait for it.

A *structured* synchronizing merge (WCP-7) is told by its multi-choice which branches were not
taken. A *local* one (WCP-37) is told by its own inputs: over a region, every flow carries either a
thread or word that none comes, as in dead-path elimination (F. Leymann, W. Altenhuber, "Managing
Business Processes as an Information Resource", 1994). The word about the flow ``a>b`` lies in the
place ``!a>b``.

These functions find the choice, or the region, in the graph of tasks and flows, and say what
stands against it. What they say ends in advice: it is read by the author.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs

from weft.engine.fragment import Fragment
from weft.engine.net import Invariant, Transition, immediate

__all__ = [
    "FlowGraph",
    "Pairing",
    "Region",
    "diverted",
    "join_with_word",
    "local_region",
    "merge_with_word",
    "paired_choice",
    "word_of",
]

GENERAL = "general-synchronizing-merge (38)"
LOCAL = "local-synchronizing-merge (37)"


@attrs.frozen(eq=False)
class FlowGraph:
    """Tasks and declared places, and where each leads.

    Args:
        start: Where the net starts.
        follows: Node to the nodes that it leads to, each once, in order; every node is a key.
    """

    start: frozenset[str]
    follows: Mapping[str, Sequence[str]]
    comes: Mapping[str, Sequence[str]] = attrs.field(init=False)
    """Node to the nodes that lead to it."""

    def __attrs_post_init__(self) -> None:
        """Turn the flows round."""
        comes: dict[str, list[str]] = {name: [] for name in self.follows}
        for name, targets in self.follows.items():
            for target in targets:
                comes[target].append(name)
        object.__setattr__(self, "comes", comes)

    def reached(self, origin: Iterable[str], *, without: str | None = None) -> set[str]:
        """The nodes that flows lead to from some, these included, never through one of them."""
        return _closure(self.follows, origin, without)

    def leading(self, to: str, *, without: str | None = None) -> set[str]:
        """The nodes from which flows lead to one, itself included, never through another one."""
        return _closure(self.comes, (to,), without)

    def last_before(self, node: str) -> str | None:
        """The last node through which every way from the start to a node leads; None: none is.

        That is its immediate dominator (Lowry and Medlock, "Object Code Optimization", 1969).
        """
        found: str | None = None
        before: set[str] = set()
        for name in self.leading(node) & self.reached(self.start) - {node}:
            if node not in self.reached(self.start - {name}, without=name):
                reached = self.reached(self.start - {name}, without=name)
                # The last one is reached by way of all the others, so it is lost with each.
                if found is None or len(reached) > len(before):
                    found, before = name, reached
        return found


def _closure(
    edges: Mapping[str, Sequence[str]], origin: Iterable[str], without: str | None
) -> set[str]:
    queue = [name for name in origin if name != without]
    seen = set(queue)
    for name in queue:
        for other in edges.get(name, ()):
            if other not in seen and other != without:
                seen.add(other)
                queue.append(other)
    return seen


@attrs.frozen
class Pairing:
    """The multi-choice of a structured merge.

    ``branches`` says for each node that leads into the merge by which target of the choice its
    branch begins; ``inside`` has the nodes of all branches.
    """

    choice: str
    branches: Mapping[str, str]
    inside: Mapping[str, frozenset[str]]


def paired_choice(graph: FlowGraph, merge: str, choices: Collection[str]) -> Pairing:
    """The multi-choice that a structured synchronizing merge is the other end of.

    Args:
        graph: The flows.
        merge: The task with the merge.
        choices: The nodes that end in a multi-choice.

    Raises:
        ValueError: There is none, or what lies between is not structured.
    """
    choice = graph.last_before(merge)
    advice = f"for branches that are not paired like this, say {LOCAL} or {GENERAL}"
    if choice is None:
        raise ValueError(
            f"no task comes before all branches that lead to {merge!r}, so there is no "
            f"multi-choice to pair this merge with; {advice}"
        )
    if choice not in choices:
        raise ValueError(
            f"the branches that lead to {merge!r} part at {choice!r}, and not by a multi-choice; "
            f"{advice}"
        )
    branches: dict[str, str] = {}
    inside: dict[str, frozenset[str]] = {}
    for target in graph.follows[choice]:
        branch = (
            frozenset() if target == merge else frozenset(graph.reached([target], without=merge))
        )
        what = f"the branch that begins at {target!r}"
        if choice in branch:
            raise ValueError(f"{what} leads back to {choice!r} before {merge!r}; {advice}")
        shared = next((name for name in branch for other in inside.values() if name in other), None)
        if shared is not None:
            raise ValueError(f"two branches share {shared!r} before {merge!r}; {advice}")
        for name in sorted(branch):
            outside = [n for n in graph.comes[name] if n not in branch]
            if name in graph.start or outside not in ([], [choice]) or (outside and name != target):
                raise ValueError(f"{name!r}, in {what}, is also entered from elsewhere; {advice}")
            if not graph.follows[name]:
                raise ValueError(
                    f"{what} may end at {name!r}, and then {merge!r} would wait for ever; {advice}"
                )
        last = [name for name in (branch or [choice]) if merge in graph.follows[name]]
        if len(last) != 1:
            told = ", ".join(map(repr, sorted(last)))
            raise ValueError(
                f"{what} leads to {merge!r} by {len(last)} flows ({told}); join them before; {advice}"
            )
        branches[last[0]] = target
        inside[target] = branch
    others = [name for name in graph.comes[merge] if name not in branches]
    if others:
        raise ValueError(
            f"{merge!r} is also entered from {others[0]!r}, which is in no branch of the "
            f"multi-choice at {choice!r}; {advice}"
        )
    return Pairing(choice, branches, inside)


@attrs.frozen
class Region:
    """The region of a local merge: its first node, the nodes between, and the flows."""

    entry: str
    nodes: frozenset[str]
    flows: tuple[tuple[str, str], ...]


def local_region(graph: FlowGraph, merge: str) -> Region:
    """The region over which a local synchronizing merge is told what does not come.

    It begins at the last node before all of its branches, and holds all that lies between.

    Raises:
        ValueError: There is no such node, or a cycle leads through the region.
    """
    advice = f"say {GENERAL}, which looks at the whole net"
    entry = graph.last_before(merge)
    if entry is None:
        raise ValueError(
            f"no task comes before all branches that lead to {merge!r}, so nothing can tell it "
            f"which of them are taken; {advice}"
        )
    ahead = graph.reached(graph.follows[entry], without=merge)
    nodes = (ahead & graph.leading(merge, without=entry)) - {merge, entry}
    for name in sorted(nodes | {merge}):
        odd = next((n for n in graph.comes[name] if n not in nodes and n != entry), None)
        if odd is not None:
            raise ValueError(
                f"a cycle leads from {odd!r} back to {name!r}, between {entry!r} and {merge!r}, "
                f"and a local merge needs a region without cycles; {advice}"
            )
    cycle = _cycle(graph, nodes)
    if cycle is not None:
        raise ValueError(
            f"there is a cycle through {cycle!r}, between {entry!r} and {merge!r}, and a local "
            f"merge needs a region without cycles; {advice}"
        )
    flows = tuple(
        (name, target)
        for name in (entry, *sorted(nodes))
        for target in graph.follows[name]
        if target in nodes or target == merge
    )
    return Region(entry, frozenset(nodes), flows)


def _cycle(graph: FlowGraph, nodes: set[str]) -> str | None:
    """A node on a cycle among some, found by taking away what none of them leads to (Kahn, 1962)."""
    missing = {name: sum(n in nodes for n in graph.comes[name]) for name in nodes}
    queue = [name for name, n in missing.items() if not n]
    for name in queue:
        for target in graph.follows[name]:
            if target in missing:
                missing[target] -= 1
                if not missing[target]:
                    queue.append(target)
    left = sorted(nodes - set(queue))
    return next((n for n in left if n in graph.reached(graph.follows[n])), None)


# ── nets ─────────────────────────────────────────────────────────────────────────────────────


def word_of(flow: str) -> str:
    """The place for word that no thread comes by a flow."""
    return f"!{flow}"


def merge_with_word(
    inputs: Sequence[str], skips: Sequence[str], output: str, skipped: str
) -> Fragment:
    """A simple merge in the region of a local one: it also passes word on, when nothing comes.

    input i, todo i, none ─▶ [first i] ─▶ got, some, output
    input i, todo i (some) ─▶ [next i] ─▶ got, output
    word i, todo i ─▶ [dead i] ─▶ got
    m got, some ─▶ [reset] ─▶ none, todo …       m got, none ─▶ [all dead] ─▶ none, todo …, word
    """
    m, todo = len(inputs), [f"todo {i}" for i in range(1, len(inputs) + 1)]
    made: list[Transition] = []
    for i, (place, dead, turn) in enumerate(zip(inputs, skips, todo, strict=True), 1):
        made += [
            immediate(f"first {i}", take=[place, turn, "none"], put=["got", "some", output]),
            immediate(f"next {i}", take=[place, turn], needs=["some"], put=["got", output]),
            immediate(f"dead {i}", take=[dead, turn], put=["got"]),
        ]
    return Fragment(
        [
            *made,
            immediate("reset", take=["got"] * m + ["some"], put=["none", *todo]),
            immediate("all dead", take=["got"] * m + ["none"], put=["none", *todo, skipped]),
        ],
        resting={"none": 1, "some": 0, "got": 0, **dict.fromkeys(todo, 1)},
        invariants=[
            Invariant({"none": 1, "some": 1}, total=1),
            Invariant({"got": 1, **dict.fromkeys(todo, 1)}, total=m),
        ],
    )


def join_with_word(
    inputs: Sequence[str], skips: Sequence[str], output: str, skipped: str
) -> Fragment:
    """A synchronization in the region of a local merge: all come, or word of all.

    input 1, …, input m ─▶ [join] ─▶ output        word 1, …, word m ─▶ [dead] ─▶ word
    """
    return Fragment(
        [
            immediate("join", take=inputs, put=[output]),
            immediate("dead", take=skips, put=[skipped]),
        ]
    )


def diverted(
    name: str, kill: str, places: Sequence[str], rest: Sequence[str], to: str
) -> list[Transition]:
    """What cancels a branch that owes its merge an answer: the answer is given in its place.

    A plain reset would leave the merge waiting, and word without looking would be left over for
    the next round where the branch has delivered already.

        kill (p) ─▶ [kill p: clears the branch] ─▶ word      kill, no p at all ─▶ [nothing there]

    Args:
        name: What the transitions are called after.
        kill: The place that the cancelling task puts to.
        places: The places of the branch; ``rest`` are put back, for bookkeeping that rests marked.
        rest: See there.
        to: The place for word.
    """
    first = -1  # before anything in the branch can move
    return [
        *(
            immediate(
                f"{name}.{i}", take=[kill], needs=[p], clear=places, put=[*rest, to], priority=first
            )
            for i, p in enumerate(places, 1)
            if p not in rest
        ),
        immediate(
            f"{name}.nothing there",
            take=[kill],
            lacks=[p for p in places if p not in rest],
            priority=first,
        ),
    ]
