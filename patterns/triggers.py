"""Trigger patterns, WCP-23 and 24, and waiting for a time."""

from __future__ import annotations

from weft.engine.fragment import (
    Condition,
    Expression,
    Flag,
    Fragment,
    Place,
    TriggerName,
    VariableName,
    When,
    trigger_variable,
)
from weft.engine.net import Role, Wait, external, immediate
from weft.engine.registry import Attachment, Family, pattern

__all__ = ["await_", "persistent_trigger", "transient_trigger", "wait"]


def _waiting(
    wait: Wait, role: Role, input: Place, output: Place, body_input: Place, body_output: Place
) -> Fragment:
    """The task begins when something arrives; a source begins it without anything having waited."""
    passing = [immediate("leave", take=[body_output], put=[output])]
    if wait.source:
        passing.append(immediate("enter", take=[input], put=[body_input]))
        arrive = external("arrive", role=role, put=[input])
    else:
        arrive = external("arrive", role=role, take=[input], put=[body_input])
    return Fragment(
        transitions=[arrive, *passing],
        wait=wait,
    )


def _trigger(trigger: str, into: str | None, key: str | None, *, kept: bool, source: bool) -> Wait:
    if source and key is not None:
        raise ValueError(
            "with `always` nothing waits for the trigger, so there is no moment at which a key "
            "could be read: leave `key` out, and compare in a condition behind the task"
        )
    return Wait(
        name="",
        task="",
        trigger=trigger,
        kept=kept,
        key=key,
        into=into or trigger_variable(trigger),
        source=source,
    )


@pattern(
    23,
    "Transient Trigger",
    family=Family.TRIGGERS,
    attaches=Attachment.TASK,
    aliases=["signal event"],
)
def transient_trigger(
    input: Place,
    output: Place,
    body_input: Place,
    body_output: Place,
    trigger: TriggerName,
    into: VariableName | None = None,
    key: Expression | None = None,
    always: Flag = False,
) -> Fragment:
    """The task begins when a trigger comes; one that comes while nothing waits for it is lost.

    WCP-23 in Russell et al., "Workflow Control-Flow Patterns" (2006). The trigger is the firing of
    an external transition: while it is not enabled there is nothing to fire, and the sender is
    told. The trigger's data go to the variable ``into``. With ``always`` each trigger begins a
    branch, and no flow has to lead to the task.

        input ─▶ [arrive: trigger] ─▶ task ─▶ output
    """
    wait = _trigger(trigger, into, key, kept=False, source=always)
    return _waiting(wait, Role.TRIGGER, input, output, body_input, body_output)


@pattern(
    24,
    "Persistent Trigger",
    family=Family.TRIGGERS,
    attaches=Attachment.TASK,
    aliases=["message event"],
)
def persistent_trigger(
    input: Place,
    output: Place,
    body_input: Place,
    body_output: Place,
    trigger: TriggerName,
    into: VariableName | None = None,
    key: Expression | None = None,
    always: Flag = False,
) -> Fragment:
    """The task begins when a trigger has come; the case keeps it, in order, until one waits for it.

    WCP-24 in Russell et al., "Workflow Control-Flow Patterns" (2006). The net is that of a
    transient trigger: what is kept belongs to the case, beside its markings, as the items of
    tasks do. So any scope can have it, in the order of arrival and with its data, and a scope
    that ends takes nothing with it.

        (kept: first, second, …)
        input ─▶ [arrive: trigger] ─▶ task ─▶ output
    """
    wait = _trigger(trigger, into, key, kept=True, source=always)
    return _waiting(wait, Role.TRIGGER, input, output, body_input, body_output)


@pattern(None, "Wait", family=Family.TRIGGERS, attaches=Attachment.TASK, aliases=["timer"])
def wait(
    input: Place, output: Place, body_input: Place, body_output: Place, time: When
) -> Fragment:
    """The task begins when a time has come.

    The timer is set when the flow arrives, is due at a time that is computed then, and is
    cancelled when the flow is taken elsewhere: by an alternative of a deferred choice (WCP-16),
    or by a cancellation. No pattern of the catalogue; P. Merlin's time on transitions (1974).

        input ─▶ [arrive: timer] ─▶ task ─▶ output
    """
    timer = Wait(name="", task="", timing=time)
    return _waiting(timer, Role.TIMER, input, output, body_input, body_output)


@pattern(
    None,
    "Await",
    family=Family.TRIGGERS,
    attaches=Attachment.TASK,
    aliases=["conditional event"],
)
def await_(
    input: Place, output: Place, body_input: Place, body_output: Place, condition: Condition
) -> Fragment:
    """The task begins when a condition on the data holds.

    It is asked when the flow arrives, and again whenever a variable that it reads has changed.
    Nothing outside the case can make it hold but by its work items and triggers: where none of
    them is left, the case is deadlocked. No pattern of the catalogue; the conditional event of
    BPMN 2.0.

        input ─▶ [arrive: condition] ─▶ task ─▶ output
    """
    return Fragment(
        [
            immediate("arrive", take=[input], put=[body_input], when=condition),
            immediate("leave", take=[body_output], put=[output]),
        ]
    )
