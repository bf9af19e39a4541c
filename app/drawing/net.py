"""The picture of a net: places as circles, transitions as bars, the five kinds of arc.

``take`` and ``put`` are plain arrows, ``needs`` is dashed with a dot at the transition, ``lacks``
has an open circle, ``clear`` a cross-bar and a double line. External transitions are dark bars.
"""

from __future__ import annotations

from collections.abc import Mapping

from weft.drawing.model import Cluster, Drawing, Edge, Line, Node, Shape, State, shortened
from weft.drawing.overlay import Overlay
from weft.engine.net import Arc, CompiledSpecification, Net, Transition

__all__ = ["net_drawing"]


def net_drawing(compiled: CompiledSpecification, overlays: Mapping[str, Overlay]) -> Drawing:
    """The picture of the nets of a specification, with the marking of a case or the initial one."""
    names = [compiled.root, *(n for n in compiled.nets if n != compiled.root)]
    title = f"{compiled.name} {compiled.version}".strip()
    return Drawing(
        title,
        tuple(
            _cluster(
                compiled.nets[name],
                title if name == compiled.root else f"net {name}",
                overlays.get(name, Overlay()),
            )
            for name in names
        ),
    )


def _cluster(net: Net, title: str, overlay: Overlay) -> Cluster:
    nodes = []
    states = {}
    for task in net.tasks.values():
        states[task.run] = states[task.held] = task.name
    # Where a scope begins stands first, for the layout begins with it.
    for place in sorted(net.places, key=lambda p: not p.tokens or p.resting):
        tokens = overlay.tokens.get(place.name, 0) if overlay.marked else place.tokens
        owner = states.get(place.name)
        state = State.PLAIN
        if owner is not None and tokens:
            state = State.FAILED if place.name.endswith(".held") else State.STARTED
        nodes.append(
            Node(
                f"p {place.name}",
                Shape.PLACE,
                place.name,
                state=state,
                tokens=tokens,
                path=place.name in overlay.touched,
            )
        )
    edges: list[Edge] = []
    for t in net.transitions:
        steps = overlay.steps.get(t.name, ())
        lines = [shortened(f"[{t.when}]", 80)] if t.when is not None else []
        if t.ends is not None:
            lines.append(f"ends {'the case' if t.ends.case else 'here'}: {t.ends.outcome.value}")
        if steps:
            lines.append("step " + ", ".join(map(str, steps)))
        nodes.append(
            Node(
                f"t {t.name}",
                Shape.BAR,
                t.name,
                tuple(lines),
                path=bool(steps),
                strong=t.external,
            )
        )
        edges += _arcs(t, on_path=bool(steps))
    return Cluster(title, tuple(nodes), tuple(edges))


def _arcs(t: Transition, *, on_path: bool) -> list[Edge]:
    bar = f"t {t.name}"
    edges = [Edge(f"p {a.place}", bar, Line.FLOW, _weight(a), path=on_path) for a in t.take]
    inputs = () if t.or_join is None else t.or_join.inputs
    edges += [Edge(f"p {place}", bar, Line.FLOW, "if marked", path=on_path) for place in inputs]
    edges += [Edge(bar, f"p {a.place}", Line.FLOW, _weight(a), path=on_path) for a in t.put]
    edges += [
        Edge(bar, f"p {place}", Line.FLOW, shortened(count, 40), path=on_path)
        for place, count in t.counted
    ]
    edges += [Edge(f"p {a.place}", bar, Line.NEEDS, _weight(a)) for a in t.needs]
    edges += [Edge(f"p {a.place}", bar, Line.LACKS, _weight(a)) for a in t.lacks]
    edges += [Edge(bar, f"p {place}", Line.CLEAR) for place in t.clear]
    return edges


def _weight(arc: Arc) -> str:
    words = [str(arc.weight)] if arc.weight > 1 else []
    return " ".join([*words, "case-wide"] if arc.case_wide else words)
