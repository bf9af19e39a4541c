"""What every net has to satisfy before it may run, whoever made it.

These are the rules of the net language that do not need a state space: names, weights, and who
may compete with whom for a token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from weft.engine.net import MAX_TOKENS, Net, Role, Transition

__all__ = ["net_faults"]


def net_faults(net: Net) -> list[str]:
    """Everything that is wrong with a net, one sentence a fault; empty when it may run."""
    faults: list[str] = []
    places = Counter(p.name for p in net.places)
    transitions = Counter(t.name for t in net.transitions)
    faults += [f"two places are called {name!r}" for name, n in places.items() if n > 1]
    faults += [f"two transitions are called {name!r}" for name, n in transitions.items() if n > 1]
    for place in net.places:
        if not 0 <= place.tokens <= MAX_TOKENS:
            faults.append(
                f"place {place.name!r} starts with {place.tokens} tokens; 0 to {MAX_TOKENS} fit"
            )
    for transition in net.transitions:
        faults += _transition_faults(transition, places)
    faults += _competition_faults(net)
    for task in net.tasks.values():
        named = [*task.starts, task.complete, task.fail, task.retry_by, task.give_up]
        missing = [name for name in named if name is not None and name not in transitions]
        missing += [name for name in (task.run, task.held) if name not in places]
        if task.multiple is not None:
            several = task.multiple
            parts = (several.enter, several.add, several.seal)
            told = [*parts, *several.collects, *several.conditions]
            missing += [name for name in told if name is not None and name not in transitions]
            missing += [several.ready] if several.ready not in places else []
        faults += [f"task {task.name!r} refers to {name!r}, which is not there" for name in missing]
    for invariant in net.invariants:
        unknown = [name for name in invariant.weights if name not in places]
        faults += [f"an invariant counts {name!r}, which is no place" for name in unknown]
        total = sum(p.tokens * invariant.weights.get(p.name, 0) for p in net.places)
        if not unknown and total != invariant.total:
            faults.append(
                f"the invariant over {', '.join(invariant.weights)} should be {invariant.total}; "
                f"in the initial marking it is {total}"
            )
    return faults


def _transition_faults(t: Transition, places: Counter[str]) -> Iterator[str]:
    arcs = (("takes", t.take), ("puts", t.put), ("needs", t.needs), ("lacks", t.lacks))
    for verb, group in arcs:
        for arc in group:
            if arc.place not in places:
                yield f"transition {t.name!r} {verb} {arc.place!r}, which is no place"
            if not 1 <= arc.weight <= MAX_TOKENS:
                yield (
                    f"transition {t.name!r} {verb} {arc.weight} of {arc.place!r}; "
                    f"a weight is 1 to {MAX_TOKENS}"
                )
    for arc in (*t.take, *t.put):
        if arc.case_wide:
            yield f"transition {t.name!r}: only needs and lacks may be case-wide, not {arc.place!r}"
    for place in (*t.clear, *(place for place, _ in t.counted)):
        if place not in places:
            yield f"transition {t.name!r} names {place!r}, which is no place"
    yield from _join_faults(t, places)
    taken = set(t.sources)
    for arc in t.needs:
        if arc.place in taken and not arc.case_wide:
            yield f"transition {t.name!r} both takes and needs {arc.place!r}: raise the weight of take"
    if t.external:
        if t.role is Role.START and not t.sources:
            yield f"transition {t.name!r} starts work and takes nothing: there would be no end of it"
        if t.when is not None or t.ends is not None:
            yield f"transition {t.name!r} is external: it has neither guard nor end"
    else:
        if t.role is not Role.NONE:
            yield f"transition {t.name!r} is immediate, so it has no role {t.role.value!r}"
        if not t.sources and t.ends is None:
            yield (
                f"transition {t.name!r} is immediate and takes nothing, so it would fire for ever"
            )


def _join_faults(t: Transition, places: Counter[str]) -> Iterator[str]:
    """What is wrong with the inputs of an OR-join."""
    if t.or_join is None:
        return
    inputs = t.or_join.inputs
    if not inputs:
        yield f"the OR-join {t.name!r} has no inputs"
    for name in inputs:
        if name not in places:
            yield f"the OR-join {t.name!r} has the input {name!r}, which is no place"
    both = sorted({a.place for a in t.take}.intersection(inputs))
    both += sorted(name for name, n in Counter(inputs).items() if n > 1)
    for name in both:
        yield f"the OR-join {t.name!r} would take from {name!r} twice; an input is named once"
    if t.when is not None:
        yield f"the OR-join {t.name!r} has a guard; what may stop it stands before or after it"


def _competition_faults(net: Net) -> Iterator[str]:
    """What fires by itself, at once and always, leaves nothing to those that compete with it."""
    yield from _dead(net)
    externals: dict[str, str] = {}
    for t in net.transitions:
        if t.external:
            for place in t.sources:
                externals.setdefault(place, t.name)
    for t in net.transitions:
        if t.external or t.when is not None or t.needs or t.lacks:
            continue
        for place in t.sources:
            rival = externals.get(place)
            if rival is not None:
                yield (
                    f"{t.name!r} fires by itself and takes from {place!r}, from which "
                    f"{rival!r} waits to take: the waiting one could never be chosen"
                )


def _dead(net: Net) -> Iterator[str]:
    """Immediates that never get a token, because an earlier one takes it wherever they could."""
    firsts: dict[str, list[Transition]] = {}
    order = sorted((t.priority, i) for i, t in enumerate(net.transitions) if not t.external)
    for _, i in order:
        t = net.transitions[i]
        if t.or_join is not None:
            continue  # which of its inputs it takes is not fixed
        there = {arc.place: arc.weight for arc in t.take}
        winner = next(
            (
                rival
                for place in there
                for rival in firsts.get(place, ())
                if all(there.get(arc.place, 0) >= arc.weight for arc in rival.take)
            ),
            None,
        )
        if winner is not None:
            yield (
                f"{t.name!r} can never fire: {winner.name!r} fires by itself before it, and takes "
                f"from the same place ({', '.join(arc.place for arc in winner.take)})"
            )
        elif t.take and not (t.when or t.needs or t.lacks):
            firsts.setdefault(t.take[0].place, []).append(t)
