"""The control-flow patterns, told in the engine's vocabulary: one file a family.

Numbers and names are those of Russell, ter Hofstede, van der Aalst and Mulyar, *Workflow
Control-Flow Patterns: A Revised View* (BPM-06-22, 2006). No other numbering is used.
"""

from __future__ import annotations

from weft.engine.registry import Registry
from weft.patterns import basic, branching, cancellation, iteration, state_based, termination

__all__ = ["builtin"]

_EXECUTORS = (
    *(basic.sequence, basic.parallel_split, basic.synchronization),
    *(basic.exclusive_choice, basic.simple_merge),
    *(branching.multi_choice, branching.multi_merge),
    *(iteration.arbitrary_cycles, iteration.structured_loop),
    *(state_based.deferred_choice,),
    *(cancellation.cancel_case,),
    *(termination.implicit_termination, termination.explicit_termination),
)


def builtin() -> Registry:
    """A new registry that holds the patterns that come with Weft."""
    return Registry(_EXECUTORS)
