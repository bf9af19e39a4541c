"""Plain nets: a PNML file as a `Net` whose transitions are all external."""

from __future__ import annotations

from weft.engine.net import Arc, Net, Place, Role, Transition
from weft.schema.pnml import PnmlNet

__all__ = ["plain_net"]


def plain_net(source: PnmlNet) -> Net:
    """The net of a PNML file; places and transitions are called by their ids.

    Several arcs between the same two nodes add up, as the standard has it; of several inhibitor
    arcs the strictest counts.
    """
    arcs: dict[str, dict[str, dict[str, int]]] = {
        t: {"take": {}, "put": {}, "needs": {}, "lacks": {}, "clear": {}}
        for t, _ in source.transitions
    }
    for arc in source.arcs:
        if arc.source in arcs:
            group, place = arcs[arc.source]["put"], arc.target
            group[place] = group.get(place, 0) + arc.weight
            continue
        of = arcs[arc.target]
        if arc.kind == "normal":
            of["take"][arc.source] = of["take"].get(arc.source, 0) + arc.weight
        elif arc.kind == "inhibitor":
            of["lacks"][arc.source] = min(of["lacks"].get(arc.source, arc.weight), arc.weight)
        elif arc.kind == "read":
            of["needs"][arc.source] = max(of["needs"].get(arc.source, 0), arc.weight)
        else:
            of["clear"][arc.source] = 1

    def made(group: dict[str, int]) -> tuple[Arc, ...]:
        return tuple(Arc(place, weight) for place, weight in group.items())

    return Net(
        name=source.id,
        places=tuple(Place(p.id, p.tokens) for p in source.places),
        transitions=tuple(
            Transition(
                name=name,
                external=True,
                role=Role.FIRE,
                take=made(of["take"]),
                put=made(of["put"]),
                needs=made(of["needs"]),
                lacks=made(of["lacks"]),
                clear=tuple(of["clear"]),
            )
            for name, of in arcs.items()
        ),
    )
