"""A picture in Graphviz's language, DOT.

Colours are chosen so that they differ in grey, too, and every state is also said in words.
"""

from __future__ import annotations

from collections.abc import Mapping

from weft.drawing.model import Cluster, Drawing, Edge, Line, Node, Shape, State, visible
from weft.drawing.placed import SMALL, Placed
from weft.drawing.rows import rows

__all__ = ["dot", "dot_placed"]

FONT = "Helvetica,Arial,DejaVu Sans,sans-serif"

_FILLS: Mapping[State, tuple[str, str, str]] = {
    State.PLAIN: ("#ffffff", "#333333", "#111111"),
    State.DONE: ("#e3e3e3", "#888888", "#444444"),
    State.OFFERED: ("#fff3c4", "#8a6d00", "#111111"),
    State.STARTED: ("#8ec7f0", "#0b4f85", "#111111"),
    State.FAILED: ("#a3261b", "#5c0f08", "#ffffff"),
}
"""State to fill, outline and text: light to dark as the state gets graver."""

_PATH = "#c2410c"

_POINT = 0.9
"""Points to a pixel of a file's own layout."""

_FRAME = 200.0
"""A task that is wider holds the picture of its net."""

_LINES: Mapping[Line, Mapping[str, str]] = {
    Line.FLOW: {},
    Line.FAILURE: {"style": "dashed", "color": "#a3261b", "fontcolor": "#a3261b"},
    Line.NEEDS: {"style": "dashed", "arrowhead": "dot", "color": "#2b5c8a"},
    Line.LACKS: {"arrowhead": "odot", "color": "#7a3e9d"},
    Line.CLEAR: {
        "style": "dotted",
        "arrowhead": "normaltee",
        "color": "#a3261b",
        "penwidth": "1.6",
    },
    Line.NOTE: {"style": "dotted", "arrowhead": "none", "color": "#777777"},
}


def dot_placed(picture: Placed) -> str:
    """A picture whose nodes have their places, as DOT; ``neato -n`` draws it as it is."""
    lines = [
        f"digraph {_quoted(picture.drawing.title)} {{",
        f"  graph [label={_quoted(picture.drawing.title)}, fontsize=15, labelloc=t, labeljust=l,",
        f'    splines=true, inputscale=72, pad=0.2, bgcolor="#ffffff", fontname={_quoted(FONT)}];',
        f'  node [fontsize=10, fontname={_quoted(FONT)}, color="#333333"];',
        f'  edge [fontsize=9, fontname={_quoted(FONT)}, color="#444444", arrowsize=0.6];',
    ]
    nodes = [
        (boxes[node.id], number, node)
        for number, (cluster, boxes) in enumerate(
            zip(picture.drawing.clusters, picture.boxes, strict=True)
        )
        for node in cluster.nodes
    ]
    nodes.sort(key=lambda told: -told[0].width * told[0].height)  # frames lie below the rest
    names = {(number, node.id): f"n{i}" for i, (_, number, node) in enumerate(nodes)}
    work = (Shape.TASK, Shape.SEVERAL)
    frames = [box for box, _, node in nodes if node.shape in work and box.width > _FRAME]
    for box, number, node in nodes:
        place = {
            "pos": f"{box.x * _POINT:.1f},{-box.y * _POINT:.1f}!",
            "width": f"{box.width * _POINT / 72:.3f}",
            "height": f"{box.height * _POINT / 72:.3f}",
            "fixedsize": "true",
        }
        if box in frames:
            fitting = _fitting(node, box.width, 48.0)
            place |= {"labelloc": "t", "style": "rounded", "margin": "0.1", "label": fitting}
        elif node.shape in work and box.width <= SMALL:
            place |= {"label": '""', "xlabel": _fitting(node, 120.0, 32.0)}
        elif node.shape in work:
            place |= {"label": _fitting(node, box.width, box.height)}
        lines.append(f"  {names[number, node.id]} [{_node(node, place)}];")
    for number, cluster in enumerate(picture.drawing.clusters):
        for edge in cluster.edges:
            shown = ", ".join(f"{key}={_value(value)}" for key, value in _edge(edge).items())
            source, target = names[number, edge.source], names[number, edge.target]
            lines.append(f"  {source} -> {target} [{shown}];")
    return "\n".join([*lines, "}"]) + "\n"


def dot(drawing: Drawing) -> str:
    """The picture as DOT; the same picture always gives the same text."""
    lines = [
        f"digraph {_quoted(drawing.title)} {{",
        "  graph [rankdir=LR, fontsize=15, labelloc=t, labeljust=l, nodesep=0.3,",
        f'    ranksep=0.45, pad=0.2, bgcolor="#ffffff", fontname={_quoted(FONT)}];',
        f'  node [fontsize=12, fontname={_quoted(FONT)}, color="#333333", height=0.4];',
        f'  edge [fontsize=10, fontname={_quoted(FONT)}, color="#444444", arrowsize=0.7];',
    ]
    number = 0
    # In a picture from left to right Graphviz stacks from below: the last net comes first.
    for index, cluster in reversed(list(enumerate(drawing.clusters))):
        names: dict[str, str] = {}
        for node in cluster.nodes:
            names[node.id] = f"n{number}"
            number += 1
        lines += _cluster(cluster, index, names, framed=len(drawing.clusters) > 1)
    return "\n".join([*lines, "}"]) + "\n"


def _cluster(cluster: Cluster, index: int, names: Mapping[str, str], *, framed: bool) -> list[str]:
    frame = 'style=rounded, color="#999999", margin=14' if framed else "peripheries=0"
    lines = [
        f"  subgraph cluster_{index} {{",
        f"    graph [label={_quoted(cluster.title)}, {frame}];",
    ]
    nodes = {node.id: node for node in cluster.nodes}
    found = rows(cluster)
    row_of = {node_id: number for number, row in enumerate(found) for node_id in row}
    folded = len(found) > 1
    if folded:
        # Graphviz has no rows. What holds them in order is a column of invisible nodes, each tied
        # to the first node of its row; in a picture from left to right it stacks from below.
        column = [f"row{index}_{number}" for number in reversed(range(len(found)))]
        lines.append('    { rank=same; edge [style=invis]; node [style=invis, label="",')
        lines.append("      width=0.01, height=0.01, fixedsize=true];")
        lines.append(f"      {' -> '.join(column)}; }}")
    for number, row in reversed(list(enumerate(found))):
        if folded:
            lines.append(f"    subgraph cluster_{index}_{number} {{")
            lines.append('    graph [label="", peripheries=0, margin=4];')
        lines += [f"    {names[node_id]} [{_node(nodes[node_id])}];" for node_id in row]
        if folded:
            lines.append("    }")
            lines.append(f"    row{index}_{number} -> {names[row[0]]} [style=invis, weight=100];")
    for edge in cluster.edges:
        attributes = _edge(edge)
        if row_of[edge.source] != row_of[edge.target] or edge.line in (Line.NOTE, Line.CLEAR):
            attributes["constraint"] = "false"
        shown = ", ".join(f"{key}={_value(value)}" for key, value in attributes.items())
        lines.append(f"    {names[edge.source]} -> {names[edge.target]} [{shown}];")
    return [*lines, "  }"]


def _node(node: Node, place: Mapping[str, str] | None = None) -> str:
    fill, outline, text = _FILLS[node.state]
    attributes = {"fillcolor": fill, "color": outline, "fontcolor": text}
    small = [f"● {node.tokens}" if node.tokens > 1 else "●"] if node.tokens else []
    match node.shape:
        case Shape.TASK | Shape.SEVERAL:
            if node.shape is Shape.SEVERAL:
                attributes["peripheries"] = "2"
            attributes |= {"shape": "box", "style": "rounded,filled"}
            if node.state is State.OFFERED:
                attributes["style"] = "rounded,filled,dashed"
            attributes["label"] = _label(node.title, [*node.lines, *small], text)
        case Shape.GATEWAY:
            attributes |= {"shape": "diamond", "style": "filled", "margin": "0.02"}
            attributes |= {"width": "0.5", "height": "0.5"}
            attributes["label"] = _label(node.title, small, text)
        case Shape.PATTERN:
            attributes |= {"shape": "hexagon", "style": "filled", "fontsize": "10"}
            attributes["label"] = _label(node.title, [*node.lines, *small], text)
        case Shape.NOTE:
            attributes |= {"shape": "note", "style": "filled", "fontsize": "10"}
            attributes |= {"fillcolor": "#f5f5f5", "label": _label(node.title, small, text)}
        case Shape.PLACE:
            attributes |= {"shape": "circle", "style": "filled", "fixedsize": "true"}
            attributes |= {"width": "0.34", "fontsize": "11", "xlabel": _label("", [node.title])}
            marks = "●" if node.tokens == 1 else str(node.tokens) if node.tokens else ""
            attributes["label"] = _quoted(marks)
        case Shape.BAR:
            attributes |= {"shape": "box", "style": "filled", "fontsize": "10"}
            attributes |= {"margin": "0.06,0.03", "height": "0.3"}
            if node.strong:
                attributes |= {"fillcolor": "#3d3d3d", "fontcolor": "#ffffff"}
            text = attributes["fontcolor"]
            attributes["label"] = _label(node.title, node.lines, text)
        case Shape.START:
            attributes |= {"shape": "circle", "style": "filled", "fixedsize": "true"}
            attributes |= {"width": "0.2", "height": "0.2", "fillcolor": "#333333"}
            attributes["label"] = '""'
        case Shape.END:
            attributes |= {"shape": "doublecircle", "style": "filled", "fixedsize": "true"}
            attributes |= {"width": "0.16", "height": "0.16", "fillcolor": "#333333"}
            attributes |= {"label": '""', "xlabel": _label("", [node.title] if node.title else [])}
    if node.path:
        attributes |= {"color": _PATH, "penwidth": "3"}
    attributes |= place or {}
    return ", ".join(f"{key}={_value(value)}" for key, value in attributes.items())


def _edge(edge: Edge) -> dict[str, str]:
    attributes = dict(_LINES[edge.line])
    words = _wrapped(edge.label)
    if edge.tokens:
        words = [*words, f"● {edge.tokens}" if edge.tokens > 1 else "●"]
        attributes |= {"penwidth": "2.2"}
    if words:
        attributes["label"] = "<" + "<BR/>".join(map(_markup, words)) + ">"
    if edge.path:
        attributes |= {"color": _PATH, "penwidth": "2.8"}
    return attributes


def _fitting(node: Node, width: float, height: float) -> str:
    """A title, wrapped to a width in pixels, and as many of the smaller lines as fit below it."""
    titles = _wrapped(node.title, max(8, int(width * _POINT / 6.2)))
    room = max(1, int(height * _POINT / 12))
    titles = titles[:room]
    marks = [f"● {node.tokens}" if node.tokens > 1 else "●"] if node.tokens else []
    across = max(8, int(width * _POINT / 4.9))
    small = [part for line in (*marks, *node.lines) for part in _wrapped(line, across)]
    color = _FILLS[node.state][2]
    parts = [f"<B>{_markup(part)}</B>" for part in titles]
    parts += [
        f'<FONT POINT-SIZE="9" COLOR="{color}">{_markup(part)}</FONT>'
        for part in small[: room - len(titles)]
    ]
    return "<" + "<BR/>".join(parts) + ">" if parts else '""'


def _label(title: str, lines: list[str] | tuple[str, ...] = (), color: str = "#111111") -> str:
    """A title in bold over smaller lines."""
    parts = [f"<B>{_markup(part)}</B>" for part in _wrapped(title, 28)]
    parts += [
        f'<FONT POINT-SIZE="9" COLOR="{color}">{_markup(part)}</FONT>'
        for line in lines
        for part in _wrapped(line, 30)
    ]
    return "<" + "<BR/>".join(parts) + ">" if parts else '""'


def _wrapped(text: str, width: int = 26) -> list[str]:
    """The lines of a text; a word that is too long is broken."""
    lines: list[str] = []
    for word in visible(text).split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
            continue
        lines += [word[i : i + width] for i in range(0, len(word), width)]
    return lines


def _markup(text: str) -> str:
    """A text in Graphviz's HTML-like labels."""
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, entity)
    return text


def _quoted(text: str) -> str:
    """A text in quotes, in which a backslash stands for itself."""
    escaped = visible(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _value(value: str) -> str:
    """The value of an attribute: labels are written already."""
    return value if value.startswith(("<", '"')) else _quoted(value)
