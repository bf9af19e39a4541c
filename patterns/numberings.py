"""Other numberings of the patterns, for people who come from elsewhere; Weft uses none of them.

The official numbers are those of the revised view (BPM-06-22, 2006), which kept the first twenty
of 2003. SpiffWorkflow, flor, Camunda's pages and the pages of workflowpatterns.com use them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

__all__ = ["NUMBERINGS", "Numbering", "elsewhere"]


@attrs.frozen
class Numbering:
    """Numbers that differ from the official ones.

    Args:
        name: Who uses them.
        source: Where they are written down.
        numbers: Each number there to the official number; what has the same is left out.
        remark: What else there is to know.
    """

    name: str
    source: str
    numbers: Mapping[int, int]
    remark: str = ""


NUMBERINGS = (
    Numbering(
        "Workflow Patterns (2003)",
        "van der Aalst, ter Hofstede, Kiepuszewski, Barros: Workflow Patterns, Distributed and "
        "Parallel Databases 14",
        {},
        "The original twenty, which the first evaluations of YAWL and BPMN count by. The same "
        "numbers 1 to 20, under older names: 7 Synchronizing Merge, 9 Discriminator, "
        "19 Cancel Activity; nothing above 20.",
    ),
    Numbering(
        "knhk",
        "its workflow engine, `patterns/advanced_control`",
        {26: 28, 27: 29, 28: 21, 29: 22, 30: 23, 31: 24, 32: 19, 33: 20, 39: 41},
        "34 to 38 are patterns of its own.",
    ),
    Numbering(
        "cre",
        "its `docs/YAWL_PATTERNS_REFERENCE.md`",
        {10: 30},
        "Its 10, called Arbitration, goes on at n of m.",
    ),
)


def elsewhere(number: int | None) -> Iterator[tuple[str, int]]:
    """Who numbers a pattern differently, and how, by its official number."""
    for numbering in NUMBERINGS:
        for theirs, official in numbering.numbers.items():
            if official == number:
                yield numbering.name, theirs
