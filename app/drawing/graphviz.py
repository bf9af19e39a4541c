"""Graphviz in this process, by pygraphviz: the layout of SVG and PNG."""

from __future__ import annotations

from contextlib import suppress

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
    # Where the nodes lie is the work of dot, unless it is known.
    layout = {"prog": "neato", "args": "-n"} if placed else {"prog": "dot"}
    if format == "png":
        # Drawn by Cairo, written by GD: with a palette, a third as long.
        with suppress(OSError, TypeError, ValueError):  # Graphviz was built without one of them
            return bytes(graph.draw(format="png:cairo:gd", **layout))
    return bytes(graph.draw(format=format, **layout))
