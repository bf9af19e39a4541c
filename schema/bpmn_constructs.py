"""The constructs of BPMN 2.0, and what becomes of each: one table, for the reader and its page.

Object Management Group, *Business Process Model and Notation*, version 2.0.2 (2013). The names are
those of its XML; where one element means different things, what tells them apart is added.
"""

from __future__ import annotations

from typing import Final

from weft.schema.imports import Construct, Verdict

__all__ = ["CONSTRUCTS", "as_markdown"]

_RUNS, _CHANGED, _KEPT, _REFUSED = (
    Verdict.RUNS,
    Verdict.CHANGED,
    Verdict.KEPT,
    Verdict.REFUSED,
)

CONSTRUCTS: Final[dict[str, Construct]] = {
    # ── processes ────────────────────────────────────────────────────────────────────────────
    "process": Construct(
        _RUNS,
        "the executable one is the case's own net; without one, the first that has a flow; of "
        "several, the first that no other one calls",
    ),
    "process, another one": Construct(
        _KEPT,
        "a file is one specification: only the process that is run, and those it calls, are; "
        "`--process` takes another one",
    ),
    "participant": Construct(_KEPT, "a pool is no part of the flow"),
    "messageFlow": Construct(
        _KEPT, "messages go by their names, whoever the diagram says they are from"
    ),
    "messageFlow, that names its message": Construct(
        _RUNS,
        "between two nodes of the file: its message, else its name, is what those send and wait "
        "for that name no message themselves",
    ),
    "lane": Construct(
        _RUNS,
        "its name is the role of the work in it, and in sub-processes in it, unless the work names "
        "one",
    ),
    "lane, that names nothing in it": Construct(
        _CHANGED, "what the diagram shows in it counts as being in it"
    ),
    "subProcess": Construct(
        _RUNS,
        "a net of its own; it works on a copy of the variables, written back when it completes",
    ),
    "subProcess, triggered by an event": Construct(
        _RUNS, "waits beside everything else of its process while that runs; may interrupt it"
    ),
    "subProcess, triggered by an event, without a start event": Construct(
        _CHANGED, "can never begin: it is left out"
    ),
    "subProcess, triggered by an event, that undoes a whole process": Construct(
        _CHANGED, "nothing calls a process to be undone: it is left out"
    ),
    "subProcess, without content": Construct(_CHANGED, "a work item, for somebody to do"),
    "transaction": Construct(
        _RUNS, "a sub-process; when it is cancelled the handlers of what was done in it are done"
    ),
    "adHocSubProcess": Construct(
        _CHANGED,
        "what no flow leads to in it begins at once, each once; it completes when all is done",
    ),
    "adHocSubProcess, completionCondition": Construct(
        _RUNS,
        "what is in it can be done again and again; when something is done the condition is asked, "
        "and when it holds the rest is withdrawn",
    ),
    "adHocSubProcess, completionCondition that cannot be evaluated": Construct(
        _CHANGED, "not asked"
    ),
    "adHocSubProcess, cancelRemainingInstances": Construct(
        _CHANGED, "the rest is withdrawn, even if the file says that it may be finished"
    ),
    "adHocSubProcess, ordering Sequential": Construct(_RUNS, "one at a time, in any order"),
    "callActivity": Construct(
        _RUNS, "runs the process that it names, of the file or of one given beside it, as a net"
    ),
    "callActivity, of a global task": Construct(_RUNS, "a work item, for somebody to do"),
    "callActivity, of something elsewhere": Construct(
        _CHANGED, "what it calls is in no file that was given: a work item, for somebody to do"
    ),
    # ── tasks ────────────────────────────────────────────────────────────────────────────────
    "task": Construct(_RUNS, "a work item; whoever completes it gives the values of variables"),
    "userTask": Construct(_RUNS, "a work item for a person, in the role of its potential owner"),
    "manualTask": Construct(_RUNS, "a work item for a person"),
    "serviceTask": Construct(
        _CHANGED, "a work item that a program outside completes; its role is the kind of service"
    ),
    "sendTask": Construct(_CHANGED, "a work item: whoever completes it has sent the message"),
    "sendTask, of a message that has a name": Construct(
        _RUNS, "sends the message, unless the file says which program does"
    ),
    "businessRuleTask": Construct(_CHANGED, "a work item: its completion gives the decision"),
    "scriptTask": Construct(_CHANGED, "a work item: scripts are not run"),
    "receiveTask": Construct(_RUNS, "waits for the message, a persistent trigger"),
    "receiveTask, that starts a process": Construct(
        _RUNS, "an event of that name on the bus starts a case; its data are the variables"
    ),
    "startQuantity": Construct(_CHANGED, "one token begins the activity"),
    "completionQuantity": Construct(_CHANGED, "one token goes on"),
    "standardLoopCharacteristics": Construct(_RUNS, "a structured loop"),
    "standardLoopCharacteristics, without a condition that can be evaluated": Construct(
        _CHANGED, 'is done again while its result says so: {"again": true}'
    ),
    "standardLoopCharacteristics, loopMaximum": Construct(
        _RUNS, "done so often and no more, whatever the condition says"
    ),
    "multiInstanceLoopCharacteristics": Construct(
        _RUNS, "many instances: a number, or one for each item of a list; in parallel or in order"
    ),
    "multiInstanceLoopCharacteristics, without a number": Construct(
        _CHANGED, "instances are added while it runs (weft add), until it is sealed (weft seal)"
    ),
    "multiInstanceLoopCharacteristics, completionCondition": Construct(
        _RUNS, "asked after each instance; when it holds the rest is withdrawn"
    ),
    "multiInstanceLoopCharacteristics, completionCondition that cannot be evaluated": Construct(
        _CHANGED, "not asked: it completes when all instances have"
    ),
    "multiInstanceLoopCharacteristics, output": Construct(
        _RUNS, "the list of what the instances have given, in their order"
    ),
    "multiInstanceLoopCharacteristics, an output that cannot be told": Construct(
        _CHANGED, "the results are in the variable that bears the task's name"
    ),
    "multiInstanceLoopCharacteristics, behavior": Construct(
        _CHANGED, "no event is thrown when an instance is done"
    ),
    # ── gateways and flows ───────────────────────────────────────────────────────────────────
    "sequenceFlow": Construct(_RUNS, "a flow"),
    "conditionExpression": Construct(_RUNS, "evaluated as CEL"),
    "conditionExpression, that cannot be evaluated": Construct(
        _CHANGED, "somebody decides: a work item asks where the flow goes"
    ),
    "exclusiveGateway": Construct(_RUNS, "the first condition that holds, in the file's order"),
    "exclusiveGateway, without conditions": Construct(
        _CHANGED, "somebody decides: a work item asks which flow is taken"
    ),
    "parallelGateway": Construct(_RUNS, "waits for all flows, begins all flows"),
    "inclusiveGateway": Construct(
        _RUNS, "waits for every flow that can still bring a token; begins all that hold"
    ),
    "inclusiveGateway, without conditions": Construct(
        _CHANGED, "somebody decides: a work item asks which flows are taken"
    ),
    "eventBasedGateway": Construct(_RUNS, "whatever happens first withdraws the others"),
    "eventBasedGateway, that starts a process": Construct(
        _RUNS,
        "a message or signal that it waits for starts a case, which goes on behind that; one that "
        "is started from outside waits there",
    ),
    "eventBasedGateway, of the type Parallel": Construct(
        _RUNS, "all events are waited for, and each is passed by itself"
    ),
    "complexGateway": Construct(
        _CHANGED, "goes on at the n-th token where its condition says n; splits as an inclusive one"
    ),
    "complexGateway, whose condition names no number": Construct(
        _CHANGED, "goes on as an inclusive one does; a number can be told: activationCount >= 2"
    ),
    # ── events: where ────────────────────────────────────────────────────────────────────────
    "startEvent": Construct(_RUNS, "where a case begins"),
    "startEvent, one of several": Construct(
        _CHANGED, "the variable start_event says which one it is, the first if nothing is said"
    ),
    "startEvent, message or signal": Construct(
        _RUNS, "an event of that name on the bus starts a case; its data are the variables"
    ),
    "startEvent, timer": Construct(_RUNS, "a schedule, if it is a cron expression"),
    "startEvent, of another kind": Construct(_CHANGED, "the case is started from outside"),
    "endEvent": Construct(_RUNS, "this thread is done"),
    "intermediateThrowEvent": Construct(_RUNS, "does what it names, and is passed"),
    "intermediateCatchEvent": Construct(_RUNS, "waits for what it names"),
    "boundaryEvent": Construct(
        _RUNS, "waits beside its activity; interrupts it, or begins a branch each time"
    ),
    "boundaryEvent, of a sub-process that an event triggers": Construct(
        _CHANGED, "the standard has none there: it is left out"
    ),
    # ── events: what ─────────────────────────────────────────────────────────────────────────
    "timerEventDefinition": Construct(_RUNS, "a duration or a date"),
    "timerEventDefinition, from the data": Construct(
        _RUNS, "an expression, in JUEL or FEEL, that is evaluated when it begins to wait"
    ),
    "timerEventDefinition, timeCycle": Construct(
        _RUNS,
        "where it does not interrupt again and again, or so often as it says; else the first time",
    ),
    "timerEventDefinition, timeCycle of more than 20 times": Construct(
        _CHANGED, "where it does not interrupt again and again, without an end"
    ),
    "timerEventDefinition, without a time": Construct(
        _CHANGED, "no time can be read: waits for a trigger with the name of the event"
    ),
    "messageEventDefinition": Construct(_RUNS, "caught: a persistent trigger"),
    "messageEventDefinition, thrown": Construct(
        _RUNS, "goes by its name to one case that waits for it, or starts one; variables go with it"
    ),
    "messageEventDefinition, thrown, without a name": Construct(
        _CHANGED, "passed: it does not say which message is sent"
    ),
    "correlation": Construct(
        _RUNS, "the key by which a message finds its receiver: the first property, as a text"
    ),
    "correlation, that cannot be evaluated": Construct(
        _CHANGED, "the message is told by its name alone"
    ),
    "signalEventDefinition": Construct(_RUNS, "caught: a transient trigger"),
    "signalEventDefinition, thrown": Construct(
        _RUNS, "goes by its name to all that wait for it, and starts cases; variables go with it"
    ),
    "signalEventDefinition, thrown, without a name": Construct(
        _CHANGED, "passed: it does not say which signal is sent"
    ),
    "errorEventDefinition": Construct(
        _RUNS, "thrown: the net fails with its code; caught: the error branch for that code"
    ),
    "signalEventDefinition, of what is not declared": Construct(
        _CHANGED, "the reference is the name of the signal, as several engines have it"
    ),
    "errorEventDefinition, of what is not declared": Construct(
        _CHANGED, "the reference is the code of the error, as several engines have it"
    ),
    "escalationEventDefinition": Construct(
        _RUNS, "caught: interrupts what threw it, or begins a branch each time that it is thrown"
    ),
    "escalationEventDefinition, that nothing in the process throws": Construct(
        _CHANGED, "a persistent trigger, from outside the case"
    ),
    "escalationEventDefinition, thrown": Construct(
        _RUNS,
        "goes to the nearest event around that catches it: of an event sub-process, or at the "
        "boundary of a sub-process",
    ),
    "escalationEventDefinition, thrown, caught by nobody": Construct(
        _RUNS, "passed, as the standard has it"
    ),
    "conditionalEventDefinition": Construct(
        _RUNS,
        "occurs when its condition holds, of variables that have a value; one in the flow also when "
        "it is triggered by its name",
    ),
    "conditionalEventDefinition, that does not interrupt": Construct(
        _RUNS, "begins its branch each time that its condition begins to hold"
    ),
    "conditionalEventDefinition, that cannot be evaluated": Construct(
        _CHANGED, "waits for a trigger with the name of the event: say when the condition holds"
    ),
    "event without a definition": Construct(
        _CHANGED, "waits for a trigger with the name of the event"
    ),
    "linkEventDefinition": Construct(_RUNS, "a flow to the event that catches the link"),
    "terminateEventDefinition": Construct(_RUNS, "ends its process or sub-process at once"),
    "cancelEventDefinition": Construct(
        _RUNS,
        "thrown: what was done is undone, and the transaction fails; caught: the branch for that",
    ),
    "compensateEventDefinition, caught": Construct(
        _RUNS, "the activity with its handler: what has been done can be undone"
    ),
    "compensateEventDefinition, of a sub-process": Construct(
        _RUNS, "an event sub-process in it that begins by compensation is its handler"
    ),
    "compensateEventDefinition, without a handler": Construct(
        _CHANGED, "no association leads to what undoes the activity: it is left out"
    ),
    "compensateEventDefinition, thrown": Construct(
        _CHANGED,
        "the handlers of what was done in its process or sub-process, one after the other, the "
        "last activity of the flow first; each once, however often it was done",
    ),
    "compensateEventDefinition, thrown where nothing has a handler": Construct(
        _CHANGED, "a work item asks somebody to undo what was done"
    ),
    "multiple event definitions": Construct(_RUNS, "whatever comes first"),
    "multiple event definitions, parallelMultiple": Construct(
        _RUNS, "when all have come; errors and starts of processes each by itself"
    ),
    "multiple event definitions, thrown": Construct(_RUNS, "one after the other"),
    # ── what is beside the flow ──────────────────────────────────────────────────────────────
    "isForCompensation": Construct(_RUNS, "done when the activity that it undoes is undone"),
    "isForCompensation, of no activity": Construct(
        _CHANGED, "no compensation event refers to it: it is left out"
    ),
    "what no flow leads to": Construct(_CHANGED, "can never begin: it is left out"),
    "dataObject": Construct(_RUNS, "a variable"),
    "property": Construct(_RUNS, "a variable"),
    "data associations": Construct(_KEPT, "variables are seen by all tasks of their process"),
    "dataStoreReference": Construct(_KEPT, "data outside the case are the business of tasks"),
    "artifacts": Construct(_KEPT, "annotations, groups and associations are for readers"),
    "extensions": Construct(_KEPT, "what a vendor adds is for the vendor's engine"),
    "diagram": Construct(_KEPT, "the positions are kept, for pictures"),
    "choreography": Construct(_REFUSED, "it has no process: nobody would perform it"),
    "choreography, beside a process": Construct(_KEPT, "it is no part of the flow"),
}


def as_markdown() -> str:
    """The table of the documentation."""
    lines = ["| construct | | how, or why |", "| --- | --- | --- |"]
    for name, construct in CONSTRUCTS.items():
        element, comma, rest = name.partition(",")
        code = f"`{element}`" if " " not in element else element
        lines.append(f"| {code}{comma}{rest} | {construct.verdict.value} | {construct.note} |")
    return "\n".join(lines)
