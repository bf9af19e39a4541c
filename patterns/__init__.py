"""The control-flow patterns, told in the engine's vocabulary: one file a family.

Numbers and names are those of Russell, ter Hofstede, van der Aalst and Mulyar, *Workflow
Control-Flow Patterns: A Revised View* (BPM-06-22, 2006). No other numbering is used.
"""

from __future__ import annotations

from weft.engine.registry import Registry
from weft.patterns import (
    basic,
    branching,
    cancellation,
    instances,
    iteration,
    state_based,
    termination,
    triggers,
)

__all__ = ["EXECUTORS", "builtin"]

EXECUTORS = (
    *(basic.sequence, basic.parallel_split, basic.synchronization),
    *(basic.exclusive_choice, basic.simple_merge),
    *(branching.multi_choice, branching.multi_merge),
    *(branching.structured_discriminator, branching.structured_partial_join),
    *(branching.blocking_discriminator, branching.blocking_partial_join),
    *(branching.cancelling_discriminator, branching.cancelling_partial_join),
    *(branching.structured_synchronizing_merge, branching.local_synchronizing_merge),
    *(branching.generalised_and_join, branching.general_synchronizing_merge),
    *(branching.thread_merge, branching.thread_split),
    *(iteration.arbitrary_cycles, iteration.structured_loop, iteration.recursion),
    iteration.start_limit,
    *(state_based.deferred_choice, state_based.milestone, state_based.critical_section),
    *(state_based.interleaved_parallel_routing, state_based.interleaved_routing),
    *(instances.unsynchronized, instances.design_time, instances.run_time),
    *(instances.open_ended, instances.static_partial_join),
    *(instances.cancelling_partial_join, instances.dynamic_partial_join),
    *(cancellation.cancel_task, cancellation.cancel_case, cancellation.cancel_region),
    *(cancellation.cancel_multiple_instance_task, cancellation.complete_multiple_instance_task),
    *(termination.implicit_termination, termination.explicit_termination),
    *(triggers.transient_trigger, triggers.persistent_trigger, triggers.wait),
    triggers.await_,
)


def builtin() -> Registry:
    """A new registry that holds the patterns that come with Weft."""
    return Registry(EXECUTORS)
