"""Plain nets: a PNML file as a `Net` whose transitions are all external, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.engine.net import Arc, Net, Place, Role, Transition
from weft.schema.errors import UsageError

if TYPE_CHECKING:  # reading PNML needs the extra `xml`
    from weft.schema.pnml import PnmlNet

__all__ = ["plain_net", "pnml_net"]


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


def pnml_net(net: Net) -> PnmlNet:
    """A net as PNML can say it, with the same markings and firings.

    Conditions, and whether a transition fires by itself, are lost: a guarded transition may fire.

    Raises:
        UsageError: It has arcs that count tokens in other scopes, or put a number that depends on
            data, or OR-joins: PNML has no word for these.
    """
    from weft.schema.pnml import PnmlArc, PnmlNet, PnmlPlace

    arcs: list[PnmlArc] = []
    for t in net.transitions:
        if t.or_join is not None:
            raise UsageError(
                f"transition {t.name!r} is an OR-join, which PNML cannot say", code="pnml"
            )
        if t.counted or any(a.case_wide for a in (*t.needs, *t.lacks)):
            raise UsageError(
                f"transition {t.name!r} counts tokens from data or over several scopes, which "
                "PNML cannot say",
                code="pnml",
            )
        for kind, group in (("normal", t.take), ("read", t.needs), ("inhibitor", t.lacks)):
            arcs += [PnmlArc(a.place, t.name, a.weight, kind) for a in group]
        arcs += [PnmlArc(place, t.name, 1, "reset") for place in t.clear]
        arcs += [PnmlArc(t.name, a.place, a.weight) for a in t.put]
    return PnmlNet(
        id=net.name,
        places=tuple(PnmlPlace(p.name, p.name, p.tokens) for p in net.places),
        transitions=tuple((t.name, t.name) for t in net.transitions),
        arcs=tuple(arcs),
    )
