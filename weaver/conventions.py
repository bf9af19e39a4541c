"""The telemetry of https://weft.example/schemas/0.1.0: generated from the registry, do not edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Required, TypedDict

SCHEMA_URL: Final = "https://weft.example/schemas/0.1.0"

# Attributes.

ERROR_TYPE: Final = "error.type"
"""The class of the error that something ended with. (enum)"""


class ErrorTypeValues:
    """Known values of ``error.type``."""

    OTHER: Final = "_OTHER"
    """An error that has no class."""

    DEFINITION_ERROR: Final = "DefinitionError"
    """The author of a definition has to act."""

    DEFINITION_ERRORS: Final = "DefinitionErrors"
    """The author of a definition with several faults has to act."""

    COMMAND_REJECTED: Final = "CommandRejected"
    """The caller has to act; what was asked does not fit the state."""

    USAGE_ERROR: Final = "UsageError"
    """The caller has to act; an argument is wrong."""

    WORK_FAILED: Final = "WorkFailed"
    """The code or command of a task failed."""

    JOURNAL_ERROR: Final = "JournalError"
    """The operator has to act; store or disk or network."""

    INTERNAL_ERROR: Final = "InternalError"
    """The developers of Weft have to act."""

    DEADLOCK: Final = "deadlock"
    """Nothing could happen any more and work was left."""

    INTERRUPTED: Final = "interrupted"
    """The process that made an attempt went away."""


OTEL_METRIC_OVERFLOW: Final = "otel.metric.overflow"
"""That a point of a metric stands for all sets of attributes beyond the limit of its cardinality; it has no other attributes. (boolean)"""

SERVICE_INSTANCE_ID: Final = "service.instance.id"
"""Tells this process of the program from others. (string)"""

SERVICE_NAME: Final = "service.name"
"""The logical name of the program. (string)"""

SERVICE_VERSION: Final = "service.version"
"""The version of the program. (string)"""

TELEMETRY_SDK_LANGUAGE: Final = "telemetry.sdk.language"
"""The language of the SDK that telemetry is made with. (string)"""

TELEMETRY_SDK_NAME: Final = "telemetry.sdk.name"
"""The name of the SDK that telemetry is made with. (string)"""

TELEMETRY_SDK_VERSION: Final = "telemetry.sdk.version"
"""The version of the SDK that telemetry is made with. (string)"""

WEFT_CASE_ID: Final = "weft.case.id"
"""The id of the case, unique in its store. (string)"""

WEFT_CASE_STATUS: Final = "weft.case.status"
"""Where a case stands. (enum)"""


class WeftCaseStatusValues:
    """Known values of ``weft.case.status``."""

    RUNNING: Final = "running"
    """It goes on."""

    SUSPENDED: Final = "suspended"
    """It starts no new work until it is resumed."""

    COMPLETED: Final = "completed"
    """It is done."""

    FAILED: Final = "failed"
    """It stopped on an error; it can be resumed."""

    CANCELLED: Final = "cancelled"
    """It was cancelled."""

    DEADLOCKED: Final = "deadlocked"
    """Nothing can happen any more and work is left."""


WEFT_CASE_STRETCH: Final = "weft.case.stretch"
"""How many times the case had failed or deadlocked and gone on before. (int)"""

WEFT_ERROR_CODE: Final = "weft.error.code"
"""The stable word for an error that programs compare. (string)"""

WEFT_EVENT_SEQUENCE: Final = "weft.event.sequence"
"""The number of an event in the journal of its case, from 1. (int)"""

WEFT_INSTANCE_COMPLETED: Final = "weft.instance.completed"
"""How many instances were completed. (int)"""

WEFT_INSTANCE_COUNT: Final = "weft.instance.count"
"""How many instances there are. (int)"""

WEFT_INSTANCE_INDEX: Final = "weft.instance.index"
"""The number of an instance of a multiple-instance task. (int)"""

WEFT_NET_HASH: Final = "weft.net.hash"
"""The hash of the compiled net that the case has pinned. (string)"""

WEFT_NET_NAME: Final = "weft.net.name"
"""The name of a net within its specification. (string)"""

WEFT_PARTICIPANT: Final = "weft.participant"
"""The person or program that acted on a case or a work item. (string)"""

WEFT_PATTERN_NAME: Final = "weft.pattern.name"
"""A control-flow pattern that a specification asks for. (enum)"""


class WeftPatternNameValues:
    """Known values of ``weft.pattern.name``."""

    SEQUENCE: Final = "sequence"
    """Pattern 1, Sequence."""

    PARALLEL_SPLIT: Final = "parallel-split"
    """Pattern 2, Parallel Split."""

    SYNCHRONIZATION: Final = "synchronization"
    """Pattern 3, Synchronization."""

    EXCLUSIVE_CHOICE: Final = "exclusive-choice"
    """Pattern 4, Exclusive Choice."""

    SIMPLE_MERGE: Final = "simple-merge"
    """Pattern 5, Simple Merge."""

    MULTI_CHOICE: Final = "multi-choice"
    """Pattern 6, Multi-Choice."""

    STRUCTURED_SYNCHRONIZING_MERGE: Final = "structured-synchronizing-merge"
    """Pattern 7, Structured Synchronizing Merge."""

    MULTI_MERGE: Final = "multi-merge"
    """Pattern 8, Multi-Merge."""

    STRUCTURED_DISCRIMINATOR: Final = "structured-discriminator"
    """Pattern 9, Structured Discriminator."""

    ARBITRARY_CYCLES: Final = "arbitrary-cycles"
    """Pattern 10, Arbitrary Cycles."""

    IMPLICIT_TERMINATION: Final = "implicit-termination"
    """Pattern 11, Implicit Termination."""

    MULTIPLE_INSTANCES_WITHOUT_SYNCHRONIZATION: Final = "multiple-instances-without-synchronization"
    """Pattern 12, Multiple Instances without Synchronization."""

    MULTIPLE_INSTANCES_WITH_A_PRIORI_DESIGN_TIME_KNOWLEDGE: Final = (
        "multiple-instances-with-a-priori-design-time-knowledge"
    )
    """Pattern 13, Multiple Instances with a Priori Design-Time Knowledge."""

    MULTIPLE_INSTANCES_WITH_A_PRIORI_RUN_TIME_KNOWLEDGE: Final = (
        "multiple-instances-with-a-priori-run-time-knowledge"
    )
    """Pattern 14, Multiple Instances with a Priori Run-Time Knowledge."""

    MULTIPLE_INSTANCES_WITHOUT_A_PRIORI_RUN_TIME_KNOWLEDGE: Final = (
        "multiple-instances-without-a-priori-run-time-knowledge"
    )
    """Pattern 15, Multiple Instances without a Priori Run-Time Knowledge."""

    DEFERRED_CHOICE: Final = "deferred-choice"
    """Pattern 16, Deferred Choice."""

    INTERLEAVED_PARALLEL_ROUTING: Final = "interleaved-parallel-routing"
    """Pattern 17, Interleaved Parallel Routing."""

    MILESTONE: Final = "milestone"
    """Pattern 18, Milestone."""

    CANCEL_TASK: Final = "cancel-task"
    """Pattern 19, Cancel Task."""

    CANCEL_CASE: Final = "cancel-case"
    """Pattern 20, Cancel Case."""

    STRUCTURED_LOOP: Final = "structured-loop"
    """Pattern 21, Structured Loop."""

    RECURSION: Final = "recursion"
    """Pattern 22, Recursion."""

    TRANSIENT_TRIGGER: Final = "transient-trigger"
    """Pattern 23, Transient Trigger."""

    PERSISTENT_TRIGGER: Final = "persistent-trigger"
    """Pattern 24, Persistent Trigger."""

    CANCEL_REGION: Final = "cancel-region"
    """Pattern 25, Cancel Region."""

    CANCEL_MULTIPLE_INSTANCE_TASK: Final = "cancel-multiple-instance-task"
    """Pattern 26, Cancel Multiple Instance Task."""

    COMPLETE_MULTIPLE_INSTANCE_TASK: Final = "complete-multiple-instance-task"
    """Pattern 27, Complete Multiple Instance Task."""

    BLOCKING_DISCRIMINATOR: Final = "blocking-discriminator"
    """Pattern 28, Blocking Discriminator."""

    CANCELLING_DISCRIMINATOR: Final = "cancelling-discriminator"
    """Pattern 29, Cancelling Discriminator."""

    STRUCTURED_PARTIAL_JOIN: Final = "structured-partial-join"
    """Pattern 30, Structured Partial Join."""

    BLOCKING_PARTIAL_JOIN: Final = "blocking-partial-join"
    """Pattern 31, Blocking Partial Join."""

    CANCELLING_PARTIAL_JOIN: Final = "cancelling-partial-join"
    """Pattern 32, Cancelling Partial Join."""

    GENERALISED_AND_JOIN: Final = "generalised-and-join"
    """Pattern 33, Generalised AND-Join."""

    STATIC_PARTIAL_JOIN_FOR_MULTIPLE_INSTANCES: Final = "static-partial-join-for-multiple-instances"
    """Pattern 34, Static Partial Join for Multiple Instances."""

    CANCELLING_PARTIAL_JOIN_FOR_MULTIPLE_INSTANCES: Final = (
        "cancelling-partial-join-for-multiple-instances"
    )
    """Pattern 35, Cancelling Partial Join for Multiple Instances."""

    DYNAMIC_PARTIAL_JOIN_FOR_MULTIPLE_INSTANCES: Final = (
        "dynamic-partial-join-for-multiple-instances"
    )
    """Pattern 36, Dynamic Partial Join for Multiple Instances."""

    LOCAL_SYNCHRONIZING_MERGE: Final = "local-synchronizing-merge"
    """Pattern 37, Local Synchronizing Merge."""

    GENERAL_SYNCHRONIZING_MERGE: Final = "general-synchronizing-merge"
    """Pattern 38, General Synchronizing Merge."""

    CRITICAL_SECTION: Final = "critical-section"
    """Pattern 39, Critical Section."""

    INTERLEAVED_ROUTING: Final = "interleaved-routing"
    """Pattern 40, Interleaved Routing."""

    THREAD_MERGE: Final = "thread-merge"
    """Pattern 41, Thread Merge."""

    THREAD_SPLIT: Final = "thread-split"
    """Pattern 42, Thread Split."""

    EXPLICIT_TERMINATION: Final = "explicit-termination"
    """Pattern 43, Explicit Termination."""

    START_LIMIT: Final = "start-limit"
    """Start Limit, beside the numbered patterns."""

    WAIT: Final = "wait"
    """Wait, beside the numbered patterns."""

    AWAIT: Final = "await"
    """Await, beside the numbered patterns."""


WEFT_REASON: Final = "weft.reason"
"""Why somebody did it, in their words. (string)"""

WEFT_SCOPE_CLOSED: Final = "weft.scope.closed"
"""The numbers of the live nets that ended with this. (int[])"""

WEFT_SCOPE_ID: Final = "weft.scope.id"
"""The number of a live net within its case; 0 is the case's own. (int)"""

WEFT_SPECIFICATION_NAME: Final = "weft.specification.name"
"""The name of the specification that the case runs by. (string)"""

WEFT_SPECIFICATION_VERSION: Final = "weft.specification.version"
"""The version of the specification that the case runs by. (string)"""

WEFT_TASK_CONNECTOR: Final = "weft.task.connector"
"""What performs the task, the kind of its connector; `net` for a net below, `none` for nobody. (string)"""

WEFT_TASK_NAME: Final = "weft.task.name"
"""The name of the task in its net. (string)"""

WEFT_TELEMETRY_DROP_REASON: Final = "weft.telemetry.drop_reason"
"""Why telemetry was dropped. (enum)"""


class WeftTelemetryDropReasonValues:
    """Known values of ``weft.telemetry.drop_reason``."""

    QUEUE_FULL: Final = "queue_full"
    """More came than was taken away."""

    EXPORT_FAILED: Final = "export_failed"
    """The exporter failed."""

    CLOSED: Final = "closed"
    """There was no time left to export it."""


WEFT_TELEMETRY_SIGNAL: Final = "weft.telemetry.signal"
"""A kind of telemetry. (enum)"""


class WeftTelemetrySignalValues:
    """Known values of ``weft.telemetry.signal``."""

    TRACES: Final = "traces"
    """Spans."""

    METRICS: Final = "metrics"
    """Points of metrics."""

    LOGS: Final = "logs"
    """Log records."""


WEFT_TIMER_DELAY: Final = "weft.timer.delay"
"""After how many seconds a timer is due. (double)"""

WEFT_TOKEN_CLEARED: Final = "weft.token.cleared"
"""How many tokens were removed by reset arcs. (int)"""

WEFT_TOKEN_DROPPED: Final = "weft.token.dropped"
"""How many tokens were still there when the net ended. (int)"""

WEFT_TRANSITION_NAME: Final = "weft.transition.name"
"""The name of a transition in its net. (string)"""

WEFT_TRIGGER_NAME: Final = "weft.trigger.name"
"""The name of a trigger. (string)"""

WEFT_TRIGGER_UNREAD: Final = "weft.trigger.unread"
"""How many triggers that were kept nothing has consumed. (int)"""

WEFT_WAIT_ID: Final = "weft.wait.id"
"""The id of a wait for a trigger or a time, unique in its case. (string)"""

WEFT_WAIT_KIND: Final = "weft.wait.kind"
"""What is waited for. (enum)"""


class WeftWaitKindValues:
    """Known values of ``weft.wait.kind``."""

    TIMER: Final = "timer"
    """A time."""

    TRIGGER: Final = "trigger"
    """A trigger."""


WEFT_WAIT_OUTCOME: Final = "weft.wait.outcome"
"""How a wait ended. (enum)"""


class WeftWaitOutcomeValues:
    """Known values of ``weft.wait.outcome``."""

    CAME: Final = "came"
    """The trigger or the time came."""

    LEFT: Final = "left"
    """What had waited has gone another way."""


WEFT_WORK_ITEM_ATTEMPT: Final = "weft.work_item.attempt"
"""The number of the attempt at a work item, from 1. (int)"""

WEFT_WORK_ITEM_ATTEMPTS: Final = "weft.work_item.attempts"
"""How many attempts at a work item there were. (int)"""

WEFT_WORK_ITEM_CANCELLED: Final = "weft.work_item.cancelled"
"""The ids of the work items that ended with this. (string[])"""

WEFT_WORK_ITEM_CRASHED: Final = "weft.work_item.crashed"
"""Whether the attempt before this one ended with the death of its engine. (boolean)"""

WEFT_WORK_ITEM_ID: Final = "weft.work_item.id"
"""The id of the work item, unique in its case. (string)"""

WEFT_WORK_ITEM_INTERRUPTED: Final = "weft.work_item.interrupted"
"""Whether the attempt before this one was interrupted, as by a crash. (boolean)"""

WEFT_WORK_ITEM_OUTCOME: Final = "weft.work_item.outcome"
"""How a work item ended. (enum)"""


class WeftWorkItemOutcomeValues:
    """Known values of ``weft.work_item.outcome``."""

    COMPLETED: Final = "completed"
    """It is done."""

    GIVEN_UP: Final = "given_up"
    """It failed for good; the flow took its error branch."""

    WITHDRAWN: Final = "withdrawn"
    """It was cancelled before anybody began."""

    CANCELLED: Final = "cancelled"
    """It was cancelled after it had begun."""

    STOPPED: Final = "stopped"
    """Its case stopped on an error or a deadlock while it was open."""


WEFT_WORK_ITEM_RETRY_DELAY: Final = "weft.work_item.retry_delay"
"""After how many seconds the next attempt is due. (double)"""

WEFT_WORK_ITEM_TIMED_OUT: Final = "weft.work_item.timed_out"
"""Whether a work item is given up because it was not done in time. (boolean)"""

# Metrics.

METRIC_PROCESS_MEMORY_USAGE: Final = "process.memory.usage"
"""The amount of physical memory in use by the process that runs the engine."""
METRIC_PROCESS_MEMORY_USAGE_UNIT: Final = "By"

METRIC_WEFT_ATTEMPT_DURATION: Final = "weft.attempt.duration"
"""How long attempts at work items took."""
METRIC_WEFT_ATTEMPT_DURATION_UNIT: Final = "s"
WeftAttemptDurationMetricAttributes = TypedDict(
    "WeftAttemptDurationMetricAttributes",
    {
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.task.connector": Required[str],
        "error.type": str,
    },
    total=False,
)

METRIC_WEFT_CASE_ACTIVE: Final = "weft.case.active"
"""The number of cases that this process drives and that have not ended or stopped."""
METRIC_WEFT_CASE_ACTIVE_UNIT: Final = "{case}"
WeftCaseActiveMetricAttributes = TypedDict(
    "WeftCaseActiveMetricAttributes",
    {
        "weft.specification.name": Required[str],
    },
    total=False,
)

METRIC_WEFT_CASE_DURATION: Final = "weft.case.duration"
"""How long cases took from their start (or from when they were resumed) to their end."""
METRIC_WEFT_CASE_DURATION_UNIT: Final = "s"
WeftCaseDurationMetricAttributes = TypedDict(
    "WeftCaseDurationMetricAttributes",
    {
        "weft.specification.name": Required[str],
        "weft.case.status": Required[str],
    },
    total=False,
)

METRIC_WEFT_CASE_ENDED: Final = "weft.case.ended"
"""The number of cases that completed, failed, deadlocked or were cancelled."""
METRIC_WEFT_CASE_ENDED_UNIT: Final = "{case}"
WeftCaseEndedMetricAttributes = TypedDict(
    "WeftCaseEndedMetricAttributes",
    {
        "weft.specification.name": Required[str],
        "weft.case.status": Required[str],
        "error.type": str,
    },
    total=False,
)

METRIC_WEFT_CASE_STARTED: Final = "weft.case.started"
"""The number of cases that were started."""
METRIC_WEFT_CASE_STARTED_UNIT: Final = "{case}"
WeftCaseStartedMetricAttributes = TypedDict(
    "WeftCaseStartedMetricAttributes",
    {
        "weft.specification.name": Required[str],
    },
    total=False,
)

METRIC_WEFT_ENGINE_EVENTS: Final = "weft.engine.events"
"""The number of events that were made durable."""
METRIC_WEFT_ENGINE_EVENTS_UNIT: Final = "{event}"
WeftEngineEventsMetricAttributes = TypedDict(
    "WeftEngineEventsMetricAttributes",
    {
        "weft.specification.name": Required[str],
    },
    total=False,
)

METRIC_WEFT_ENGINE_FIRINGS: Final = "weft.engine.firings"
"""The number of transitions that fired."""
METRIC_WEFT_ENGINE_FIRINGS_UNIT: Final = "{firing}"
WeftEngineFiringsMetricAttributes = TypedDict(
    "WeftEngineFiringsMetricAttributes",
    {
        "weft.specification.name": Required[str],
    },
    total=False,
)

METRIC_WEFT_ENGINE_LOOP_LAG: Final = "weft.engine.loop.lag"
"""How late the event loop of the engine runs what is due."""
METRIC_WEFT_ENGINE_LOOP_LAG_UNIT: Final = "s"

METRIC_WEFT_ENGINE_QUEUE_DEPTH: Final = "weft.engine.queue.depth"
"""The number of attempts that wait for room to run."""
METRIC_WEFT_ENGINE_QUEUE_DEPTH_UNIT: Final = "{attempt}"

METRIC_WEFT_JOURNAL_COMMIT_DURATION: Final = "weft.journal.commit.duration"
"""How long it took until a batch of events was durable."""
METRIC_WEFT_JOURNAL_COMMIT_DURATION_UNIT: Final = "s"

METRIC_WEFT_PATTERN_USED: Final = "weft.pattern.used"
"""The number of cases that were started by a specification that asks for the pattern."""
METRIC_WEFT_PATTERN_USED_UNIT: Final = "{case}"
WeftPatternUsedMetricAttributes = TypedDict(
    "WeftPatternUsedMetricAttributes",
    {
        "weft.specification.name": Required[str],
        "weft.pattern.name": Required[str],
    },
    total=False,
)

METRIC_WEFT_TELEMETRY_DROPPED: Final = "weft.telemetry.dropped"
"""The number of spans, log records and collections of metrics that were not exported."""
METRIC_WEFT_TELEMETRY_DROPPED_UNIT: Final = "{item}"
WeftTelemetryDroppedMetricAttributes = TypedDict(
    "WeftTelemetryDroppedMetricAttributes",
    {
        "weft.telemetry.signal": Required[str],
        "weft.telemetry.drop_reason": Required[str],
    },
    total=False,
)

METRIC_WEFT_WORK_ITEM_ACTIVE: Final = "weft.work_item.active"
"""The number of work items that were offered or begun by this process and are not over."""
METRIC_WEFT_WORK_ITEM_ACTIVE_UNIT: Final = "{item}"
WeftWorkItemActiveMetricAttributes = TypedDict(
    "WeftWorkItemActiveMetricAttributes",
    {
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
    },
    total=False,
)

METRIC_WEFT_WORK_ITEM_DURATION: Final = "weft.work_item.duration"
"""How long work items took from their offer (or begin) to their end."""
METRIC_WEFT_WORK_ITEM_DURATION_UNIT: Final = "s"
WeftWorkItemDurationMetricAttributes = TypedDict(
    "WeftWorkItemDurationMetricAttributes",
    {
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.work_item.outcome": Required[str],
    },
    total=False,
)

METRIC_WEFT_WORK_ITEM_ENDED: Final = "weft.work_item.ended"
"""The number of work items that are over, by how they ended."""
METRIC_WEFT_WORK_ITEM_ENDED_UNIT: Final = "{item}"
WeftWorkItemEndedMetricAttributes = TypedDict(
    "WeftWorkItemEndedMetricAttributes",
    {
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.work_item.outcome": Required[str],
    },
    total=False,
)

METRIC_WEFT_WORK_ITEM_STARTED: Final = "weft.work_item.started"
"""The number of work items whose first attempt was begun."""
METRIC_WEFT_WORK_ITEM_STARTED_UNIT: Final = "{item}"
WeftWorkItemStartedMetricAttributes = TypedDict(
    "WeftWorkItemStartedMetricAttributes",
    {
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
    },
    total=False,
)

# Spans.

SPAN_WEFT_ACTIVATION: Final = "weft.activation"
"""The instances of a multiple-instance task, from when they began until they are collected."""
WeftActivationSpanAttributes = TypedDict(
    "WeftActivationSpanAttributes",
    {
        "weft.case.id": Required[str],
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.scope.id": Required[int],
        "weft.instance.count": Required[int],
        "weft.instance.completed": Required[int],
    },
    total=False,
)

SPAN_WEFT_ATTEMPT: Final = "weft.attempt"
"""One attempt at a work item."""
WeftAttemptSpanAttributes = TypedDict(
    "WeftAttemptSpanAttributes",
    {
        "weft.case.id": Required[str],
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.task.connector": Required[str],
        "weft.work_item.id": Required[str],
        "weft.work_item.attempt": Required[int],
        "error.type": str,
        "weft.error.code": str,
    },
    total=False,
)

SPAN_WEFT_CASE: Final = "weft.case"
"""A case, from its start to its end."""
WeftCaseSpanAttributes = TypedDict(
    "WeftCaseSpanAttributes",
    {
        "weft.case.id": Required[str],
        "weft.case.status": Required[str],
        "weft.case.stretch": Required[int],
        "weft.specification.name": Required[str],
        "weft.specification.version": Required[str],
        "weft.net.hash": Required[str],
        "error.type": str,
        "weft.error.code": str,
    },
    total=False,
)

SPAN_WEFT_WAIT: Final = "weft.wait"
"""A wait for a trigger or a time."""
WeftWaitSpanAttributes = TypedDict(
    "WeftWaitSpanAttributes",
    {
        "weft.case.id": Required[str],
        "weft.specification.name": Required[str],
        "weft.scope.id": Required[int],
        "weft.wait.id": Required[str],
        "weft.wait.kind": Required[str],
        "weft.wait.outcome": Required[str],
    },
    total=False,
)

SPAN_WEFT_WORK_ITEM: Final = "weft.work_item"
"""A work item, from when it was offered (or began) to its end."""
WeftWorkItemSpanAttributes = TypedDict(
    "WeftWorkItemSpanAttributes",
    {
        "weft.case.id": Required[str],
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.task.connector": Required[str],
        "weft.work_item.id": Required[str],
        "weft.work_item.outcome": Required[str],
        "weft.work_item.attempts": Required[int],
        "weft.scope.id": Required[int],
        "weft.instance.index": int,
        "weft.participant": str,
        "error.type": str,
        "weft.error.code": str,
    },
    total=False,
)

# Events.

EVENT_WEFT_CASE_CANCELLED: Final = "weft.case.cancelled"
"""A case was cancelled."""
WeftCaseCancelledEventAttributes = TypedDict(
    "WeftCaseCancelledEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.participant": str,
        "weft.reason": str,
        "weft.specification.name": Required[str],
    },
    total=False,
)

EVENT_WEFT_CASE_COMPLETED: Final = "weft.case.completed"
"""A case is done."""
WeftCaseCompletedEventAttributes = TypedDict(
    "WeftCaseCompletedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.specification.name": Required[str],
        "weft.token.dropped": int,
        "weft.trigger.unread": int,
    },
    total=False,
)

EVENT_WEFT_CASE_DEADLOCKED: Final = "weft.case.deadlocked"
"""Nothing can happen in a case any more and unfinished work is left."""
WeftCaseDeadlockedEventAttributes = TypedDict(
    "WeftCaseDeadlockedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.specification.name": Required[str],
    },
    total=False,
)

EVENT_WEFT_CASE_FAILED: Final = "weft.case.failed"
"""A case has stopped on an error."""
WeftCaseFailedEventAttributes = TypedDict(
    "WeftCaseFailedEventAttributes",
    {
        "error.type": Required[str],
        "weft.case.id": Required[str],
        "weft.error.code": str,
        "weft.event.sequence": Required[int],
        "weft.participant": str,
        "weft.specification.name": Required[str],
    },
    total=False,
)

EVENT_WEFT_CASE_RESUMED: Final = "weft.case.resumed"
"""A case goes on that was suspended or had failed or deadlocked."""
WeftCaseResumedEventAttributes = TypedDict(
    "WeftCaseResumedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.specification.name": Required[str],
    },
    total=False,
)

EVENT_WEFT_CASE_STARTED: Final = "weft.case.started"
"""A case has begun."""
WeftCaseStartedEventAttributes = TypedDict(
    "WeftCaseStartedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.net.hash": Required[str],
        "weft.specification.name": Required[str],
        "weft.specification.version": Required[str],
    },
    total=False,
)

EVENT_WEFT_CASE_SUSPENDED: Final = "weft.case.suspended"
"""A case starts no new work."""
WeftCaseSuspendedEventAttributes = TypedDict(
    "WeftCaseSuspendedEventAttributes",
    {
        "error.type": str,
        "weft.case.id": Required[str],
        "weft.error.code": str,
        "weft.event.sequence": Required[int],
        "weft.reason": str,
        "weft.specification.name": Required[str],
    },
    total=False,
)

EVENT_WEFT_INSTANCE_ADDED: Final = "weft.instance.added"
"""An open multiple-instance task has one more instance."""
WeftInstanceAddedEventAttributes = TypedDict(
    "WeftInstanceAddedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.participant": str,
        "weft.scope.id": Required[int],
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
    },
    total=False,
)

EVENT_WEFT_INSTANCES_SEALED: Final = "weft.instances.sealed"
"""No more instances will be added to an activation of a task."""
WeftInstancesSealedEventAttributes = TypedDict(
    "WeftInstancesSealedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.participant": str,
        "weft.scope.id": Required[int],
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
    },
    total=False,
)

EVENT_WEFT_SCOPE_CLOSED: Final = "weft.scope.closed"
"""The net of a composite task has ended."""
WeftScopeClosedEventAttributes = TypedDict(
    "WeftScopeClosedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.scope.closed": Sequence[int],
        "weft.scope.id": Required[int],
        "weft.specification.name": Required[str],
        "weft.token.dropped": int,
        "weft.work_item.cancelled": Sequence[str],
    },
    total=False,
)

EVENT_WEFT_SCOPE_OPENED: Final = "weft.scope.opened"
"""The net of a composite task has begun."""
WeftScopeOpenedEventAttributes = TypedDict(
    "WeftScopeOpenedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.net.name": Required[str],
        "weft.scope.id": Required[int],
        "weft.specification.name": Required[str],
        "weft.work_item.id": Required[str],
    },
    total=False,
)

EVENT_WEFT_TIMER_CANCELLED: Final = "weft.timer.cancelled"
"""What had waited for a time has gone another way."""
WeftTimerCancelledEventAttributes = TypedDict(
    "WeftTimerCancelledEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.specification.name": Required[str],
        "weft.wait.id": Required[str],
    },
    total=False,
)

EVENT_WEFT_TIMER_FIRED: Final = "weft.timer.fired"
"""A timer was due and its transition has fired."""
WeftTimerFiredEventAttributes = TypedDict(
    "WeftTimerFiredEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.scope.closed": Sequence[int],
        "weft.specification.name": Required[str],
        "weft.token.cleared": int,
        "weft.transition.name": Required[str],
        "weft.wait.id": Required[str],
        "weft.work_item.cancelled": Sequence[str],
    },
    total=False,
)

EVENT_WEFT_TIMER_SET: Final = "weft.timer.set"
"""Something has begun to wait for a time."""
WeftTimerSetEventAttributes = TypedDict(
    "WeftTimerSetEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.scope.id": Required[int],
        "weft.specification.name": Required[str],
        "weft.timer.delay": Required[float],
        "weft.wait.id": Required[str],
    },
    total=False,
)

EVENT_WEFT_TRANSITION_FIRED: Final = "weft.transition.fired"
"""A transition fired by itself or by command."""
WeftTransitionFiredEventAttributes = TypedDict(
    "WeftTransitionFiredEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.instance.count": int,
        "weft.scope.closed": Sequence[int],
        "weft.scope.id": Required[int],
        "weft.specification.name": Required[str],
        "weft.token.cleared": int,
        "weft.transition.name": Required[str],
        "weft.work_item.cancelled": Sequence[str],
    },
    total=False,
)

EVENT_WEFT_TRIGGER_AWAITED: Final = "weft.trigger.awaited"
"""Something has begun to wait for a trigger."""
WeftTriggerAwaitedEventAttributes = TypedDict(
    "WeftTriggerAwaitedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.scope.id": Required[int],
        "weft.specification.name": Required[str],
        "weft.trigger.name": Required[str],
        "weft.wait.id": Required[str],
    },
    total=False,
)

EVENT_WEFT_TRIGGER_DISCARDED: Final = "weft.trigger.discarded"
"""A transient trigger has come and nothing waits for it."""
WeftTriggerDiscardedEventAttributes = TypedDict(
    "WeftTriggerDiscardedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.participant": str,
        "weft.specification.name": Required[str],
        "weft.trigger.name": Required[str],
    },
    total=False,
)

EVENT_WEFT_TRIGGER_KEPT: Final = "weft.trigger.kept"
"""A persistent trigger has come and nothing waits for it yet."""
WeftTriggerKeptEventAttributes = TypedDict(
    "WeftTriggerKeptEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.participant": str,
        "weft.specification.name": Required[str],
        "weft.trigger.name": Required[str],
    },
    total=False,
)

EVENT_WEFT_TRIGGER_RECEIVED: Final = "weft.trigger.received"
"""A trigger has acted and its transition has fired."""
WeftTriggerReceivedEventAttributes = TypedDict(
    "WeftTriggerReceivedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.participant": str,
        "weft.scope.closed": Sequence[int],
        "weft.scope.id": Required[int],
        "weft.specification.name": Required[str],
        "weft.token.cleared": int,
        "weft.transition.name": Required[str],
        "weft.trigger.name": Required[str],
        "weft.wait.id": str,
        "weft.work_item.cancelled": Sequence[str],
    },
    total=False,
)

EVENT_WEFT_TRIGGER_UNAWAITED: Final = "weft.trigger.unawaited"
"""What had waited for a trigger has gone another way."""
WeftTriggerUnawaitedEventAttributes = TypedDict(
    "WeftTriggerUnawaitedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.specification.name": Required[str],
        "weft.wait.id": Required[str],
    },
    total=False,
)

EVENT_WEFT_WORK_ITEM_CLAIMED: Final = "weft.work_item.claimed"
"""Somebody has taken an offered work item."""
WeftWorkItemClaimedEventAttributes = TypedDict(
    "WeftWorkItemClaimedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.participant": Required[str],
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.work_item.id": Required[str],
    },
    total=False,
)

EVENT_WEFT_WORK_ITEM_COMPLETED: Final = "weft.work_item.completed"
"""A work item is done."""
WeftWorkItemCompletedEventAttributes = TypedDict(
    "WeftWorkItemCompletedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.participant": str,
        "weft.scope.closed": Sequence[int],
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.token.cleared": int,
        "weft.work_item.cancelled": Sequence[str],
        "weft.work_item.id": Required[str],
    },
    total=False,
)

EVENT_WEFT_WORK_ITEM_DELEGATED: Final = "weft.work_item.delegated"
"""A claimed work item is somebody else's now."""
WeftWorkItemDelegatedEventAttributes = TypedDict(
    "WeftWorkItemDelegatedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.participant": Required[str],
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.work_item.id": Required[str],
    },
    total=False,
)

EVENT_WEFT_WORK_ITEM_FAILED: Final = "weft.work_item.failed"
"""An attempt at a work item has failed."""
WeftWorkItemFailedEventAttributes = TypedDict(
    "WeftWorkItemFailedEventAttributes",
    {
        "error.type": Required[str],
        "weft.case.id": Required[str],
        "weft.error.code": str,
        "weft.event.sequence": Required[int],
        "weft.scope.closed": Sequence[int],
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.transition.name": str,
        "weft.work_item.attempt": Required[int],
        "weft.work_item.cancelled": Sequence[str],
        "weft.work_item.id": Required[str],
        "weft.work_item.retry_delay": float,
    },
    total=False,
)

EVENT_WEFT_WORK_ITEM_GIVEN_UP: Final = "weft.work_item.given_up"
"""A held work item is not attempted again."""
WeftWorkItemGivenUpEventAttributes = TypedDict(
    "WeftWorkItemGivenUpEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.participant": str,
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.work_item.id": Required[str],
        "weft.work_item.timed_out": Required[bool],
    },
    total=False,
)

EVENT_WEFT_WORK_ITEM_OFFERED: Final = "weft.work_item.offered"
"""A task that waits for somebody may be started."""
WeftWorkItemOfferedEventAttributes = TypedDict(
    "WeftWorkItemOfferedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.instance.index": int,
        "weft.scope.id": Required[int],
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.work_item.id": Required[str],
    },
    total=False,
)

EVENT_WEFT_WORK_ITEM_RELEASED: Final = "weft.work_item.released"
"""A claimed work item is offered to everybody again."""
WeftWorkItemReleasedEventAttributes = TypedDict(
    "WeftWorkItemReleasedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.participant": str,
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.work_item.id": Required[str],
    },
    total=False,
)

EVENT_WEFT_WORK_ITEM_REMINDED: Final = "weft.work_item.reminded"
"""An open work item is due; another branch begins."""
WeftWorkItemRemindedEventAttributes = TypedDict(
    "WeftWorkItemRemindedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.transition.name": Required[str],
        "weft.work_item.id": Required[str],
    },
    total=False,
)

EVENT_WEFT_WORK_ITEM_RETRIED: Final = "weft.work_item.retried"
"""The next attempt at a work item has begun."""
WeftWorkItemRetriedEventAttributes = TypedDict(
    "WeftWorkItemRetriedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.participant": str,
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.work_item.attempt": Required[int],
        "weft.work_item.crashed": Required[bool],
        "weft.work_item.id": Required[str],
        "weft.work_item.interrupted": Required[bool],
    },
    total=False,
)

EVENT_WEFT_WORK_ITEM_STARTED: Final = "weft.work_item.started"
"""The first attempt at a work item has begun."""
WeftWorkItemStartedEventAttributes = TypedDict(
    "WeftWorkItemStartedEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.instance.index": int,
        "weft.participant": str,
        "weft.scope.id": Required[int],
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.transition.name": Required[str],
        "weft.work_item.id": Required[str],
    },
    total=False,
)

EVENT_WEFT_WORK_ITEM_WITHDRAWN: Final = "weft.work_item.withdrawn"
"""An offer is gone."""
WeftWorkItemWithdrawnEventAttributes = TypedDict(
    "WeftWorkItemWithdrawnEventAttributes",
    {
        "weft.case.id": Required[str],
        "weft.event.sequence": Required[int],
        "weft.specification.name": Required[str],
        "weft.task.name": Required[str],
        "weft.work_item.id": Required[str],
    },
    total=False,
)
