"""Graphviz in this process, by pygraphviz: the layout of SVG and PNG."""

from __future__ import annotations

from weft.schema.errors import UsageError

__all__ = ["laid_out"]


def laid_out(text: str, format: str, *, placed: bool = False) -> bytes:
    """What Graphviz makes of a text in DOT; ``placed`` if its nodes have their places.

    Raises:
        UsageError: The extra ``draw`` is not installed.
    """
    try:
        import pygraphviz
    except ImportError as error:
        raise UsageError(
            f"{format.upper()} is drawn by Graphviz, which the extra 'draw' brings: "
            "pip install 'weft[draw]'; DOT and Mermaid (.dot, .mmd) need nothing",
            code="missing-extra",
        ) from error
    graph = pygraphviz.AGraph(string=text)
    if placed:
        kept: bytes = graph.draw(format=format, prog="neato", args="-n")
        return kept
    content: bytes = graph.draw(format=format, prog="dot")
    return content
