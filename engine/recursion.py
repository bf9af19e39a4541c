"""Recursion that cannot end: nets that always run themselves again.

A net has a *base case* if a case of it can be done without opening a scope of a net that has none:
the least fixpoint over the nets. Within a net, what can be done is over-estimated (guards may hold,
whatever else a transition takes may be there), so a net that is reported here has no base case,
and one that has none for another reason than its arcs is met by the bound on depth at run time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from weft.engine.net import Net, Transition

__all__ = ["endless"]


def endless(nets: Mapping[str, Net]) -> list[tuple[str, str]]:
    """The nets without a base case, each with a task that runs on and on."""
    if not any(_in_circle(nets, name) for name in nets):
        return []
    ending = {
        name for name, net in nets.items() if not _ends(net, set(nets))
    }  # stuck: no matter of ours
    while True:
        more = {name for name, net in nets.items() if name not in ending and _ends(net, ending)}
        if not more:
            break
        ending |= more
    return [
        (name, next(t.name for t in net.tasks.values() if t.child and t.child not in ending))
        for name, net in nets.items()
        if name not in ending and _in_circle(nets, name)
    ]


def _in_circle(nets: Mapping[str, Net], name: str) -> bool:
    """Whether a net leads back to itself: those that only lead to such a one are not to blame."""
    seen: set[str] = set()
    ahead = [name]
    while ahead:
        for task in nets[ahead.pop()].tasks.values():
            if task.child == name:
                return True
            if task.child is not None and task.child not in seen:
                seen.add(task.child)
                ahead.append(task.child)
    return False


def _ends(net: Net, children: Collection[str]) -> bool:
    """Whether each token that the net begins with can be used up while only these nets are run."""
    barred = {
        name
        for task in net.tasks.values()
        if task.child is not None and task.child not in children
        for name in task.starts
    }
    open_to = [t for t in net.transitions if t.name not in barred]
    if _ended(net, open_to):
        return True
    done = {p.name for p in net.places if p.resting or p.end}
    done |= {
        p.name
        for p in net.places
        if not any(a.place == p.name for t in net.transitions for a in t.take)
    }
    while True:
        more = set()
        for t in open_to:
            puts = {a.place for a in t.put}.union(name for name, _ in t.counted)
            if puts <= done:
                more |= {a.place for a in t.take}.union(t.clear) - done
        if not more:
            break
        done |= more
    return all(p.name in done for p in net.places if p.tokens)


def _ended(net: Net, transitions: Sequence[Transition]) -> bool:
    """Whether a transition that ends the scope can be reached; what else is there goes with it."""
    reached = {p.name for p in net.places if p.tokens}
    while True:
        firing = [t for t in transitions if all(a.place in reached for a in t.take)]
        if any(t.ends is not None for t in firing):
            return True
        more = {a.place for t in firing for a in t.put}
        more.update(name for t in firing for name, _ in t.counted)
        if more <= reached:
            return False
        reached |= more
