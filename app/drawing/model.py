"""What a picture is made of, whatever it is written in: nodes, edges, and a cluster a net."""

from __future__ import annotations

import unicodedata
from enum import StrEnum

import attrs

__all__ = ["Cluster", "Drawing", "Edge", "Line", "Node", "Shape", "State", "shortened", "visible"]


class Shape(StrEnum):
    """What a node stands for."""

    TASK = "task"
    SEVERAL = "several"
    """A task of which there are many instances."""
    GATEWAY = "gateway"
    """A split or join with a symbol of one or a few characters."""
    PATTERN = "pattern"
    """A split or join that is called by its name."""
    PLACE = "place"
    BAR = "bar"
    """A transition."""
    START = "start"
    END = "end"
    NOTE = "note"


class State(StrEnum):
    """How the work of a task stands; shown by words, colour and outline."""

    PLAIN = "plain"
    DONE = "done"
    OFFERED = "offered"
    STARTED = "started"
    FAILED = "failed"


class Line(StrEnum):
    """What an edge means."""

    FLOW = "flow"
    FAILURE = "failure"
    NEEDS = "needs"
    LACKS = "lacks"
    CLEAR = "clear"
    NOTE = "note"


@attrs.frozen
class Node:
    """A node: a title, smaller lines below it, the state of its work, and its tokens.

    ``path`` marks what lies on the highlighted path. ``strong`` is for transitions that fire
    only by command.
    """

    id: str
    shape: Shape
    title: str = ""
    lines: tuple[str, ...] = ()
    state: State = State.PLAIN
    tokens: int = 0
    path: bool = False
    strong: bool = False


@attrs.frozen
class Edge:
    """An edge between two nodes; ``places`` are those of the net that it stands for."""

    source: str
    target: str
    line: Line = Line.FLOW
    label: str = ""
    tokens: int = 0
    path: bool = False
    places: tuple[str, ...] = ()


@attrs.frozen
class Cluster:
    """The picture of one net."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


@attrs.frozen
class Drawing:
    """A whole picture; the first cluster is the case's own net."""

    title: str
    clusters: tuple[Cluster, ...]


def visible(text: str) -> str:
    """A text on one line of characters that every format can hold.

    Control characters, lone surrogates and code points that stand for nothing become ``�``.
    """
    return "".join(
        " " if c in "\n\t\r" else "�" if unicodedata.category(c) in ("Cc", "Cs", "Cn") else c
        for c in text
    )


def shortened(text: str, width: int = 60) -> str:
    """A text cut to so many characters."""
    return text if len(text) <= width else text[: width - 1] + "…"
