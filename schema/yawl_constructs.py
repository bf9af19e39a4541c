"""The constructs of YAWL files, and what becomes of each: one table, for the reader and its page."""

from __future__ import annotations

from typing import Final

from weft.schema.imports import Construct, Verdict

__all__ = ["CONSTRUCTS", "as_markdown"]

_RUNS, _CHANGED, _KEPT = Verdict.RUNS, Verdict.CHANGED, Verdict.KEPT

CONSTRUCTS: Final[dict[str, Construct]] = {
    "net": Construct(
        _RUNS, "a net; the root net is the case's own; it ends at its output condition"
    ),
    "condition": Construct(
        _RUNS, "a declared place; several tasks behind it are a deferred choice"
    ),
    "task with a net": Construct(_RUNS, "a composite task"),
    "task with another decomposition": Construct(
        _RUNS, "a work item that waits for somebody; not entered again while it is busy"
    ),
    "task without a decomposition": Construct(_RUNS, "an empty task: it goes on at once"),
    "task without a decomposition, as an alternative": Construct(
        _CHANGED, "behind a condition with other tasks: a work item, so that somebody can choose it"
    ),
    "join": Construct(_RUNS, "`synchronization`, `multi-merge`, `general-synchronizing-merge`"),
    "split": Construct(
        _RUNS, "`parallel-split`, `exclusive-choice`, `multi-choice`; the default flow comes last"
    ),
    "predicate": Construct(_RUNS, "XPath, told in CEL"),
    "predicate, beyond what is told in CEL": Construct(
        _CHANGED, 'whoever completes the task says where it leads: {"to": …}; else the default'
    ),
    "cancellation set": Construct(
        _RUNS,
        "`cancel-region`: conditions, the open items of tasks (`b.run`, `b.held`), flows (`a>b`)",
    ),
    "cancellation of a flow that is not there": Construct(_KEPT, "nothing can be cancelled"),
    "variables": Construct(
        _RUNS, "data of the net, of the types of XSD and of the file's own schema"
    ),
    "mapping": Construct(_RUNS, "XPath, alone or within and around elements, told in CEL"),
    "mapping, beyond what is told in CEL": Construct(
        _CHANGED, "going in: not passed; coming back: the result gives the variable by its name"
    ),
    "multiple instances": Construct(
        _RUNS,
        "an instance for each item that the splitting query makes, not less than the minimum and "
        "not more than the maximum; goes on when so many as its threshold are done",
    ),
    "multiple instances, created dynamically": Construct(
        _RUNS, "more can be added while it runs (`weft add`), up to the maximum"
    ),
    "multiple instances, as an alternative": Construct(
        _CHANGED,
        "behind a condition with other tasks: a work item, whose start chooses it, goes before",
    ),
    "multiple instances, split in a way beyond CEL": Construct(
        _CHANGED, "an instance for each item of the list, as it is"
    ),
    "multiple instances, joined in a way beyond CEL": Construct(
        _CHANGED, "the variable gets the list of the results"
    ),
    "multiple instances, over a query beyond CEL": Construct(_CHANGED, "as many as the minimum"),
    "timer of an empty task": Construct(_RUNS, "the task goes on when its time has come"),
    "timer of work": Construct(
        _RUNS, "when its time has come the work item is taken back and the flow goes on"
    ),
    "timer of work, from its start on": Construct(
        _RUNS, "the same; its time runs from the start on (`weft start`)"
    ),
    "timer, whose time cannot be read": Construct(_CHANGED, "no timer is set"),
    "decomposition that no task names": Construct(_KEPT, "is not run"),
    "all else": Construct(_KEPT, "counted in the metadata; nothing is done by it"),
}


def as_markdown() -> str:
    """The table of the documentation."""
    lines = ["| in YAWL | | how |", "| --- | --- | --- |"]
    lines += [f"| {name} | {c.verdict.value} | {c.note} |" for name, c in CONSTRUCTS.items()]
    return "\n".join(lines)
