"""A picture in Mermaid's language, for pages that draw it themselves."""

from __future__ import annotations

from weft.drawing.model import Drawing, Edge, Line, Node, Shape, State, visible

__all__ = ["mermaid"]

_SHAPES = {
    Shape.TASK: ('("', '")'),
    Shape.SEVERAL: ('[["', '"]]'),
    Shape.GATEWAY: ('{"', '"}'),
    Shape.PATTERN: ('{{"', '"}}'),
    Shape.PLACE: ('(("', '"))'),
    Shape.BAR: ('["', '"]'),
    Shape.START: ('(("', '"))'),
    Shape.END: ('((("', '")))'),
    Shape.NOTE: ('>"', '"]'),
}
_ARROWS = {
    Line.FLOW: "-->",
    Line.FAILURE: "-.->",
    Line.NEEDS: "-.-o",
    Line.LACKS: "--o",
    Line.CLEAR: "-.-x",
    Line.NOTE: "-.-",
}
_CLASSES = {
    State.DONE: "fill:#e3e3e3,stroke:#888888,color:#444444",
    State.OFFERED: "fill:#fff3c4,stroke:#8a6d00,stroke-dasharray:4 3,color:#111111",
    State.STARTED: "fill:#8ec7f0,stroke:#0b4f85,color:#111111",
    State.FAILED: "fill:#a3261b,stroke:#5c0f08,color:#ffffff",
}


def mermaid(drawing: Drawing) -> str:
    """The picture as a flowchart; the same picture always gives the same text."""
    lines = ["flowchart TD"]
    edges: list[str] = []
    number, framed = 0, len(drawing.clusters) > 1
    path_edges: list[int] = []
    used: dict[str, None] = {}
    for index, cluster in enumerate(drawing.clusters):
        indent = "    "
        if framed:
            lines.append(f'    subgraph c{index}["{_text(cluster.title)}"]')
            indent = "        "
        names: dict[str, str] = {}
        for node in cluster.nodes:
            names[node.id] = name = f"n{number}"
            number += 1
            classes = _classes(node)
            used |= dict.fromkeys(classes)
            lines.append(f"{indent}{name}{_node(node)}")
            lines += [f"{indent}class {name} {kind}" for kind in classes]
        if framed:
            lines.append("    end")
        for edge in cluster.edges:
            if edge.path:
                path_edges.append(len(edges))
            edges.append(f"    {names[edge.source]} {_edge(edge)} {names[edge.target]}")
    lines += edges
    definitions = {**{state.value: css for state, css in _CLASSES.items()}, **_MORE}
    lines += [f"    classDef {kind} {definitions[kind]}" for kind in used]
    if path_edges:
        shown = ",".join(map(str, path_edges))
        lines.append(f"    linkStyle {shown} stroke:#c2410c,stroke-width:3px")
    return "\n".join(lines) + "\n"


_MORE = {
    "external": "fill:#3d3d3d,stroke:#333333,color:#ffffff",
    "path": "stroke:#c2410c,stroke-width:3px",
}


def _classes(node: Node) -> list[str]:
    classes = [] if node.state is State.PLAIN else [node.state.value]
    if node.strong:
        classes.append("external")
    return [*classes, "path"] if node.path else classes


def _node(node: Node) -> str:
    parts = [_text(part) for part in (node.title, *node.lines) if part]
    if node.tokens:
        parts.append(f"● {node.tokens}" if node.tokens > 1 else "●")
    opening, closing = _SHAPES[node.shape]
    return f"{opening}{'<br/>'.join(parts) or ' '}{closing}"


def _edge(edge: Edge) -> str:
    words = [_text(edge.label)] if edge.label else []
    if edge.tokens:
        words.append(f"● {edge.tokens}" if edge.tokens > 1 else "●")
    arrow = _ARROWS[edge.line]
    return f'{arrow}|"{" ".join(words)}"|' if words else arrow


def _text(text: str) -> str:
    """A text in which nothing can be taken for Mermaid's own signs or for HTML.

    Letters, digits and a few harmless signs stay; everything else becomes its number.
    """
    return "".join(c if c.isalnum() or c in " .,:/-_…●✓" else f"#{ord(c)};" for c in visible(text))
