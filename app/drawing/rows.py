"""Folding a long picture into rows, so that a hundred tasks are not one line."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from weft.drawing.model import Cluster, Line

__all__ = ["layers", "rows"]

LONGEST = 13
"""So many layers fit in one row."""


def layers(cluster: Cluster) -> dict[str, int]:
    """The layer of each node: the length of the longest way to it, backward flows left out.

    A flow is backward when a walk from the first node, depth first, meets a node with it that it
    has not left yet.
    """
    ahead: dict[str, list[str]] = {node.id: [] for node in cluster.nodes}
    for edge in cluster.edges:
        if edge.line in (Line.FLOW, Line.FAILURE):
            ahead[edge.source].append(edge.target)
    forward: dict[str, list[str]] = {node_id: [] for node_id in ahead}
    into = dict.fromkeys(ahead, 0)
    entered: set[str] = set()
    left: set[str] = set()
    for first, targets in ahead.items():
        stack = [] if first in entered else [(first, iter(targets))]
        entered.add(first)
        while stack:
            node_id, rest = stack[-1]
            target = next(rest, None)
            if target is None:
                left.add(node_id)
                stack.pop()
            elif target not in entered or target in left:
                forward[node_id].append(target)
                into[target] += 1
                if target not in entered:
                    entered.add(target)
                    stack.append((target, iter(ahead[target])))
    layer = dict.fromkeys(ahead, 0)
    ready = deque(node_id for node_id, count in into.items() if not count)
    while ready:
        node_id = ready.popleft()
        for target in forward[node_id]:
            layer[target] = max(layer[target], layer[node_id] + 1)
            into[target] -= 1
            if not into[target]:
                ready.append(target)
    return layer


def rows(cluster: Cluster) -> list[list[str]]:
    """The nodes of a net, row by row; a row ends where few flows cross, at about even lengths.

    Where many cross everywhere (cycles through most of the net), folding would only tangle it:
    then all is one row.
    """
    layer = layers(cluster)
    deepest = max(layer.values(), default=0) + 1
    if deepest <= LONGEST:
        return [list(layer)]
    breadth = len(layer) / deepest
    length = min(16, max(7, round(math.sqrt(deepest * breadth))))
    crossing = _crossings(cluster, layer, deepest)
    cuts = [0]
    while deepest - cuts[-1] > length + 2:
        aim = cuts[-1] + length
        choices = range(aim - 2, min(aim + 3, deepest))
        cuts.append(min(choices, key=lambda cut: (crossing[cut], abs(cut - aim))))
    if any(crossing[cut] > 2 * breadth + 2 for cut in cuts[1:]):
        return [list(layer)]
    found: list[list[str]] = [[] for _ in cuts]
    for node_id, depth in layer.items():
        found[sum(cut <= depth for cut in cuts) - 1].append(node_id)
    return [sorted(row, key=layer.__getitem__) for row in found]


def _crossings(cluster: Cluster, layer: dict[str, int], deepest: int) -> Sequence[int]:
    """How many flows cross the line before each layer."""
    change = [0] * (deepest + 1)
    for edge in cluster.edges:
        low, high = sorted((layer[edge.source], layer[edge.target]))
        change[low + 1] += 1
        change[high + 1 if high < deepest else deepest] -= 1
    total, found = 0, []
    for step in change:
        total += step
        found.append(total)
    return found
