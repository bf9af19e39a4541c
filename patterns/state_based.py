"""State-based patterns: WCP-16."""

from __future__ import annotations

from weft.engine.fragment import Fragment, Place, Targets
from weft.engine.registry import Attachment, Family, pattern

__all__ = ["deferred_choice"]


@pattern(
    16,
    "Deferred Choice",
    family=Family.STATE_BASED,
    attaches=Attachment.THEN,
    aliases=["event-based gateway", "pick"],
)
def deferred_choice(input: Place, branches: Targets) -> Fragment:
    """The environment decides: all branches are offered, the first to start withdraws the others.

    WCP-16 in Russell et al., "Workflow Control-Flow Patterns" (2006). All alternatives take from
    one and the same place, so starting one disables the others in the same instant; that is the
    whole of it, and why it cannot be raced.

        input ─▶ (start of branch 1) | … | (start of branch m)
    """
    return Fragment(same=dict.fromkeys(branches, input))
