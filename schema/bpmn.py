"""BPMN 2.0 files: a process of theirs as a specification, and a word on each of its constructs.

A node of the diagram becomes a task with the node's identifier: activities get a connector or a
net, gateways and events are empty tasks with a join, a split or a wait. What has no counterpart of
its own is made of what there is:

- *A boundary event* is a wait beside its activity. Entering the activity begins both; what is done
  first withdraws the other (if the event interrupts), by cancellation regions. One timer alone is
  the activity's ``timeout``; errors are its error branch, told apart by ``error.code``.
- *An event sub-process* is a boundary event on all the rest of its process, which for this gets a
  net of its own.
- *A question* stands where a model does not say in a way that can be evaluated where the flow goes
  (most drawn models do not): a work item asks, and the gateway goes by the answer.
- *Variables* are what conditions read and what the model declares. Whoever completes a task sets
  those that the result names; a sub-process works on a copy and writes it back when it completes.

`weft.schema.bpmn_constructs.CONSTRUCTS` says of every construct what becomes of it; the
specification's ``imported`` says it of each part of the file.

Object Management Group, *Business Process Model and Notation*, version 2.0.2 (2013).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from weft.schema.bpmn_constructs import CONSTRUCTS
from weft.schema.bpmn_times import KINDS, MAX_TIMES, read_time
from weft.schema.conditions import RESERVED, Condition, Untranslatable, translated
from weft.schema.datatypes import DataType, Variable
from weft.schema.durations import parse_duration
from weft.schema.errors import DefinitionError, raise_faults
from weft.schema.imports import Imported, Verdict
from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import (
    EventTrigger,
    Location,
    NetDefinition,
    Retry,
    ScheduleTrigger,
    Source,
    Specification,
    TaskDefinition,
    Use,
)
from weft.schema.xml import children, first, local, name_of, namespace, parse_xml, text_of

__all__ = ["MODEL", "read_bpmn"]

MODEL = "http://www.omg.org/spec/BPMN/20100524/MODEL"
"""The namespace of BPMN 2.0's models."""

START_EVENT = "start_event"
"""The variable that says which of several start events a case begins with."""

MAX_DEPTH = 50
"""Sub-processes are nested no deeper; a case has at most 100 scopes in each other."""

RAISE = "weft.connectors.modelled:raise_error"
TERMINATED = "terminated"
"""The code of the error by which a process with handlers of events ends, and they with it."""

CANCELLED = "cancelled"
"""The code of the error that a cancelled transaction fails with."""

_TASKS = (
    *("task", "userTask", "manualTask", "serviceTask", "sendTask", "businessRuleTask"),
    *("scriptTask", "receiveTask"),
)
_GLOBAL = (
    *("globalTask", "globalUserTask", "globalManualTask", "globalScriptTask"),
    "globalBusinessRuleTask",
)
_SUBS = ("subProcess", "transaction", "adHocSubProcess")
_ACTIVITIES = (*_TASKS, *_SUBS, "callActivity")
_GATEWAYS = (
    *("exclusiveGateway", "parallelGateway", "inclusiveGateway", "eventBasedGateway"),
    "complexGateway",
)
_EVENTS = (
    *("startEvent", "endEvent", "intermediateThrowEvent", "intermediateCatchEvent"),
    "boundaryEvent",
)
_NODES = (*_ACTIVITIES, *_GATEWAYS, *_EVENTS)
_BESIDE = {
    "textAnnotation": "artifacts",
    "association": "artifacts",
    "group": "artifacts",
    "dataObject": "dataObject",
    "dataObjectReference": "data associations",
    "dataInputAssociation": "data associations",
    "dataOutputAssociation": "data associations",
    "ioSpecification": "data associations",
    "dataStoreReference": "dataStoreReference",
    "dataStore": "dataStoreReference",
    "property": "property",
}
_NAME_OF_TRIGGER = re.compile("[^A-Za-z0-9_.:/-]")
_TAKEN = frozenset(("end", "error", START_EVENT)) | RESERVED
"""Names that no task has: its result could not be called so."""
_MAX_TITLE = 200


def read_bpmn(text: bytes, *, file: str | None = None, origin: Path | None = None) -> Specification:
    """Read the process of a BPMN file.

    Args:
        text: The file.
        file: Its name, for faults.
        origin: The folder that it lies in.

    Raises:
        DefinitionErrors: Everything that is wrong with it, each fault with its line.
        DefinitionError: It is not XML, or holds no process of BPMN 2.0.
    """
    return _Reader(text, file, origin).read()


# ── the parts of a net in the making ─────────────────────────────────────────────────────────


@attrs.define
class _Way:
    """A way on to another part, and when it is taken."""

    to: str
    when: str | None = None
    default: bool = False


@attrs.define
class _Part:
    """A task in the making."""

    name: str
    element: Any = None
    title: str = ""
    uses: list[Use] = attrs.field(factory=list)
    ways: list[_Way] = attrs.field(factory=list)
    split: str = "parallel-split"
    join: Use = attrs.field(factory=lambda: Use("multi-merge"))
    failure: list[_Way] = attrs.field(factory=list)
    timeout: float | None = None
    expires: JsonValue = None
    late: str | None = None
    inputs: dict[str, JsonValue] = attrs.field(factory=dict)
    works: bool = False
    child: str | None = None
    item: tuple[str, str] | None = None
    """The variable of the child that takes an instance's item, and what the item is called."""
    several: bool = False
    asks: bool = False
    """Whether its work is to say where the flow goes, and nothing else."""
    again: bool = False
    """Whether its work may be done more than once for one token."""
    sets: dict[str, str] = attrs.field(factory=dict)
    """Variables that its completion sets, besides those of its result."""
    sends: str | None = None
    """The expression for the correlation key of what it sends; empty: it has none."""
    alone: bool = False
    """Whether what it sends goes without data."""

    def leads(self) -> list[_Way]:
        late = [_Way(self.late)] if self.late is not None else []
        return [*self.ways, *self.failure, *late]


@attrs.define
class _Catch:
    """An event that is caught beside an activity."""

    part: _Part
    use: Use | None = None
    error: bool = False
    code: str | None = None
    interrupts: bool = True
    repeats: bool = True
    seconds: float | None = None
    time: JsonValue = None
    """What it waits for once, where that is a time and no plain number of seconds."""
    also: list[_Part] = attrs.field(factory=list)
    """What waits after it, and ends with it."""
    all_of: list[_Part] = attrs.field(factory=list)
    """What it waits for together; its own part joins them."""


@attrs.frozen
class _Either:
    """What is in one of two, without putting them together each time."""

    one: Container[str]
    other: Container[str]

    def __contains__(self, name: str) -> bool:
        return name in self.one or name in self.other


@attrs.define
class _Scope:
    """A net in the making."""

    name: str
    parts: dict[str, _Part] = attrs.field(factory=dict)
    entries: dict[str, str] = attrs.field(factory=dict)
    """Identifier in the file to the part that flows lead to."""
    exits: dict[str, str] = attrs.field(factory=dict)
    """Identifier in the file to the part that flows lead on from."""
    starts: list[str] = attrs.field(factory=list)
    instead: dict[str, list[str]] = attrs.field(factory=dict)
    """Part to those that stand for it as alternatives of a choice of events."""
    uses: list[Use] = attrs.field(factory=list)
    """Patterns over several tasks."""
    numbers: dict[str, int] = attrs.field(factory=dict)
    """How far the numbers behind the names of parts have come."""

    def part(self, name: str, element: Any = None, **fields: Any) -> _Part:
        known = _Either(self.parts, _TAKEN)
        made = _Part(name_of(name, known, numbers=self.numbers), element, **fields)
        self.parts[made.name] = made
        return made


class _Reader:
    """Reads one file; gathers faults, and what has become of its parts."""

    def __init__(self, text: bytes, file: str | None, origin: Path | None) -> None:
        self.text = text
        self.file = file
        self.origin = origin
        self.faults: list[DefinitionError] = []
        self.imported: list[Imported] = []
        self.ids: dict[str, Any] = {}
        self.processes: dict[str, Any] = {}
        self.nets: dict[str, _Scope] = {}
        self.called: dict[str, str] = {}
        self.variables: dict[str, Variable] = {}
        self.flags: set[str] = set()
        """Variables that say which activity is to be undone."""
        self.depth = 0
        self.roles: dict[str, str] = {}
        self.correlated: dict[str, list[tuple[str, str]]] = {}
        """Message to the properties that correlate it, each with its path in the message."""
        self.bound: dict[str, str] = {}
        """Property to its path in the data of the process that waits."""
        self.triggers: list[EventTrigger] = []
        self.schedules: list[ScheduleTrigger] = []
        self.root: Any = None
        self.defined: dict[str, list[Any]] = {}
        """Event to its definitions."""
        self.each = "each"
        """What an instance's item is called."""
        self.messages: dict[str, str] = {}
        """Node to what the flow of messages calls the message that it sends or receives."""
        self.names: list[Any] = []
        """Definitions of events that name what is not declared."""
        self.caught_by: dict[str, Any] = {}
        """What throws an escalation, to the event that catches it."""

    # ── what is told ─────────────────────────────────────────────────────────────────────────

    def refuse(self, message: str, element: Any = None) -> DefinitionError:
        line = None if element is None else element.sourceline
        return DefinitionError(message, code="bpmn", file=self.file, line=line)

    def fault(self, element: Any, message: str, code: str = "bpmn") -> None:
        line = element.sourceline
        self.faults.append(DefinitionError(message, code=code, file=self.file, line=line))

    def tell(self, element: Any, construct: str, *, more: str = "") -> None:
        """Note what becomes of a part, as the table of constructs says."""
        known = CONSTRUCTS[construct]
        note = f"{known.note} ({more})" if more else known.note
        id_ = element.get("id", "")
        if known.verdict is Verdict.REFUSED:
            self.fault(element, f"{_called(element)}: {construct}: {note}")
        self.imported.append(Imported(construct, known.verdict, note, id_, element.sourceline))

    # ── the file ─────────────────────────────────────────────────────────────────────────────

    def read(self) -> Specification:
        document, self.text = parse_xml(self.text, file=self.file)
        if local(document) != "definitions" or namespace(document) != MODEL:
            space = namespace(document) or "none"
            raise self.refuse(
                f"the root element is {local(document)!r} in the namespace {space!r}; a BPMN 2.0 "
                f"file begins with definitions in {MODEL!r}",
                document,
            )
        self.index(document)
        raise_faults(f"{self.file or 'the text'} is not a BPMN file that can be run", self.faults)
        self.lanes(document)
        self.correlations(document)
        process = self.choose(document)
        self.net(process, "net")
        self.beside(document)
        self.start_process()  # with every variable of the file
        layout = self.layout(document)
        nets = self.finish()
        raise_faults(
            f"{self.file or 'the text'} is not a BPMN file that can be run",
            sorted(self.faults, key=lambda fault: fault.line or 0),
        )
        positions: dict[Location, tuple[int, int]] = {}
        for name, scope in self.nets.items():
            prefix: Location = ("net",) if name == "net" else ("nets", name)
            for part in scope.parts.values():
                if part.element is not None:
                    at = (part.element.sourceline or 1, 1)
                    positions[(*prefix, "tasks", part.name)] = at
        title = _line(process.get("name", "")) or _line(document.get("name", ""))
        described = text_of(first(process, "documentation"))
        return Specification(
            name=_file_name(process.get("id", "")),
            version=_line(_vendor(process, "versionTag")) or "1",
            nets=nets,
            root="net",
            description="\n".join(x for x in (title, described) if x),
            triggers=tuple(self.triggers),
            schedules=tuple(self.schedules),
            metadata={"layout": layout} if layout else {},
            imported=tuple(self.imported),
            source=Source("bpmn", self.file, self.text, self.origin, positions),
        )

    def index(self, document: Any) -> None:
        """Everything that has an identifier, by it."""
        for element in document.iter():
            if namespace(element) != MODEL:
                continue
            id_ = element.get("id")
            if id_ is None:
                if local(element) in (*_NODES, "process"):
                    self.fault(element, f"a {local(element)} has no id")
                continue
            if id_ in self.ids:
                line = self.ids[id_].sourceline
                self.fault(element, f"the id {id_!r} stands in line {line} already", "duplicate-id")
            self.ids.setdefault(id_, element)
        named = {x.get("name", "") for x in self.ids.values() if local(x) in _BESIDE}
        self.each = name_of("each", {_variable(id_) for id_ in self.ids} | named)
        for element in children(document):
            if local(element) == "process" and element.get("id"):
                self.processes.setdefault(element.get("id"), element)
            elif local(element) in ("choreography", "globalConversation", "conversation"):
                other = any(children(x, *_NODES) for x in children(document, "process"))
                self.tell(element, "choreography" + (", beside a process" if other else ""))
            elif local(element) == "collaboration":
                for part in children(element, "participant", "messageFlow"):
                    names = local(part) == "messageFlow" and self.flowing(part)
                    self.tell(part, local(part) + (", that names its message" if names else ""))

    def flowing(self, flow: Any) -> bool:
        """Let a flow between two nodes of the file name the message of those that name none."""
        ends = [_tail(flow.get(k, "")) for k in ("sourceRef", "targetRef")]
        if not all(self.flows_in(end) for end in ends):
            return False
        message = self.ids.get(_tail(flow.get("messageRef", "")))
        named = "" if message is None else message.get("name", "")
        for end in ends:
            self.messages.setdefault(end, named or flow.get("name") or flow.get("id", ""))
        return True

    def choose(self, document: Any) -> Any:
        """The process that is run: the executable one, else the first with a flow.

        Of several, the first that no other one calls.
        """
        found = list(self.processes.values())
        with_flow = [p for p in found if any(local(x) in _NODES for x in children(p))]
        if not with_flow:
            raise_faults(f"{self.file or 'the text'} is no BPMN file that can be run", self.faults)
            what = "no process" if not found else "no process with a task, event or gateway"
            raise self.refuse(f"there is {what} in it", document)
        executable = [p for p in with_flow if p.get("isExecutable") in ("true", "1")] or with_flow
        called = {
            (call.get("calledElement") or "").rpartition(":")[2]
            for process in executable
            for call in process.iter(f"{{{MODEL}}}callActivity")
            if call.get("calledElement") != process.get("id")
        }
        chosen = next((p for p in executable if p.get("id") not in called), executable[0])
        self.called[chosen.get("id", "")] = "net"
        self.tell(chosen, "process")
        return chosen

    def lanes(self, document: Any) -> None:
        shapes: dict[str, list[float]] | None = None
        for lane in document.iter(f"{{{MODEL}}}lane"):
            name = _line(lane.get("name", ""))
            self.tell(lane, "lane")
            held = [text_of(reference) for reference in children(lane, "flowNodeRef")]
            if not held and name and not children(lane, "childLaneSet"):
                if shapes is None:
                    shapes = _shapes(document)
                held = [id_ for id_ in _within(shapes, lane.get("id", "")) if self.flows_in(id_)]
                if held:
                    self.tell(lane, "lane, that names nothing in it")
            for reference in held:
                if name:  # an inner lane comes after the outer one
                    self.roles[reference if reference in self.ids else _tail(reference)] = name

    def flows_in(self, id_: str) -> bool:
        return id_ in self.ids and local(self.ids[id_]) in _NODES

    def correlations(self, document: Any) -> None:
        """The properties by which messages find who waits for them."""
        for property_ in document.iter(f"{{{MODEL}}}correlationProperty"):
            for retrieval in children(property_, "correlationPropertyRetrievalExpression"):
                message = retrieval.get("messageRef", "").rpartition(":")[2]
                if message not in self.ids:
                    self.fault(retrieval, f"messageRef names {message!r}, which is not in the file")
                path = text_of(first(retrieval, "messagePath"))
                self.correlated.setdefault(message, []).append((property_.get("id", ""), path))
        for binding in document.iter(f"{{{MODEL}}}correlationPropertyBinding"):
            property_id = binding.get("correlationPropertyRef", "").rpartition(":")[2]
            self.bound.setdefault(property_id, text_of(first(binding, "dataPath")))

    # ── a net ────────────────────────────────────────────────────────────────────────────────

    def net(self, element: Any, name: str) -> None:
        """A process or sub-process; with event sub-processes, one around one."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.refuse(
                f"{_called(element)}: sub-processes and calls are nested more than {MAX_DEPTH} "
                "deep",
                element,
            )
        self.scope(element, name)
        self.depth -= 1

    def scope(self, element: Any, name: str) -> None:
        """The net of a process; one with event sub-processes gets a net around it."""
        handlers = [x for x in children(element, *_SUBS) if self.handles(x)]
        if not handlers:
            self.nets[name] = _Scope(name)
            self.fill(self.nets[name], element)
            return
        scope = self.nets[name] = _Scope(name)
        inner = name_of(f"{name}_main" if name != "net" else "main", {*self.nets, "net"})
        main = scope.part("main", element, uses=[Use("net", inner)], child=inner)
        scope.starts.append(main.name)
        self.nets[inner] = _Scope(inner)
        self.fill(self.nets[inner], element)
        catches = []
        for handler in handlers:
            self.tell(handler, "subProcess, triggered by an event")
            start = children(handler, "startEvent")[0]
            body = self.activity(scope, handler)
            part, caught = self.caught(scope, start, interrupts=_interrupts(start))
            part.ways.append(_Way(body.name))
            catches += caught
        if self.terminates(element):
            ended = scope.part("main_terminated", element, split="explicit-termination")
            catches.append(_Catch(ended, error=True, code=TERMINATED))
        self.attach(scope, main, catches)
        scope.starts = [scope.entries.get(main.name, main.name)]

    def handles(self, x: Any) -> bool:
        """Whether a sub-process waits for an event beside all else; what cannot is told."""
        if not _true(x, "triggeredByEvent"):
            return False
        construct = "subProcess, triggered by an event"
        start = first(x, "startEvent")
        if start is None:
            self.tell(x, f"{construct}, without a start event")
        elif _compensates(x):
            if local(x.getparent()) == "process":
                self.tell(x, f"{construct}, that undoes a whole process")
        else:
            return True
        return False

    def fill(self, scope: _Scope, element: Any) -> None:
        """The nodes of a process, their boundary events, and the flows between them."""
        nodes = {x.get("id", ""): x for x in children(element, *_NODES) if namespace(x) == MODEL}
        nodes = {k: x for k, x in nodes.items() if not _true(x, "triggeredByEvent")}
        for x in children(element):
            if namespace(x) != MODEL:
                known = CONSTRUCTS["extensions"]
                self.imported.append(
                    Imported("extensions", known.verdict, known.note, local(x), x.sourceline)
                )
            elif local(x) not in (*_NODES, "sequenceFlow", "laneSet", *_BESIDE, *_IGNORED):
                self.fault(x, f"{_called(x)} is no element of BPMN that is read")
        for id_, x in nodes.items():
            if local(x) != "boundaryEvent":
                made = self.node(scope, x)
                if made is not None:
                    scope.entries.setdefault(id_, made.name)
                    scope.exits[id_] = made.name
        beside: dict[str, list[_Catch]] = {}
        for id_, x in nodes.items():
            if local(x) == "boundaryEvent":
                host = x.get("attachedToRef", "").rpartition(":")[2]
                around = self.ids.get(host)
                if around is not None and _true(around, "triggeredByEvent"):
                    self.tell(x, "boundaryEvent, of a sub-process that an event triggers")
                    continue
                if host not in nodes or local(nodes[host]) not in _ACTIVITIES:
                    self.fault(
                        x, f"{_called(x)} is attached to {host!r}, which is no activity beside it"
                    )
                    continue
                if first(x, "compensateEventDefinition") is not None:
                    continue  # `undone` looks at them
                self.tell(x, "boundaryEvent")
                part, caught = self.caught(scope, x, interrupts=_interrupts(x))
                scope.exits[id_] = part.name
                if host in scope.entries:
                    beside.setdefault(host, []).extend(caught)
        self.undone(scope, element, nodes)
        for host, catches in beside.items():
            self.attach(scope, scope.parts[scope.entries[host]], catches, id_=host)
        self.flows(scope, element, nodes)
        self.links(scope, nodes)
        self.begin(scope, element, nodes)
        if local(element) == "adHocSubProcess":
            self.ad_hoc(scope, element)

    def ad_hoc(self, scope: _Scope, element: Any) -> None:
        """In any order, again and again until a condition holds; or each once."""
        construct = "adHocSubProcess"
        done = first(element, "completionCondition")
        condition = None if done is None or not text_of(done) else self.condition(done)
        groups = [list(_reached(scope, [start])) for start in scope.starts]
        if element.get("ordering") == "Sequential":
            self.tell(element, f"{construct}, ordering Sequential")
            several: list[JsonValue] = [
                [n for n in group if _performed(scope.parts[n])] for group in groups
            ]
            several = [group for group in several if group]
            if len(several) > 1:
                scope.uses.append(Use("critical-section", several))
        if condition is None:
            self.tell(element, construct)
            if done is not None and text_of(done):
                more = f"{construct}, completionCondition that cannot be evaluated"
                self.tell(element, more, more=self.why)
            return
        self.tell(element, f"{construct}, completionCondition")
        if element.get("cancelRemainingInstances") in ("false", "0"):
            self.tell(element, f"{construct}, cancelRemainingInstances")
        ended = scope.part("all_done", element, split="explicit-termination")
        for start, group in zip(list(scope.starts), groups, strict=True):
            asked = scope.part(f"{start}_done", element, split="exclusive-choice")
            asked.ways = [_Way(ended.name, when=_present(condition)), _Way(start, default=True)]
            for name in group:
                part = scope.parts[name]
                if not part.ways and part.split != "explicit-termination":
                    part.ways = [_Way(asked.name)]

    def terminates(self, element: Any) -> bool:
        """Whether an end event directly in a process ends all of it at once."""
        return any(
            local(d) == "terminateEventDefinition"
            for x in children(element, "endEvent")
            for d in self.definitions(x)
        )

    def begin(self, scope: _Scope, element: Any, nodes: Mapping[str, Any]) -> None:
        """Where a net starts: at its start events, else at all that no flow leads to."""
        starting = [x for x in nodes.values() if local(x) == "startEvent"]
        if _true(element, "triggeredByEvent"):
            starting = starting[:1]
        if starting:
            scope.starts = [scope.entries[x.get("id", "")] for x in starting]
            if local(element) == "process":
                self.start_events(scope, element, starting)
            return
        reached = {way.to for part in scope.parts.values() for way in part.leads()}
        catching = {
            scope.exits[k] for k, x in nodes.items()
            if k in scope.exits and (local(x) == "boundaryEvent" or _catches_link(x))
        }  # fmt: skip
        scope.starts = [
            name
            for id_, name in scope.entries.items()
            if name not in reached and name not in catching and id_ in nodes
        ]
        if not scope.starts and scope.parts:
            self.fault(element, f"{_called(element)}: there is nothing that it could begin with")

    # ── nodes ────────────────────────────────────────────────────────────────────────────────

    def node(self, scope: _Scope, x: Any) -> _Part | None:
        kind = local(x)
        if _true(x, "isForCompensation"):
            return None  # `undone` looks at them
        if kind in _ACTIVITIES:
            return self.activity(scope, x)
        part = scope.part(x.get("id", ""), x, title=_line(x.get("name", "")))
        if kind in _GATEWAYS:
            return self.gateway(part, x)
        if kind == "intermediateCatchEvent":
            self.tell(x, kind)
            if not _catches_link(x):
                self.waits(scope, part, x)
        elif kind == "startEvent":
            self.tell(x, kind)
        else:
            self.tell(x, kind)
            self.thrown(scope, part, x)
        return part

    def gateway(self, part: _Part, x: Any) -> _Part:
        kind = local(x)
        part.split = {
            "exclusiveGateway": "exclusive-choice",
            "parallelGateway": "parallel-split",
            "eventBasedGateway": "deferred-choice",
        }.get(kind, "multi-choice")
        if kind == "parallelGateway":
            part.join = Use("synchronization")
        elif kind == "inclusiveGateway":
            part.join = Use("general-synchronizing-merge", {"rule": "structural"})
        elif kind == "complexGateway":
            number = re.search(
                r"(?:>=|==?|ge|eq)\s*(\d{1,4})", text_of(first(x, "activationCondition"))
            )
            if number is not None and int(number[1]):
                part.join = Use("structured-partial-join", {"n": int(number[1])})
            else:
                part.join = Use("complex")  # told when it turns out that it joins
        if kind == "eventBasedGateway" and x.get("eventGatewayType") == "Parallel":
            self.tell(x, "eventBasedGateway, of the type Parallel")
            part.split = "parallel-split"
        if _true(x, "instantiate"):
            self.tell(x, "eventBasedGateway, that starts a process")
        elif kind in ("parallelGateway", "eventBasedGateway", "complexGateway"):
            self.tell(x, kind)
        return part

    def activity(self, scope: _Scope, x: Any) -> _Part:
        """A task, sub-process or call: who does it, and how often."""
        kind = local(x)
        part = scope.part(x.get("id", ""), x, title=_line(x.get("name", "")))
        if kind in _SUBS or kind == "callActivity":
            self.composite(part, x)
        elif kind == "receiveTask" and _true(x, "instantiate"):
            self.tell(x, f"{kind}, that starts a process")
        elif kind == "receiveTask":
            self.tell(x, kind)
            waits = Use("persistent-trigger", self.awaited(x, x, part.name))
            if first(x, *_LOOPS) is None:
                part.uses.append(waits)
            else:  # only work is done many times: here it is a net, which waits
                part.child = name_of(x.get("id", ""), {*self.nets, "net"})
                inner = self.nets[part.child] = _Scope(part.child)
                inner.starts = [inner.part(x.get("id", ""), x, uses=[waits]).name]
                part.uses.append(Use("net", part.child))
        elif (
            kind == "sendTask"
            and (x.get("messageRef") or x.get("id", "") in self.messages)
            and not self.performed_outside(x)
        ):
            self.tell(x, f"{kind}, of a message that has a name")
            self.sends(part, x, x, "messageRef")
        else:
            self.tell(x, kind)
            self.person(part, x)
        for quantity in ("startQuantity", "completionQuantity"):
            if x.get(quantity, "1").strip() != "1":
                self.tell(x, quantity)
        if part.works or part.child or part.sends is not None:
            self.repeated(part, x)
        elif first(x, *_LOOPS) is not None:
            self.fault(x, f"{_called(x)}: what only waits cannot be done many times")
        return part

    def composite(self, part: _Part, x: Any) -> None:
        kind = local(x)
        if kind == "callActivity":
            wanted = x.get("calledElement") or _vendor(first(x, "extensionElements"), "processId")
            id_ = (wanted or "").rpartition(":")[2]
            process = self.processes.get(id_)
            known = self.ids.get(id_)
            if known is not None and local(known) in _GLOBAL:
                self.tell(x, "callActivity, of a global task")
                part.title = part.title or _line(known.get("name", ""))
                self.person(part, x)
                return
            if process is None or not children(process, *_NODES):
                self.tell(x, "callActivity, of something elsewhere", more=_line(id_) or "no name")
                self.person(part, x)
                return
            self.tell(x, kind)
            if id_ not in self.called:
                self.called[id_] = name_of(id_, {*self.nets, "net"})
                self.net(process, self.called[id_])
            part.child = self.called[id_]
        elif not children(x, *_NODES):
            self.tell(x, "subProcess, without content")
            self.person(part, x)
            return
        else:
            if not _true(x, "triggeredByEvent"):
                self.tell(x, kind)
            part.child = name_of(x.get("id", ""), {*self.nets, "net"})
            self.net(x, part.child)
        part.uses.append(Use("net", part.child))

    def person(self, part: _Part, x: Any) -> None:
        """A work item that waits for somebody outside."""
        part.works = True
        asked: dict[str, JsonValue] = {"title": part.title or x.get("id", "") or local(x)}
        text = text_of(first(x, "documentation"))
        if text:
            asked["text"] = text
        role = self.role(x)
        if role:
            asked["role"] = role
        part.uses.append(Use("person", asked))

    def performed_outside(self, x: Any) -> bool:
        """Whether a vendor's extension says which program does it."""
        extension = first(x, "extensionElements")
        job = None if extension is None else first(extension, "taskDefinition")
        return job is not None or any(
            _vendor(x, name) for name in ("topic", "class", "expression", "delegateExpression")
        )

    def role(self, x: Any) -> str:
        """Who does it: the potential owner, the kind of service, or the lane."""
        extension = first(x, "extensionElements")
        for given in (
            _vendor(x, "candidateGroups"),
            _vendor(x, "topic"),
            *(y.get("candidateGroups") or y.get("type") or "" for y in (
                () if extension is None
                else (y for y in children(extension)
                      if local(y) in ("assignmentDefinition", "taskDefinition"))
            )),
        ):  # fmt: skip
            name = _line(given.partition(",")[0])
            if name and not name.startswith(("$", "#", "=")):
                return name
        for owner in children(x, "potentialOwner", "humanPerformer", "performer"):
            resource = self.ids.get(text_of(first(owner, "resourceRef")).rpartition(":")[2])
            name = _line("" if resource is None else resource.get("name", ""))
            if name:
                return name
        return self.laned(x)

    def laned(self, x: Any) -> str:
        """The lane that something is in; what is in a sub-process is in the lane of that."""
        while x is not None:
            if x.get("id", "") in self.roles:
                return self.roles[x.get("id", "")]
            x = x.getparent()
        return ""

    def repeated(self, part: _Part, x: Any) -> None:
        """A loop or many instances."""
        loop = first(x, *_LOOPS)
        if loop is None:
            return
        part.again = True
        if local(loop) == "standardLoopCharacteristics":
            self.looped(part, x, loop)
            return
        part.several = True
        argument: dict[str, JsonValue] = {}
        number = self.condition(first(loop, "loopCardinality"))
        vendor = next(
            (
                y
                for extension in children(loop, "extensionElements")
                for y in children(extension)
                if y.get("inputCollection")
            ),
            None,
        )
        listed = (
            _vendor(loop, "collection")
            or ("" if vendor is None else vendor.get("inputCollection", ""))
            or self.data_name(text_of(first(loop, "loopDataInputRef")))
        )
        item = (
            _vendor(loop, "elementVariable")
            or ("" if vendor is None else vendor.get("inputElement", ""))
            or ("" if (y := first(loop, "inputDataItem")) is None else _item_name(y))
        )
        each = self.expression(listed) if listed else None
        if each is not None:
            argument = {"in": each.cel, "as": self.each}
            if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", item) and item not in RESERVED:
                part.item = (item, self.each)
                self.declare([item])
        elif number is not None:
            literal = re.fullmatch("[0-9]+", number.cel)
            argument = {"times": int(number.cel) if literal and int(number.cel) else number.cel}
        else:
            argument = {"open": True, "as": self.each}
        construct = "multiInstanceLoopCharacteristics"
        self.tell(loop, construct if each or number else f"{construct}, without a number")
        if _true(loop, "isSequential"):
            argument["at-most"] = 1
        done = first(loop, "completionCondition")
        if done is not None:
            known = dict(_INSTANCES)
            if "in" in argument:
                known["nrOfInstances"] = f"size({argument['in']})"
            elif "times" in argument:
                known["nrOfInstances"] = f"({argument['times']})"
            until = self.condition(done, extra=known)
            gathered = self.gathered(loop, vendor)
            if until is not None and gathered in until.reads:
                until, self.why = None, f"{gathered} is known when all are done"
            if until is not None:
                argument |= {"until": _counted(until.cel, known), "rest": "cancel"}
                self.tell(loop, f"{construct}, completionCondition")
            else:
                self.tell(loop, f"{construct}, completionCondition that cannot be evaluated")
        if loop.get("behavior", "All") != "All":
            self.tell(loop, f"{construct}, behavior")
        self.collected(part, loop, vendor, argument)
        part.uses.append(Use("for-each", argument))

    def gathered(self, loop: Any, vendor: Any | None) -> str:
        """What the list is called of what the instances have given; empty: there is none."""
        return ("" if vendor is None else vendor.get("outputCollection") or "") or self.data_name(
            text_of(first(loop, "loopDataOutputRef"))
        )

    def collected(
        self, part: _Part, loop: Any, vendor: Any | None, argument: dict[str, JsonValue]
    ) -> None:
        """Where the results of all instances go, and what of each goes there."""
        construct = "multiInstanceLoopCharacteristics"
        into = self.gathered(loop, vendor)
        if not into:
            return
        item = first(loop, "outputDataItem")
        each = ("" if vendor is None else vendor.get("outputElement") or "") or (
            "" if item is None else _item_name(item)
        )
        each = each.removeprefix("=").strip()
        plain = all(re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", n) for n in (into, each))
        if not plain or into in RESERVED or each in RESERVED:
            self.tell(loop, f"{construct}, an output that cannot be told")
            return
        self.tell(loop, f"{construct}, output")
        self.declare([into])
        argument["collect"] = f"result.get('{each}')"
        part.sets[into] = "results"

    def looped(self, part: _Part, x: Any, loop: Any) -> None:
        condition = self.condition(first(loop, "loopCondition"))
        construct = "standardLoopCharacteristics"
        most: dict[str, JsonValue] = {}
        bound = (loop.get("loopMaximum") or "").strip()
        if re.fullmatch("[0-9]{1,9}", bound) and int(bound):
            self.tell(loop, f"{construct}, loopMaximum")
            most = {"at-most": int(bound)}
        elif bound:
            self.fault(loop, f"{_called(x)}: loopMaximum is {bound!r}; a whole number from 1 is")
        if condition is None:
            self.tell(loop, f"{construct}, without a condition that can be evaluated")
            again = f"{_variable(part.name)}.get('again') != true"
            if part.child:
                again = "false" if most else "true"
            part.uses.append(Use("structured-loop", {"until": again, **most}))
            return
        self.tell(loop, construct)
        if _true(loop, "testBefore"):
            part.uses.append(Use("structured-loop", {"while": condition.cel, **most}))
        else:
            part.uses.append(Use("structured-loop", {"until": f"!({condition.cel})", **most}))

    def data_name(self, reference: str) -> str:
        """The name of the data that a reference means."""
        found = self.ids.get(reference)
        while found is not None and found.get("dataObjectRef") in self.ids:
            found = self.ids[found.get("dataObjectRef")]
            if local(found) == "dataObjectReference":
                break
        return reference if found is None else found.get("name") or reference

    # ── events ───────────────────────────────────────────────────────────────────────────────

    def thrown(self, scope: _Scope, part: _Part, x: Any) -> None:
        """An end event or a throwing one; what throws several things throws one after the other."""
        found = self.definitions(x)
        at = part
        for number, definition in enumerate(sorted(found, key=_ends), 1):
            if number > 1:
                following = scope.part(f"{part.name}_{number}", x, title=part.title)
                at.ways.append(_Way(following.name))
                at = following
            self.throws(at, x, definition)
        scope.exits[x.get("id", "")] = at.name

    def throws(self, part: _Part, x: Any, definition: Any) -> None:
        """One thing that an event throws."""
        kind = local(definition)
        if kind == "terminateEventDefinition":
            self.tell(x, kind)
            handled = children(x.getparent(), *_SUBS)
            if any(_true(y, "triggeredByEvent") for y in handled):
                self.raises(part, TERMINATED)  # its handlers end with it
            else:
                part.split = "explicit-termination"
        elif kind in ("errorEventDefinition", "cancelEventDefinition"):
            self.tell(x, kind)
            code = self.error_code(definition) if kind.startswith("error") else CANCELLED
            self.raises(part, code or "error", part.title)
        elif kind == "escalationEventDefinition":
            self.escalates(part, x, definition)
        elif kind == "compensateEventDefinition":
            pass  # `undone` looks at them
        elif kind in _SENT and (
            definition.get(_SENT[kind])
            or (kind == "messageEventDefinition" and x.get("id", "") in self.messages)
        ):
            self.tell(x, f"{kind}, thrown")
            self.sends(part, x, definition, _SENT[kind])
        elif kind != "linkEventDefinition":
            thrown = f"{kind}, thrown" + (", without a name" if kind in _SENT else "")
            if thrown not in CONSTRUCTS and kind not in CONSTRUCTS:
                self.fault(x, f"{_called(x)} cannot throw a {kind}")
                return
            self.tell(x, thrown if thrown in CONSTRUCTS else kind)
        else:
            self.tell(x, kind)

    def raises(self, part: _Part, code: str, message: str = "") -> None:
        """Fail the net of an event with a code that a branch around it knows."""
        part.inputs = {"code": _literal(code)}
        if message:
            part.inputs["message"] = _literal(message)
        part.uses.append(Use("python", {"call": RAISE, "run-in": "inline"}))

    # ── messages and signals ─────────────────────────────────────────────────────────────────

    def sends(self, part: _Part, x: Any, definition: Any, attribute: str) -> None:
        """Put a message or signal on the bus: a signal is for all, a message for one."""
        name = self.message(x, part.name) if attribute == "messageRef" else part.name
        sent: dict[str, JsonValue] = {"event": self.referred(definition, attribute, name)}
        part.sends = ""
        if attribute == "messageRef":
            sent["to"] = "one"
            part.sends = self.correlation(x, definition, sent=True)
        part.uses.append(Use("emit", sent))

    def awaited(self, x: Any, definition: Any, name: str) -> JsonValue:
        """What a trigger for a message waits for: its name, and its key where the file has one."""
        message = self.referred(definition, "messageRef", self.message(x, name))
        key = self.correlation(x, definition, sent=False)
        return {"trigger": message, "key": key} if key else message

    def message(self, x: Any, name: str) -> str:
        """What a message is called that its event does not name."""
        return self.messages.get(x.get("id", "")) or name

    def correlation(self, x: Any, definition: Any, *, sent: bool) -> str:
        """The expression for the key by which a message finds its receiver; empty: there is none.

        A vendor's subscription of the message, or the standard's correlation property: who sends
        reads it by the message's path, who waits by the path of the process's subscription.
        """
        message = self.ids.get(definition.get("messageRef", "").rpartition(":")[2])
        if message is None:
            return ""
        for extension in children(message, "extensionElements"):
            subscription = first(extension, "subscription")
            if subscription is not None and subscription.get("correlationKey"):
                return self.key(x, subscription.get("correlationKey", ""))
        for property_, path in self.correlated.get(message.get("id", ""), ()):
            bound = path if sent else self.bound.get(property_, path)
            return self.key(x, bound)
        return ""

    def key(self, x: Any, text: str) -> str:
        """A key's expression in CEL; one that cannot be told is no key."""
        found = self.expression(text)
        if found is None:
            self.tell(x, "correlation, that cannot be evaluated", more=self.why)
            return ""
        self.tell(x, "correlation")
        return f"string({found.cel})"

    # ── escalation ───────────────────────────────────────────────────────────────────────────

    def escalates(self, part: _Part, x: Any, definition: Any) -> None:
        """Escalate to the next event around that catches it: by an error where that interrupts."""
        caught = self.catcher(x, definition)
        construct = "escalationEventDefinition, thrown"
        if caught is None:
            self.tell(x, f"{construct}, caught by nobody")
            return
        self.tell(x, construct)
        if _interrupts(caught):
            self.raises(part, _escalation(caught))
        else:
            part.uses.append(Use("emit", {"event": _escalation(caught), "to": "case"}))
            part.sends = ""
            part.alone = True

    def catcher(self, x: Any, definition: Any) -> Any | None:
        """The nearest event around one that escalates which catches it.

        At each level an event sub-process of that level goes before an event at its boundary.
        """
        code = self.escalation_code(definition)
        around, within = x.getparent(), None
        while around is not None and local(around) in (*_SUBS, "process"):
            handlers = [y for y in children(around, *_SUBS) if _true(y, "triggeredByEvent")]
            catching = [
                z for y in handlers if y is not within for z in children(y, "startEvent")[:1]
            ]
            if local(around) != "process":
                catching += [
                    z
                    for z in children(around.getparent(), "boundaryEvent")
                    if z.get("attachedToRef", "").rpartition(":")[2] == around.get("id")
                ]
            for z in catching:
                for caught in self.definitions(z):
                    escalation = local(caught) == "escalationEventDefinition"
                    if escalation and self.escalation_code(caught) in (None, code):
                        return z
            around, within = around.getparent(), around
        return None

    def escalated(self, caught: Any) -> bool:
        """Whether something in the process throws what an event catches."""
        if not self.caught_by:
            self.caught_by["-"] = None  # looked for once
            for id_, x in self.ids.items():
                if local(x) in ("endEvent", "intermediateThrowEvent"):
                    for d in self.definitions(x):
                        if local(d) == "escalationEventDefinition":
                            self.caught_by[id_] = self.catcher(x, d)
        return any(found is caught for found in self.caught_by.values())

    def escalation_code(self, definition: Any) -> str | None:
        wanted = definition.get("escalationRef", "")
        found = self.ids.get(wanted.rpartition(":")[2]) if wanted else None
        if wanted and found is None:
            fault = f"escalationRef names {wanted!r}, which is not in the file"
            if not any(f.message == fault for f in self.faults):
                self.fault(definition, fault)
        return None if found is None else _line(found.get("escalationCode") or found.get("id", ""))

    # ── compensation ─────────────────────────────────────────────────────────────────────────

    def undone(self, scope: _Scope, element: Any, nodes: Mapping[str, Any]) -> None:
        """What undoes the activities of a scope, where an event in it says so.

        Each activity with a handler sets a flag when it is done. An event that compensates goes
        through the activities, the last one first, and does the handlers of those that are done.
        """
        handlers = self.handlers(element, nodes)
        flags: dict[str, str] = {}
        for host in handlers:
            if host in scope.entries:
                part = scope.parts[scope.entries[host]]
                flag = name_of(f"{_variable(part.name)}_done", {*self.variables})
                self.variables[flag] = Variable(
                    flag, DataType("boolean"), merge="last", default=False
                )
                self.flags.add(flag)
                part.sets[flag] = "true"
                flags[host] = flag
        for id_, x in nodes.items():
            if local(x) not in ("endEvent", "intermediateThrowEvent") or id_ not in scope.entries:
                continue
            for definition in self.definitions(x):
                if local(definition) == "compensateEventDefinition":
                    only = definition.get("activityRef", "").rpartition(":")[2]
                    if only and only not in nodes:
                        what = f"activityRef names {only!r}, which is not there"
                        self.fault(x, f"{_called(x)}: {what}")
                    asked = {h: f for h, f in flags.items() if only in ("", h)}
                    self.compensates(scope, scope.parts[scope.exits[id_]], x, asked, handlers)
                elif local(definition) == "cancelEventDefinition" and flags:
                    self.undoes(scope, scope.parts[scope.exits[id_]], x, flags, handlers)

    def handlers(self, element: Any, nodes: Mapping[str, Any]) -> dict[str, Any]:
        """The activities that can be undone, in the order of the flow, with what undoes them."""
        ends: dict[str, list[str]] = {}
        for association in children(element, "association"):
            one, two = (
                association.get(k, "").rpartition(":")[2] for k in ("sourceRef", "targetRef")
            )
            ends.setdefault(one, []).append(two)
            ends.setdefault(two, []).append(one)
        found: dict[str, Any] = {}
        for id_, x in nodes.items():
            if local(x) != "boundaryEvent" or first(x, "compensateEventDefinition") is None:
                continue
            handler = next(
                (nodes[to] for to in ends.get(id_, ()) if to in nodes and _undoes(nodes[to])), None
            )
            if handler is None:
                self.tell(x, "compensateEventDefinition, without a handler")
                continue
            self.tell(x, "compensateEventDefinition, caught")
            found[x.get("attachedToRef", "").rpartition(":")[2]] = handler
        for id_, x in nodes.items():
            inner = next((y for y in children(x, *_SUBS) if _compensates(y)), None)
            if inner is not None and id_ not in found:
                self.tell(inner, "compensateEventDefinition, of a sub-process")
                found[id_] = inner
        used = [handler.get("id") for handler in found.values()]
        for id_, x in nodes.items():
            if _undoes(x):
                known = id_ in used
                self.tell(x, "isForCompensation" + ("" if known else ", of no activity"))
        order = _in_order(element)
        return dict(sorted(found.items(), key=lambda pair: order.get(pair[0], 0)))

    def compensates(
        self,
        scope: _Scope,
        part: _Part,
        x: Any,
        flags: Mapping[str, str],
        handlers: Mapping[str, Any],
    ) -> None:
        """A compensation event: what can be undone is; what only somebody can undo is asked."""
        if flags:
            self.tell(x, "compensateEventDefinition, thrown")
            self.undoes(scope, part, x, flags, handlers)
            return
        self.tell(x, "compensateEventDefinition, thrown where nothing has a handler")
        self.person(part, x)
        title = part.title or "Undo what was done"
        part.uses = [Use("person", {"title": title, "text": "What was done here is undone."})]

    def undoes(
        self,
        scope: _Scope,
        part: _Part,
        x: Any,
        flags: Mapping[str, str],
        handlers: Mapping[str, Any],
    ) -> None:
        """Put the handlers of what is done before what an event does by itself."""
        last = scope.part(f"{part.name}_undone", x)
        last.uses, last.inputs, last.split = part.uses, part.inputs, part.split
        part.uses, part.inputs = [], {}
        at = part
        hosts = [*flags][::-1]
        for number, host in enumerate(hosts, 1):
            following = last if number == len(hosts) else scope.part(f"{part.name}_{number + 1}", x)
            handler = self.activity(scope, handlers[host])
            handler.sets[flags[host]] = "false"
            handler.ways = [_Way(following.name)]
            at.split = "exclusive-choice"
            at.ways = [_Way(handler.name, when=flags[host]), _Way(following.name, default=True)]
            at = following
        scope.exits[x.get("id", "")] = last.name

    def definitions(self, x: Any) -> list[Any]:
        """The event definitions of an event, in the file's order."""
        id_ = x.get("id", "")
        if id_ not in self.defined:
            found = [y for y in children(x) if local(y).endswith("EventDefinition")]
            for reference in children(x, "eventDefinitionRef"):
                referred = self.ids.get(text_of(reference).rpartition(":")[2])
                if referred is None:
                    self.fault(
                        reference,
                        f"eventDefinitionRef names {text_of(reference)!r}, which is not there",
                    )
                else:
                    found.append(referred)
            self.defined[id_] = found
            if len(found) > 1:
                every = _true(x, "parallelMultiple") and local(x) != "startEvent"
                throws = local(x) in ("endEvent", "intermediateThrowEvent")
                more = ", thrown" if throws else ", parallelMultiple" if every else ""
                self.tell(x, f"multiple event definitions{more}")
        return self.defined[id_]

    def waits(self, scope: _Scope, part: _Part, x: Any) -> None:
        """What an event in the flow waits for: one thing, the first of several, or all of them."""
        found = self.definitions(x)
        made = self.defining(scope, part, x, found)
        if len(made) == 1 and not made[0].all_of:
            part.uses += [made[0].use] if made[0].use is not None else []
            return
        begins = scope.part(f"{part.name}_begins", x)
        parts = made[0].all_of or [caught.part for caught in made]
        for caught in made:
            if caught.use is not None:
                caught.part.uses.append(caught.use)
        begins.split = "parallel-split" if made[0].all_of else "deferred-choice"
        begins.ways = [_Way(p.name) for p in parts]
        scope.entries[x.get("id", "")] = begins.name
        if not made[0].all_of:
            scope.instead[begins.name] = [p.name for p in parts]

    def defining(self, scope: _Scope, part: _Part, x: Any, found: list[Any]) -> list[_Catch]:
        """What an event catches, each with the part that waits for it."""
        conditional = local(x) == "intermediateCatchEvent" and any(
            local(d) == "conditionalEventDefinition" and self.condition(first(d, "condition"))
            for d in found
        )
        if len(found) < 2 and not conditional:
            caught = self.definition(scope, x, found[0] if found else None, part)
            return [caught]
        made: list[_Catch] = []
        for number, definition in enumerate(found, 1):
            name = f"{part.name}_{number}" if len(found) > 1 else f"{part.name}_holds"
            own = scope.part(name, x, title=part.title)
            caught = self.definition(scope, x, definition, own)
            own.ways.append(_Way(part.name))
            made.append(caught)
        every = len(found) > 1 and _true(x, "parallelMultiple")
        if every and not any(caught.error or caught.use is None for caught in made):
            for caught in made:
                assert caught.use is not None
                caught.part.uses.append(caught.use)
                caught.part.ways = [_Way(part.name)]
            part.join = Use("synchronization")
            return [_Catch(part, all_of=[caught.part for caught in made], repeats=False)]
        if len(found) == 1:
            told = scope.part(f"{part.name}_told", x, title=part.title)
            told.ways.append(_Way(part.name))
            made.append(_Catch(told, use=Use("persistent-trigger", part.name)))
        return made

    def caught(self, scope: _Scope, x: Any, *, interrupts: bool) -> tuple[_Part, list[_Catch]]:
        """What is caught beside an activity, and the part from which the flow goes on."""
        part = scope.part(x.get("id", ""), x, title=_line(x.get("name", "")))
        made = self.defining(scope, part, x, self.definitions(x))
        for caught in made:
            caught.interrupts = interrupts or caught.error
        return part, made

    def definition(self, scope: _Scope, x: Any, definition: Any | None, part: _Part) -> _Catch:
        """What an event waits for."""
        made = _Catch(part)
        kind = "" if definition is None else local(definition)
        name = part.name
        if definition is None:
            self.tell(x, "event without a definition")
            made.use = Use("persistent-trigger", name)
            made.repeats = False
        elif kind in ("errorEventDefinition", "cancelEventDefinition"):
            self.tell(x, kind)
            made.error = True
            made.code = self.error_code(definition) if kind.startswith("error") else CANCELLED
        elif kind == "timerEventDefinition":
            self.timer(scope, made, x, definition)
        elif kind == "signalEventDefinition":
            self.tell(x, kind)
            made.use = Use("transient-trigger", self.referred(definition, "signalRef", name))
        elif kind == "escalationEventDefinition" and self.escalated(x):
            self.tell(x, kind)
            if _interrupts(x):
                made.error, made.code = True, _escalation(x)
            else:
                made.use = Use("persistent-trigger", _escalation(x))
        elif kind == "messageEventDefinition":
            self.tell(x, kind)
            made.use = Use("persistent-trigger", self.awaited(x, definition, name))
        elif kind == "escalationEventDefinition":
            self.tell(x, f"{kind}, that nothing in the process throws")
            attribute = kind.replace("EventDefinition", "Ref")
            made.use = Use("persistent-trigger", self.referred(definition, attribute, name))
        elif kind == "conditionalEventDefinition":
            self.conditional(scope, made, x, definition)
        else:
            self.fault(x, f"{_called(x)} cannot wait for a {kind}")
        return made

    def conditional(self, scope: _Scope, made: _Catch, x: Any, definition: Any) -> None:
        """An event that occurs when its condition holds."""
        condition = self.condition(first(definition, "condition"))
        kind = "conditionalEventDefinition"
        within = local(x) == "startEvent"  # data of what it stands beside are not seen here
        if condition is None or within:
            why = "what its process changes is seen when that is done" if within else self.why
            self.tell(x, f"{kind}, that cannot be evaluated", more=why)
            made.use, made.repeats = Use("persistent-trigger", made.part.name), False
            return
        again = local(x) == "boundaryEvent" and not _interrupts(x)
        self.tell(x, kind + (", that does not interrupt" if again else ""))
        holds = _present(condition)
        made.use, made.repeats = Use("await", holds), False
        if again:  # each time that it begins to hold
            rest = scope.part(f"{made.part.name}_past", x, uses=[Use("await", f"!({holds})")])
            rest.ways.append(_Way(made.part.name))
            made.part.ways.append(_Way(rest.name))
            made.also = [rest]

    def timer(self, scope: _Scope, made: _Catch, x: Any, definition: Any) -> None:
        """The time that a timer names; without one that can be read, a trigger."""
        kind = local(definition)
        for word in KINDS:
            text = text_of(first(definition, word))
            found = read_time(word, text, self.told) if text else None
            if found is None:
                continue
            repeats = word == "timeCycle"
            construct = kind + (", timeCycle" if repeats else "")
            if not found.literal:
                construct = f"{kind}, from the data"
            elif repeats and found.times is not None and found.times > MAX_TIMES:
                construct = f"{kind}, timeCycle of more than {MAX_TIMES} times"
            self.tell(x, construct)
            made.repeats = repeats
            made.use = Use("wait", {found.key: found.value})
            if repeats and found.times is not None and found.times <= MAX_TIMES:
                made.repeats = False
                if found.times > 1 and not _interrupts(x) and local(x) != "intermediateCatchEvent":
                    self.again(scope, made, x, found.times)
            if found.key == "for" and found.literal and not repeats:
                try:
                    made.seconds = parse_duration(found.value) or None
                except ValueError:
                    made.seconds = None  # of a calendar: months have no length of their own
            if not repeats and made.seconds is None:
                made.time = {found.key: found.value}
            return
        self.tell(x, f"{kind}, without a time")
        made.use = Use("persistent-trigger", made.part.name)
        made.repeats = False

    def again(self, scope: _Scope, made: _Catch, x: Any, times: int) -> None:
        """So many waits, one behind the other, each of which begins the branch of the event.

        The flow leads on from the event's own part; so the first wait goes before it.
        """
        assert made.use is not None
        branch, waiting = made.part, list[_Part]()
        for number in range(1, times + 1):
            wait = scope.part(f"{branch.name}_time_{number}", x)
            wait.ways.append(_Way(branch.name))
            if waiting:
                wait.uses.append(made.use)
                waiting[-1].ways.append(_Way(wait.name))
            waiting.append(wait)
        made.part, made.also = waiting[0], waiting[1:]

    def told(self, text: str) -> str | None:
        """An expression in CEL; None: it cannot be told."""
        found = self.expression(text)
        return None if found is None else found.cel

    def referred(self, definition: Any, attribute: str, name: str) -> str:
        """The name of a message or signal; that of the event where none is told."""
        wanted = definition.get(attribute, "")
        found = (
            self.ids.get(wanted) if wanted in self.ids else self.ids.get(wanted.rpartition(":")[2])
        )
        undeclared = bool(wanted) and found is None
        if undeclared and attribute == "signalRef":
            self.undeclared(definition, "signal", wanted)
        elif undeclared:
            self.fault(definition, f"{attribute} names {wanted!r}, which is not in the file")
        told = (
            (wanted if undeclared else name)
            if found is None
            else (found.get("name") or found.get("id") or name)
        )
        made = _NAME_OF_TRIGGER.sub("_", _line(told))[:200]
        return made if re.match("[A-Za-z0-9_]", made) else f"_{made}"[:200]

    def undeclared(self, definition: Any, kind: str, wanted: str) -> None:
        """What several engines allow: a reference that is no reference, but the name itself."""
        if definition not in self.names:
            self.names.append(definition)
            self.tell(definition, f"{kind}EventDefinition, of what is not declared", more=wanted)

    def error_code(self, definition: Any) -> str | None:
        wanted = definition.get("errorRef", "")
        if not wanted:
            return None
        found = self.ids.get(wanted.rpartition(":")[2])
        if found is None:
            self.undeclared(definition, "error", wanted)
            return _line(wanted)
        return _line(found.get("errorCode") or found.get("name") or wanted)

    def attach(
        self, scope: _Scope, part: _Part, catches: list[_Catch], *, id_: str | None = None
    ) -> None:
        """Events beside an activity: what is done first withdraws the other."""
        errors = [caught for caught in catches if caught.error]
        waits = [caught for caught in catches if not caught.error]
        failed: _Part | None = None
        if errors:
            part.failure = [
                _Way(caught.part.name, when=f"error.code == {_literal(caught.code)}")
                for caught in errors
                if caught.code is not None
            ]
            rest = next((caught.part for caught in errors if caught.code is None), None)
            if rest is None:
                rest = scope.part(
                    f"{part.name}_uncaught", part.element, title="An error, passed on"
                )
                rest.inputs = {"code": "error.code", "message": "error.message"}
                rest.uses.append(Use("python", {"call": RAISE, "run-in": "inline"}))
            part.failure.append(_Way(rest.name))
            if waits:
                failed = scope.part(f"{part.name}_failed", part.element)
                failed.split, failed.ways = "exclusive-choice", part.failure
                part.failure = [_Way(failed.name)]
        if not waits:
            return
        alone = waits[0] if len(waits) == 1 else None
        timed = alone and alone.interrupts and (alone.seconds or alone.time)
        if alone and timed and not part.again and _performed(part):
            part.timeout, part.expires = alone.seconds, alone.time
            part.late = alone.part.name
            return
        entry = scope.part(f"{part.name}_begins", part.element)
        entry.ways = [
            _Way(part.name),
            *(_Way(p.name) for caught in waits for p in caught.all_of or [caught.part]),
        ]
        names: list[JsonValue] = [
            p.name for caught in waits for p in (*caught.all_of, caught.part, *caught.also)
        ]
        done = part
        if part.again:  # each time would be a completion
            done = scope.part(f"{part.name}_done", part.element)
            part.ways = [_Way(done.name)]
        done.uses.append(Use("cancel-task", [*names]))
        if failed is not None:
            failed.uses.append(Use("cancel-task", [*names]))
        for caught in waits:
            if caught.use is not None:
                caught.part.uses.append(caught.use)
            if caught.interrupts:
                others: list[JsonValue] = [n for n in names if n != caught.part.name]
                caught.part.uses.append(Use("cancel-region", {"region": [part.name, *others]}))
            elif caught.repeats:
                caught.part.ways.append(_Way(caught.part.name))
        scope.entries[part.name if id_ is None else id_] = entry.name
        scope.exits[part.name if id_ is None else id_] = done.name

    # ── flows ────────────────────────────────────────────────────────────────────────────────

    def flows(self, scope: _Scope, element: Any, nodes: Mapping[str, Any]) -> None:
        outgoing: dict[str, list[Any]] = {}
        incoming: Counter[str] = Counter()
        for flow in children(element, "sequenceFlow"):
            ends = {}
            for what in ("sourceRef", "targetRef"):
                ends[what] = flow.get(what, "").rpartition(":")[2]
                if ends[what] not in nodes:
                    where = "is elsewhere" if ends[what] in self.ids else "is not in the file"
                    self.fault(
                        flow,
                        f"{_called(flow)}: its {what} {ends[what]!r} {where}",
                        "unknown-target",
                    )
            source, target = ends["sourceRef"], ends["targetRef"]
            if source not in nodes or target not in nodes:
                continue
            if local(nodes[target]) in ("startEvent", "boundaryEvent"):
                self.fault(flow, f"{_called(flow)} leads into a {local(nodes[target])}")
            elif local(nodes[source]) == "endEvent":
                self.fault(flow, f"{_called(flow)} leads on from an endEvent")
            self.tell(flow, "sequenceFlow")
            incoming[target] += 1
            outgoing.setdefault(source, []).append(flow)
        for id_, x in nodes.items():
            default = x.get("default", "").rpartition(":")[2]
            leading = [flow for flow in outgoing.get(id_, ()) if flow.get("id")]
            if default and default not in [flow.get("id") for flow in leading]:
                self.fault(
                    x, f"{_called(x)}: its default {default!r} is no flow that leads on from it"
                )
            if local(x) in _GATEWAYS and not incoming[id_] and not outgoing.get(id_):
                self.fault(x, f"{_called(x)}: a gateway without flows")
            if id_ in scope.exits:
                part = scope.parts[scope.exits[id_]]
                if part.join.name == "complex":
                    part.join = Use("multi-merge")
                    if incoming[id_] > 1:
                        part.join = Use("general-synchronizing-merge", {"rule": "structural"})
                        self.tell(x, "complexGateway, whose condition names no number")
                self.lead(scope, part, x, outgoing.get(id_, []))
        for id_, x in nodes.items():
            if _starts(x) and not incoming[id_] and id_ in scope.exits:
                self.started_at(scope, scope.parts[scope.exits[id_]], nodes, outgoing, id_)

    def started_at(
        self,
        scope: _Scope,
        gate: _Part,
        nodes: Mapping[str, Any],
        outgoing: Mapping[str, list[Any]],
        id_: str,
    ) -> None:
        """A gateway whose events start cases: the event that did is not waited for again."""
        targets = [_tail(flow.get("targetRef", "")) for flow in outgoing.get(id_, ())]
        waiting = {t: scope.entries[t] for t in targets if t in scope.entries}
        began: list[_Way] = []
        for target, entry in waiting.items():
            x, event = nodes[target], scope.parts[scope.exits[target]]
            if not self.heard(x):
                continue
            past = scope.part(f"{target}_past", x, split=event.split)
            past.ways, event.ways, event.split = event.ways, [_Way(past.name)], "parallel-split"
            to = past
            if gate.split == "parallel-split":
                to = scope.part(f"{target}_first", x)
                others = [_Way(e) for e in waiting.values() if e != entry]
                to.ways = [_Way(past.name), *others]
            began.append(_Way(to.name, when=f"{START_EVENT} == {_literal(target)}"))
        if not began:
            return
        waits = scope.part(f"{gate.name}_waits", gate.element, split=gate.split)
        waits.ways = gate.ways
        gate.split, gate.ways = "exclusive-choice", [*began, _Way(waits.name, default=True)]
        self.declare([START_EVENT])

    def heard(self, x: Any) -> list[tuple[Any, str]]:
        """The messages and signals by which an event starts a case, each with what names it."""
        if local(x) == "receiveTask":
            return [(x, "messageRef")]
        return [(d, _SENT[local(d)]) for d in self.definitions(x) if local(d) in _SENT]

    def lead(self, scope: _Scope, part: _Part, x: Any, flows: list[Any]) -> None:
        """The ways on from a node."""
        kind = local(x)
        flows = [f for f in flows if f.get("targetRef", "").rpartition(":")[2] in scope.entries]
        ways = [_Way(scope.entries[f.get("targetRef", "").rpartition(":")[2]]) for f in flows]
        choosing = part.split in ("exclusive-choice", "multi-choice")
        texts = [text_of(first(f, "conditionExpression")) for f in flows]
        default = x.get("default", "").rpartition(":")[2]
        if kind == "eventBasedGateway" and part.split == "parallel-split":
            part.ways += ways
            return
        if kind == "eventBasedGateway":
            part.ways += [_Way(n) for w in ways for n in scope.instead.get(w.to, [w.to])]
            return
        if kind == "parallelGateway":
            part.ways += ways
            return
        if not choosing:
            if not any(texts) and not default:
                part.ways += ways
                return
            if part.ways or part.failure or part.split == "explicit-termination" or part.works:
                split = scope.part(f"{part.name}_ways", x)
                part.ways.append(_Way(split.name))
                part = split
            part.split = "multi-choice"
        if len(flows) < 2 and (choosing or not any(texts)):
            part.split = "parallel-split"
            part.ways += ways
            if choosing:
                self.tell(x, kind)
            return
        several = part.split == "multi-choice"
        undecided = not self.decide(part, x, flows, ways, texts, default, several=several)
        part.ways += ways
        asked = choosing and not any(texts)
        if kind in ("exclusiveGateway", "inclusiveGateway"):
            self.tell(x, f"{kind}, without conditions" if asked else kind)
        if undecided:
            self.ask(part, x, flows, ways, default, several=several)

    def decide(
        self,
        part: _Part,
        x: Any,
        flows: list[Any],
        ways: list[_Way],
        texts: list[str],
        default: str,
        *,
        several: bool,
    ) -> bool:
        """Put conditions on the ways; False: they do not say where the flow goes."""  # fmt: skip
        open_ways: list[_Way] = []
        decided = any(texts)
        for flow, way, text in zip(flows, ways, texts, strict=True):
            if default and flow.get("id") == default:
                way.default = True
            elif text:
                condition = self.condition(first(flow, "conditionExpression"))
                if condition is None:
                    self.tell(flow, "conditionExpression, that cannot be evaluated", more=self.why)
                    decided = False
                else:
                    self.tell(flow, "conditionExpression")
                    way.when = condition.cel
            else:
                open_ways.append(way)
        if several:
            for way in open_ways:
                way.when = "true"
        elif open_ways:
            if default or len(open_ways) > 1:
                return False
            open_ways[0].default = True
        return decided

    def ask(
        self,
        part: _Part,
        x: Any,
        flows: list[Any],
        ways: list[_Way],
        default: str,
        *,
        several: bool,
    ) -> None:
        """Somebody decides where the flow goes."""  # fmt: skip
        labels = [_line(flow.get("name", "")) for flow in flows]
        if len({*labels}) < len(labels) or "" in labels:
            targets = [self.ids.get(flow.get("targetRef")) for flow in flows]
            titles = [
                label or _line("" if target is None else target.get("name") or target.get("id", ""))
                for label, target in zip(labels, targets, strict=True)
            ]
            unique = len({*titles}) == len(titles) and "" not in titles
            labels = (
                titles
                if unique
                else [f.get("id") or w.to for f, w in zip(flows, ways, strict=True)]
            )
        title = _line(x.get("name", "")) or f"Where does the flow go from {x.get('id', 'here')}?"
        asked: dict[str, JsonValue] = {"title": title}
        role = self.laned(x)
        if role:
            asked["role"] = role
        variable = _variable(part.name)
        for way, label in zip(ways, labels, strict=True):
            way.default = False
            way.when = (
                f"{_literal(label)} in {variable}.to"
                if several
                else f"{variable}.choice == {_literal(label)}"
            )
        if several:
            texts: JsonValue = {"type": "array", "items": {"type": "string", "enum": [*labels]}}
            assert isinstance(texts, dict)
            asked["form"] = {"to": {**texts, "required": True}}
        else:
            asked["choices"] = [*labels]
            ways[-1].when, ways[-1].default = None, True
        part.works = part.asks = True
        part.uses.append(Use("person", asked))

    def links(self, scope: _Scope, nodes: Mapping[str, Any]) -> None:
        """From an event that throws a link to the one that catches it."""
        catching = {_link(x): k for k, x in nodes.items() if _catches_link(x)}
        for id_, x in nodes.items():
            if local(x) == "intermediateThrowEvent" and first(x, "linkEventDefinition") is not None:
                target = catching.get(_link(x))
                if target is None:
                    self.fault(x, f"{_called(x)}: no event here catches the link {_link(x)!r}")
                elif id_ in scope.exits:
                    scope.parts[scope.exits[id_]].ways.append(_Way(scope.entries[target]))

    # ── expressions ──────────────────────────────────────────────────────────────────────────

    why = ""
    """Why the last condition could not be told in CEL."""

    def condition(
        self, element: Any | None, *, extra: Mapping[str, str] | None = None
    ) -> Condition | None:
        text = text_of(element)
        if element is None or not text:
            self.why = "it is empty"
            return None
        return self.expression(text, extra=extra)

    def expression(self, text: str, *, extra: Mapping[str, str] | None = None) -> Condition | None:
        """A condition in CEL, its variables declared; None: it cannot be told."""
        try:
            found = translated(text)
        except Untranslatable as reason:
            self.why = str(reason)
            return None
        own = extra or {}
        beyond = [name for name in found.reads if name in _COUNTS and own.get(name) is None]
        if beyond:
            self.why = f"{beyond[0]} is not known here"
            return None
        self.declare(name for name in found.reads if name not in own)
        return found

    def declare(self, names: Iterable[str]) -> None:
        for name in names:
            if name in RESERVED:
                continue
            self.variables.setdefault(name, Variable(name, DataType("any"), merge="last"))

    # ── starting cases ───────────────────────────────────────────────────────────────────────

    def start_events(self, scope: _Scope, process: Any, starting: list[Any]) -> None:
        """The start events of a process; one of several is chosen by a variable."""
        if len(starting) > 1:
            choice = scope.part("begin", process, split="exclusive-choice")
            ordered = sorted(starting, key=lambda x: bool(self.definitions(x)))
            for x in ordered[1:]:
                when = f"{START_EVENT} == {_literal(x.get('id', ''))}"
                choice.ways.append(_Way(scope.entries[x.get("id", "")], when=when))
            choice.ways.append(_Way(scope.entries[ordered[0].get("id", "")], default=True))
            scope.starts = [choice.name]
            self.declare([START_EVENT])
            for x in starting:
                self.tell(x, "startEvent, one of several")

    def start_process(self) -> None:
        """What starts cases by itself: messages, signals and schedules of the process that runs."""
        process = next(self.processes[id_] for id_, net in self.called.items() if net == "net")
        starting = children(process, "startEvent")
        for x in children(process, "receiveTask"):
            if _true(x, "instantiate"):
                self.started_by(x, x, "messageRef", {})
        flows = children(process, "sequenceFlow")
        entered = {_tail(flow.get("targetRef", "")) for flow in flows}
        for flow in () if starting else flows:
            gate = self.ids.get(_tail(flow.get("sourceRef", "")))
            event = self.ids.get(_tail(flow.get("targetRef", "")))
            if gate is None or event is None or not _starts(gate):
                continue
            if gate.get("id") not in entered:
                for definition, attribute in self.heard(event):
                    said = {START_EVENT: _literal(event.get("id", ""))}
                    self.started_by(event, definition, attribute, said)
        for x, definition in [(y, d) for y in starting for d in self.definitions(y) or [None]]:
            kind = "" if definition is None else local(definition)
            chosen: dict[str, JsonValue] = {}
            if len(starting) > 1:
                chosen = {START_EVENT: _literal(x.get("id", ""))}
            if kind in ("messageEventDefinition", "signalEventDefinition"):
                self.tell(x, "startEvent, message or signal")
                self.started_by(x, definition, kind.replace("EventDefinition", "Ref"), chosen)
            elif kind == "timerEventDefinition":
                cycle = text_of(first(definition, "timeCycle"))
                found = read_time("timeCycle", cycle, lambda text: None) if cycle else None
                fits = found is not None and found.key == "next"
                self.tell(x, "startEvent, timer" if fits else "startEvent, of another kind")
                if found is not None and fits:
                    said = {k: x.get("id", "") for k in chosen}
                    self.schedules.append(ScheduleTrigger(found.value, data=said))
            elif kind:
                self.tell(x, "startEvent, of another kind")

    def started_by(
        self, x: Any, definition: Any, attribute: str, chosen: Mapping[str, JsonValue]
    ) -> None:
        """An event of that name starts a case, with its data for the variables."""
        name = x.get("id", "")
        name = self.message(x, name) if attribute == "messageRef" else name
        event = self.referred(definition, attribute, name)
        given = {v: f"event.data.get('{v}')" for v in self.variables if v != START_EVENT}
        self.triggers.append(EventTrigger(event, {**given, **chosen}))

    # ── what stands beside ───────────────────────────────────────────────────────────────────

    def beside(self, document: Any) -> None:
        """Data, artifacts, extensions, and processes that are not run."""
        foreign: dict[str, Any] = {}
        for x in document.iter():
            kind = local(x)
            if kind in _BESIDE and namespace(x) == MODEL:
                self.tell(x, _BESIDE[kind])
                name = x.get("name", "")
                if kind in ("dataObject", "property") and re.fullmatch(
                    "[A-Za-z_][A-Za-z0-9_]*", name
                ):
                    self.declare([name])
            elif kind == "extensionElements":
                for y in children(x):
                    foreign.setdefault(local(y), y)
        for kind, x in foreign.items():
            known = CONSTRUCTS["extensions"]
            self.imported.append(
                Imported("extensions", known.verdict, known.note, kind, x.sourceline)
            )
        for id_, process in self.processes.items():
            if id_ not in self.called:
                self.tell(process, "process, another one")

    def layout(self, document: Any) -> dict[str, JsonValue]:
        """Where nodes stand in the file's diagram: net, task, and x, y, width, height in pixels."""
        bounds = _shapes(document)
        if bounds:
            self.imported.append(
                Imported("diagram", CONSTRUCTS["diagram"].verdict, CONSTRUCTS["diagram"].note)
            )
        found: dict[str, JsonValue] = {}
        for name, scope in self.nets.items():
            places: dict[str, JsonValue] = {
                part.name: [*box]
                for part in scope.parts.values()
                if part.element is not None
                and (box := bounds.get(part.element.get("id", ""))) is not None
                and part.name == name_of(part.element.get("id", ""), _TAKEN)
            }
            if places:
                found[name] = places
        return found

    # ── the nets ─────────────────────────────────────────────────────────────────────────────

    def finish(self) -> dict[str, NetDefinition]:
        """The case's own net, and those that are run below it."""
        made: dict[str, NetDefinition] = {}
        queue = ["net"]
        while queue:
            name = queue.pop(0)
            if name not in made:
                scope = self.nets[name]
                made[name] = self.finished(scope)
                queue += [part.child for part in scope.parts.values() if part.child is not None]
        return made

    def finished(self, scope: _Scope) -> NetDefinition:
        """A net of what the flow from its start leads to."""
        reached = _reached(scope)
        left: list[str] = []
        for part in list(scope.parts.values()):
            if part.name not in reached:
                if part.element is not None and part.element.get("id") not in left:
                    left.append(part.element.get("id", ""))
                    self.tell(part.element, "what no flow leads to")
                del scope.parts[part.name]
        for part in list(scope.parts.values()):
            self.apart(scope, part)
        incoming: Counter[str] = Counter(scope.starts)
        for part in scope.parts.values():
            for way in part.leads():
                incoming[way.to] += 1
        shared = bool(self.shared())
        parts = scope.parts.values()
        own = {_variable(p.name) for p in parts if p.works and not (p.several or p.asks) and shared}
        own |= {_variable(p.name) for p in parts if p.works and p.several and p.sets}
        variables = {
            **{n: Variable(n, DataType("any"), merge="last") for n in sorted(own)},
            **self.variables,
        }
        return NetDefinition(
            name=scope.name,
            start=tuple(scope.starts),
            tasks={p.name: self.task(p, incoming[p.name]) for p in scope.parts.values()},
            variables=variables,
            uses=tuple(scope.uses),
        )

    def apart(self, scope: _Scope, part: _Part) -> None:
        """Two ways from one part to the same other one get something between them."""
        seen: set[str] = set()
        for ways in (part.ways, part.failure):
            seen.clear()
            for way in ways:
                if way.to in seen:
                    between = scope.part(f"{part.name}_to_{way.to}", part.element)
                    between.ways = [_Way(way.to)]
                    way.to = between.name
                seen.add(way.to)

    def shared(self) -> list[str]:
        """The variables that tasks set and sub-processes get."""
        return [v for v in self.variables if v != START_EVENT]

    def sent(self) -> list[str]:
        """The variables that go with a message or signal."""
        return [v for v in self.shared() if v not in self.flags]

    def task(self, part: _Part, incoming: int) -> TaskDefinition:
        shared = self.shared()
        inputs, outputs = dict(part.inputs), None
        if part.child is not None:
            inputs = {v: v for v in self.variables}
            if part.item is not None:
                inputs[part.item[0]] = part.item[1]
            outputs = {} if part.several else {v: f"result.{v}" for v in shared}
        elif part.works:
            if part.item is not None:
                inputs = {part.item[0]: part.item[1]}
            if shared and not part.several and not part.asks:
                outputs = {_variable(part.name): "result"}
                for v in shared:
                    if v not in self.flags:
                        outputs[v] = f"result.get('{v}') != null ? result.get('{v}') : {v}"
        elif any(use.name == "python" for use in part.uses):
            outputs = {}
        uses = list(part.uses)
        if part.sends is not None:
            inputs, outputs = ({} if part.alone else {v: v for v in self.sent()}), {}
            if part.item is not None:
                inputs[part.item[0]] = part.item[1]
            if part.sends:
                key = name_of("key", inputs)
                inputs[key] = part.sends
                uses = [_keyed(use, key) for use in uses]
        if part.sets:
            kept = {_variable(part.name): "results"} if part.several and not part.child else {}
            outputs = {**(outputs or kept), **part.sets}
        return TaskDefinition(
            name=part.name,
            title=part.title,
            join=part.join if incoming > 1 else None,
            then=_then(part.split, part.ways),
            on_failure=_then("exclusive-choice", part.failure),
            inputs=inputs,
            outputs=outputs,
            timeout_seconds=part.timeout,
            expires=part.expires,
            on_timeout=None if part.late is None else Use("sequence", part.late),
            uses=tuple(uses),
            retry=None if part.sends is None else _SENDING,
        )


_SENT = {"messageEventDefinition": "messageRef", "signalEventDefinition": "signalRef"}
"""What is sent when it is thrown, and the attribute that names it."""

_SENDING = Retry(attempts=5, delay_seconds=1.0, factor=4.0, jitter="full")
"""How what is sent is tried again where its receiver is busy."""

_LOOPS = ("standardLoopCharacteristics", "multiInstanceLoopCharacteristics")
_IGNORED = (
    *("documentation", "extensionElements", "incoming", "outgoing", "auditing", "monitoring"),
    *("ioSpecification", "supportedInterfaceRef", "correlationSubscription", "resourceRole"),
    *("performer", "humanPerformer", "potentialOwner", "supports", "completionCondition", *_LOOPS),
    *("ioBinding", "artifact", "dataInput", "dataOutput", "inputSet", "outputSet"),
)
_INSTANCES = {
    "nrOfCompletedInstances": "completed",
    "numberOfCompletedInstances": "completed",
}
"""What conditions call the number of instances that are done (a custom of several engines)."""

_COUNTS = (*_INSTANCES, "nrOfInstances", "nrOfActiveInstances", "numberOfInstances")
"""What engines call numbers of instances; none of them is a variable."""


def _counted(cel: str, known: Mapping[str, str]) -> str:
    """A condition over numbers of instances; where they are divided they have fractions."""
    divided = "/" in cel
    for name, meant in known.items():
        cel = re.sub(rf"\b{name}\b", f"double({meant})" if divided else meant, cel)
    return cel


def _reached(scope: _Scope, starts: Iterable[str] | None = None) -> dict[str, None]:
    """The parts that the flow from the start leads to, in the order in which it comes to them."""
    seen = dict.fromkeys(scope.starts if starts is None else starts)
    queue = [*seen]
    for name in queue:
        part = scope.parts.get(name)
        for way in () if part is None else part.leads():
            if way.to not in seen:
                seen[way.to] = None
                queue.append(way.to)
    return seen


def _then(split: str, ways: list[_Way]) -> Use | None:
    """The pattern by which the flow goes on."""
    if split == "explicit-termination":
        return Use(split)
    if not ways:
        return None
    if len(ways) == 1 and ways[0].when is None:
        return Use("sequence", ways[0].to)
    if split in ("exclusive-choice", "multi-choice"):
        ordered = [*(w for w in ways if not w.default), *(w for w in ways if w.default)]
        branches: list[JsonValue] = [
            {"to": w.to} if w.when is None else {"when": w.when, "to": w.to} for w in ordered
        ]
        return Use(split, branches)
    return Use(split, [w.to for w in ways])


def _keyed(use: Use, name: str) -> Use:
    """What emits, with an input for the key."""
    config = use.argument
    if use.name != "emit" or not isinstance(config, dict):
        return use
    return Use(use.name, {**config, "key": f"${{{name}}}"})


def _performed(part: _Part) -> bool:
    return part.works or part.child is not None


def _shapes(document: Any) -> dict[str, list[float]]:
    """Where the shapes of the diagrams are, by what they stand for: x, y, width, height."""
    bounds: dict[str, list[float]] = {}
    for shape in document.iter("{*}BPMNShape"):
        box = first(shape, "Bounds")
        try:
            if box is not None:
                corner = [float(box.get(k, "")) for k in ("x", "y", "width", "height")]
                if all(abs(n) < 1e9 for n in corner):
                    bounds[_tail(shape.get("bpmnElement", ""))] = corner
        except ValueError:
            continue  # a picture is no reason to refuse a process
    return bounds


def _within(shapes: Mapping[str, list[float]], id_: str) -> list[str]:
    """What has its middle within a shape."""
    if id_ not in shapes:
        return []
    left, top, width, height = shapes[id_]
    return [
        other
        for other, (x, y, w, h) in shapes.items()
        if other != id_ and 0 <= x + w / 2 - left <= width and 0 <= y + h / 2 - top <= height
    ]


def _compensates(x: Any) -> bool:
    """Whether a sub-process within another is what undoes that one."""
    start = first(x, "startEvent") if _true(x, "triggeredByEvent") else None
    return first(start, "compensateEventDefinition") is not None


def _starts(x: Any) -> bool:
    """Whether a node is a gateway whose events start cases."""
    return local(x) == "eventBasedGateway" and _true(x, "instantiate")


def _tail(reference: str) -> str:
    """A reference without its prefix."""
    return reference.rpartition(":")[2]


def _true(element: Any, attribute: str) -> bool:
    return element.get(attribute) in ("true", "1")


def _line(text: str) -> str:
    return " ".join((text or "").split())[:_MAX_TITLE]


def _variable(task: str) -> str:
    return task.replace("-", "_")


def _literal(text: str | None) -> str:
    """A text as a literal of CEL."""
    escaped = (text or "").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _file_name(id_: str) -> str:
    made = re.sub(r"[^A-Za-z0-9_.-]", "_", id_)[:100]
    return made if re.match("[A-Za-z0-9_]", made) else f"_{made}"


def _escalation(caught: Any) -> str:
    """What an escalation is called that an event catches: a code of errors, or a trigger."""
    id_ = _NAME_OF_TRIGGER.sub("_", caught.get("id", ""))[:150]
    return f"escalation:{id_}"


def _item_name(item: Any) -> str:
    """What an instance's item is called; jBPM has its identifier for that."""
    return str(item.get("name") or item.get("id", ""))


def _interrupts(caught: Any) -> bool:
    """Whether an event ends what it stands beside."""
    attribute = "isInterrupting" if local(caught) == "startEvent" else "cancelActivity"
    return caught.get(attribute) not in ("false", "0")


def _ends(definition: Any) -> int:
    """What an event throws last: what ends its net."""
    return {"terminateEventDefinition": 2, "errorEventDefinition": 1}.get(local(definition), 0)


def _present(condition: Condition) -> str:
    """A condition that does not hold as long as a variable that it reads has no value."""
    known = "".join(f"{name} != null && " for name in sorted(condition.reads))
    return f"{known}({condition.cel})" if known else condition.cel


def _undoes(x: Any) -> bool:
    """Whether a node is a compensation handler."""
    return local(x) in _ACTIVITIES and _true(x, "isForCompensation")


def _in_order(element: Any) -> dict[str, int]:
    """The nodes of a scope in the order in which the flow first comes to them."""
    ways: dict[str, list[str]] = {}
    entered: set[str] = set()
    for flow in children(element, "sequenceFlow"):
        source, target = (flow.get(k, "").rpartition(":")[2] for k in ("sourceRef", "targetRef"))
        ways.setdefault(source, []).append(target)
        entered.add(target)
    order: dict[str, int] = {}
    queue = [x for x in ways if x not in entered]
    for x in queue:
        if x not in order:
            order[x] = len(order)
            queue += ways.get(x, ())
    return order


def _called(element: Any) -> str:
    id_ = element.get("id")
    return f"{local(element)} {id_!r}" if id_ else local(element)


def _vendor(element: Any | None, name: str) -> str:
    """An attribute that a vendor has added to an element, or to one directly below it."""
    if element is None:
        return ""
    for x in (element, *(children(element) if local(element) == "extensionElements" else ())):
        for key, value in x.attrib.items():
            if key.rpartition("}")[2] == name and (key.startswith("{") or x is not element):
                return str(value)
    return ""


def _catches_link(x: Any) -> bool:
    return local(x) == "intermediateCatchEvent" and first(x, "linkEventDefinition") is not None


def _link(x: Any) -> str:
    definition = first(x, "linkEventDefinition")
    return "" if definition is None else definition.get("name") or x.get("name", "")
