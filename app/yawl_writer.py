"""Writes a specification as a YAWL file (version 4.0), where YAWL can say it.

What was read from a YAWL file goes back as it was, with its resourcing, forms, codelets and
layout. Any other is told in YAWL's words, and what these cannot say is told, all at once, and
nothing is written: what is written does what the specification does. To be sure of that the file
is read again and compared, task by task.

- A place is a condition; the start of a net its input condition, an explicit termination its
  output condition. Where a net ends when nothing is left to do, its ends meet in an OR-join
  before the output condition, which waits for just that.
- An expression is XPath where the XPath means that very expression when it is read; else it stands
  in the file as ``weft:cel('…')``, which Weft alone understands.
- Work waits for somebody, as all work does in YAWL: who does it is not told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from weft.engine.cel_syntax import (
    Call,
    Chain,
    Index,
    Literal,
    Name,
    Node,
    Select,
    SyntaxFault,
    Unary,
    parse,
)
from weft.schema.conditions import Untranslatable
from weft.schema.datatypes import Absent, DataType, Variable
from weft.schema.errors import DefinitionError, raise_faults
from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import (
    Location,
    NetDefinition,
    Specification,
    TaskDefinition,
    Termination,
    Use,
)
from weft.schema.timing import TimingError, moment

__all__ = ["write_yawl"]

SPACE = "http://www.yawlfoundation.org/yawlschema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XS = "http://www.w3.org/2001/XMLSchema"
VERSION = "4.0"
NO_BOUND = "10000000"
"""A number of instances that no engine takes: there is no bound."""

_JOINS = {
    "synchronization": "and",
    "multi-merge": "xor",
    "simple-merge": "xor",
    "arbitrary-cycles": "xor",
    "general-synchronizing-merge": "or",
}
_PLAIN = {"string": "string", "integer": "long", "number": "double", "boolean": "boolean"}
_SIGNS = {"&&": "and", "||": "or", "==": "=", "%": "mod", "/": "div"}
_GIVEN = re.compile(r"result\.get\('(\w+)'\) != null \? result\.get\('\1'\) : (\w+)")
_PART = re.compile(r"result\.get\(['\"](\w+)['\"]\)")
_OR_NONE = re.compile(r"\((.+) == null \? \[\] : \1\)", re.DOTALL)

_LITERAL = "0123456789P"
"""How a duration begins that is no expression."""

_EXPIRY = (
    r"(?P<name>[A-Za-z_]\w*)"
    r"|(?P<either>\w+)\.get\('expiry'\) != null \? \w+\.get\('expiry'\) : \w+"
)
"""A variable that says when; one of YAWL's own type for it has it as its expiry."""


def write_yawl(specification: Specification) -> tuple[bytes, list[str]]:
    """The text of a specification as a YAWL file, and what of it YAWL does not say.

    Raises:
        DefinitionErrors: Everything that YAWL has no words for and that a case depends on.
    """
    if specification.source.format == "yawl" and specification.source.text:
        return specification.source.text, []
    return _Writer(specification).write()


@attrs.define
class _Element:
    """A condition or task in the making."""

    id: str
    kind: str
    flows: list[tuple[str, str | None, bool]] = attrs.field(factory=list)
    """Where it leads: the element, the predicate, and whether it is the default."""
    task: TaskDefinition | None = None
    join: str = "xor"
    split: str = "and"


def _epoch(text: str) -> str | None:
    """Milliseconds since 1970 of a literal point in time; None for an expression."""
    try:
        return str(moment(text, 0) // 1000)
    except TimingError:
        return None


class _Writer:
    """Writes one specification; gathers what cannot be said."""

    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        self.faults: list[DefinitionError] = []
        self.lost: dict[str, None] = {}
        self.types: dict[str, DataType] = {}
        self.decompositions: list[Any] = []

    def fault(self, location: Location, message: str) -> None:
        self.faults.append(self.specification.source.fault(location, message, code="yawl"))

    # ── the file ─────────────────────────────────────────────────────────────────────────────

    def write(self) -> tuple[bytes, list[str]]:
        from lxml import etree

        told = self.specification
        root = etree.Element(f"{{{SPACE}}}specificationSet", nsmap={None: SPACE, "xsi": XSI})
        root.set("version", VERSION)
        within = self.below(root, "specification", uri=told.name)
        self.below(within, "name", told.name)
        if told.description:
            self.below(within, "documentation", told.description)
        about = self.below(within, "metaData")
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", told.version) and float(told.version) >= 0.1:
            self.below(about, "version", told.version)
        elif told.version != "0":
            self.lost[f"the version {told.version!r}, which is no number"] = None
        schema = etree.SubElement(within, f"{{{XS}}}schema", nsmap={"xs": XS})
        order = [told.root, *(name for name in told.nets if name != told.root)]
        for name in order:
            self.net(within, told.nets[name])
        within.extend(self.decompositions)
        self.define(schema)
        if told.triggers or told.schedules:
            self.lost["what starts cases by itself"] = None
        title = f"{told.name!r} cannot be written as a YAWL file"
        raise_faults(title, self.faults)
        text: bytes = etree.tostring(
            root, encoding="utf-8", xml_declaration=True, pretty_print=True
        )
        self.compare(text)
        raise_faults(title, self.faults)
        self.lost |= dict.fromkeys(f"{key!r} of the file" for key in told.metadata)
        return text, [*self.lost]

    def below(self, parent: Any, name: str, text: str = "", **attributes: str) -> Any:
        from lxml import etree

        made = etree.SubElement(parent, f"{{{SPACE}}}{name}", attributes)
        if text:
            made.text = text
        return made

    # ── nets ─────────────────────────────────────────────────────────────────────────────────

    def net(self, parent: Any, net: NetDefinition) -> None:
        at = self.specification.location
        made = self.below(parent, "decomposition", id=net.name)
        if net.name == self.specification.root:
            made.set("isRootNet", "true")
        made.set(f"{{{XSI}}}type", "NetFactsType")
        for use in net.uses:
            self.fault(at(net.name), f"{use.name} spans several tasks: YAWL has no such pattern")
        inputs = [v for v in net.variables.values() if v.required]
        for number, variable in enumerate(inputs):
            self.variable(made, "inputParam", variable, net.name, number)
        locals_ = [v for v in net.variables.values() if not v.required]
        for number, variable in enumerate(locals_):
            self.variable(made, "localVariable", variable, net.name, number)
        control = self.below(made, "processControlElements")
        elements = self.elements(net)
        into: dict[str, list[str]] = {}
        for element in elements:
            for to, _, _ in element.flows:
                into.setdefault(to, []).append(element.id)
        for name in sorted(_entered_again(elements)):
            task = net.tasks.get(name)
            if task is None or task.concurrency == 1:
                continue
            many = any(use.name == "for-each" for use in task.uses)  # the reader sets no bound
            if not many and any(not _is_pattern(use) for use in task.uses):
                self.fault(
                    at(net.name, "tasks", name),
                    f"task {name!r} may begin again while it is busy, which no task of YAWL does: "
                    "say `concurrency: 1` if it need not",
                )
        first = [e for e in elements if e.kind == "inputCondition"]
        last = [e for e in elements if e.kind == "outputCondition"]
        rest = [e for e in elements if e.kind in ("condition", "task")]
        for element in (*first, *rest, *last):
            self.element(control, net, element, into)

    def elements(self, net: NetDefinition) -> list[_Element]:
        """The conditions and tasks of a net, with their flows."""
        at = self.specification.location
        taken = {*net.tasks, *net.places, "end"}
        found = {name: _Element(name, "task", task=task) for name, task in net.tasks.items()}
        found |= {name: _Element(name, "condition") for name in net.places}
        ends = [
            n for n, p in net.places.items() if _named(net, p.then) == Use("explicit-termination")
        ]
        for name, place in net.places.items():
            if place.tokens:
                self.fault(
                    at(net.name, "places", name), f"place {name!r} holds tokens at the start"
                )
        output = ends[0] if ends else _free("output", taken)
        found.setdefault(output, _Element(output, "outputCondition")).kind = "outputCondition"
        for other in ends[1:]:  # YAWL has one: what comes to another goes on to it
            passing = _free(f"{other}_ends", {*taken, *found})
            found[passing] = _Element(passing, "task", flows=[(output, None, False)])
            found[other].flows = [(passing, None, False)]
        start = net.start[0] if len(net.start) == 1 else ""
        if start in net.places and start not in ends and not self.leads_to(net, start):
            found[start].kind = "inputCondition"
        else:
            begin = _free("input", {*taken, *found})
            found[begin] = _Element(begin, "inputCondition")
            targets = [(name, None, False) for name in net.start]
            if len(net.start) > 1 or start in net.places:
                first = _free("begin", {*taken, *found})
                found[first] = _Element(first, "task", flows=[*targets])
                targets = [(first, None, False)]
            found[begin].flows = [*targets]
        loose = [n for n, t in net.tasks.items() if t.then is None and self.flows_to(net, n)]
        for name, task in net.tasks.items():
            then = _named(net, task.then)
            self.lead(net, found, found[name], then, output, ("tasks", name))
        for name, place in net.places.items():
            if name not in ends:
                then = _named(net, place.then)
                self.lead(net, found, found[name], then, output, ("places", name))
        self.finish(net, found, output, loose)
        for element in found.values():
            if element.task is not None and element.task.join is not None:
                element.join = self.join(net, element.task)
        return [*found.values()]

    def leads_to(self, net: NetDefinition, name: str) -> bool:
        """Whether a flow of the net leads to a task or place."""
        return any(
            name in _targets(use) for t in net.tasks.values() for use in (t.then, t.on_failure)
        ) or any(name in _targets(p.then) for p in net.places.values())

    def flows_to(self, net: NetDefinition, name: str) -> bool:
        """Whether a flow leads to a task at all; one that undoes another has none."""
        undoes = {t.compensate for t in net.tasks.values() if t.compensate}
        return name not in undoes

    def finish(
        self, net: NetDefinition, found: dict[str, _Element], output: str, loose: list[str]
    ) -> None:
        """The ends of a net without an end of its own: they meet before its output condition."""
        if not loose:
            return
        if net.termination is Termination.EXPLICIT:
            for name in loose:
                self.fault(
                    self.specification.location(net.name, "tasks", name),
                    f"task {name!r} leads nowhere, and its net goes on: in YAWL a flow leads on",
                )
            return
        splits = ("parallel-split", "multi-choice", "thread-split")
        uses = [t.then for t in net.tasks.values() if t.then is not None]
        alone = len(net.start) == 1 and not any(use.name in splits for use in uses)
        if alone:
            for name in loose:
                found[name].flows = [(output, None, False)]
            return
        last = _free("finish", {*found, "end"})
        found[last] = _Element(last, "task", flows=[(output, None, False)], join="or")
        for name in loose:
            found[name].flows = [(last, None, False)]

    def lead(
        self,
        net: NetDefinition,
        found: dict[str, _Element],
        element: _Element,
        use: Use | None,
        output: str,
        where: Location,
    ) -> None:
        """Where an element leads on."""
        location = self.specification.location(net.name, *where, "then")
        argument = None if use is None else use.argument
        match None if use is None else use.name:
            case None:
                return
            case "sequence":
                element.flows = [(str(argument), None, False)]
            case "explicit-termination":
                element.flows = [(output, None, False)]
            case "parallel-split" if isinstance(argument, list):
                element.flows = [(str(name), None, False) for name in argument]
                if element.kind != "task":
                    self.fault(location, "a condition cannot split: put a task behind it")
            case "deferred-choice" if isinstance(argument, list):
                targets = [(str(name), None, False) for name in argument]
                if element.kind == "task":
                    between = _free(f"{element.id}_choice", found)
                    found[between] = _Element(between, "condition", flows=[*targets])
                    targets = [(between, None, False)]
                element.flows = [*targets]
            case "exclusive-choice" | "multi-choice" if isinstance(argument, list):
                element.split = "xor" if use is not None and use.name[0] == "e" else "or"
                self.choose(net, element, argument, location)
            case name:
                self.fault(location, f"YAWL has no words for {name}")

    def choose(
        self, net: NetDefinition, element: _Element, branches: list[JsonValue], location: Location
    ) -> None:
        """The flows of a split with predicates; the default is one of them."""
        if element.kind != "task":
            self.fault(location, "a condition cannot choose: put a task behind it")
        default = next(
            (b.get("to") for b in branches if isinstance(b, dict) and b.get("when") is None), None
        )
        if default is None:
            self.fault(location, "a choice in YAWL has a default: a branch without `when`")
        seen: set[str] = set()
        for branch in branches:
            if not isinstance(branch, dict):
                continue
            to, when = str(branch.get("to")), branch.get("when")
            if to in seen and not (when is None and to == default):
                self.fault(location, f"two flows lead to {to!r}: in YAWL put a task between")
            elif to not in seen:
                predicate = None if when is None else self.xpath(str(when), net, "condition")
                element.flows.append((to, predicate, to == default))
            seen.add(to)

    def join(self, net: NetDefinition, task: TaskDefinition) -> str:
        assert task.join is not None
        code = _JOINS.get(task.join.name)
        location = self.specification.location(net.name, "tasks", task.name, "join")
        if code is None or task.join.argument is not None:
            self.fault(location, f"YAWL has no words for {task.join.name} as a join")
        return code or "xor"

    # ── one element ──────────────────────────────────────────────────────────────────────────

    def element(
        self, parent: Any, net: NetDefinition, element: _Element, into: Mapping[str, list[str]]
    ) -> None:
        made = self.below(parent, element.kind, id=element.id)
        task = element.task
        place = net.places.get(element.id)
        if task is not None and task.title:
            self.below(made, "name", task.title)
        elif place is not None and place.description:
            self.below(made, "name", place.description)
        if task is not None and task.description:
            self.below(made, "documentation", task.description)
        for number, (to, predicate, default) in enumerate(element.flows):
            flow = self.below(made, "flowsInto")
            self.below(flow, "nextElementRef", id=to)
            if predicate is not None:
                ordered = {"ordering": str(number)} if element.split == "xor" else {}
                self.below(flow, "predicate", predicate, **ordered)
            if default:
                self.below(flow, "isDefaultFlow")
        if element.kind == "task":
            self.below(made, "join", code=element.join)
            self.below(made, "split", code=element.split)
            if task is not None:
                self.task(made, net, task, into)

    def task(
        self, made: Any, net: NetDefinition, task: TaskDefinition, into: Mapping[str, list[str]]
    ) -> None:
        location = self.specification.location(net.name, "tasks", task.name)
        timed = task.timeout_seconds is not None or task.expires is not None
        skips = task.on_failure == Use("sequence", "skip") and timed
        if task.on_failure is not None and not skips:
            self.fault(location, f"task {task.name!r}: YAWL has no branch for what fails")
        elif timed and not skips:
            self.fault(location, f"task {task.name!r}: in YAWL the flow goes on when time is up")
        for what, value in (("on-timeout", task.on_timeout), ("on-due", task.on_due),
                            ("compensate", task.compensate)):  # fmt: skip
            if value is not None:
                self.fault(location, f"task {task.name!r}: YAWL has no words for {what}")
        if task.retry is not None or task.due is not None:
            self.lost["retries and due times"] = None
        work, several, timer = None, None, None
        for use in task.uses:
            if use.name == "for-each" and isinstance(use.argument, dict):
                several = use.argument
            elif use.name == "wait":
                timer = use.argument
            elif use.name in ("cancel-region", "cancel-task"):
                self.cancels(made, net, use, into)
            elif _is_pattern(use):
                self.fault(location, f"task {task.name!r}: YAWL has no words for {use.name}")
            else:
                work = use
        if several is not None:
            made.set(f"{{{XSI}}}type", "MultipleInstanceExternalTaskFactsType")
        name = self.work(net, task, work)
        outputs = task.outputs or {}
        self.mapped(made, net, task, several, name)
        if skips or timer is not None:
            self.timer(made, task, timer, location)
        if name:
            self.below(made, "decomposesTo", id=name)
        if several is not None:
            self.instances(made, net, task, several, name, outputs)

    def work(self, net: NetDefinition, task: TaskDefinition, work: Use | None) -> str:
        """The decomposition that does a task's work; none: it is empty."""
        if work is None:
            return ""
        if work.name == "net":
            return str(work.argument)
        if work.name != "person":
            self.lost[f"who does the work of {task.name!r} ({work.name})"] = None
        taken = {*self.specification.nets, *(d.get("id") for d in self.decompositions)}
        name = _free(task.name if task.name not in taken else f"{task.name}_work", taken)
        from lxml import etree

        made = etree.Element(f"{{{SPACE}}}decomposition", id=name)
        made.set(f"{{{XSI}}}type", "WebServiceGatewayFactsType")
        for number, argument in enumerate(task.inputs):
            self.variable(made, "inputParam", Variable(argument), name, number)
        asked = [str(v) for v in (task.outputs or {}).values()]
        asked += [str(u.argument.get("collect", "")) for u in task.uses
                  if isinstance(u.argument, dict)]  # fmt: skip
        given = dict.fromkeys(part for text in asked for part in _PART.findall(text))
        for number, part in enumerate(given):
            self.variable(made, "outputParam", Variable(part), name, number)
        self.below(made, "externalInteraction", "manual")
        self.decompositions.append(made)
        return name

    def mapped(
        self, made: Any, net: NetDefinition, task: TaskDefinition, several: Any, name: str
    ) -> None:
        """What goes to the work and what comes back."""
        item = None if several is None else several.get("as", "item")
        starting = {k: v for k, v in task.inputs.items() if v != item or several is None}
        if starting and name:
            group = self.below(made, "startingMappings")
            for to, value in starting.items():
                text = value if isinstance(value, str) else _literal(value)
                self.mapping(group, self.xpath(text, net, "query"), to)
        if task.outputs and several is None and name:
            group = self.below(made, "completedMappings")
            for to, value in task.outputs.items():
                text = value if isinstance(value, str) else _literal(value)
                given = _GIVEN.fullmatch(text)
                if given is not None and given[2] == to:
                    self.mapping(group, f"/{name}/{given[1]}", to)
                else:
                    self.mapping(group, _verbatim(text), to)
                    self.lost["expressions in CEL, as weft:cel(…)"] = None

    def mapping(self, group: Any, query: str, to: str) -> None:
        made = self.below(group, "mapping")
        self.below(made, "expression", query=query)
        self.below(made, "mapsTo", to)

    def cancels(
        self, made: Any, net: NetDefinition, use: Use, into: Mapping[str, list[str]]
    ) -> None:
        """A cancellation set; in YAWL a task stands for its open items alone."""
        argument = use.argument
        region = argument.get("region") if isinstance(argument, dict) else argument
        elements: dict[str, None] = {}
        flows: dict[tuple[str, str], None] = {}
        for part in region if isinstance(region, list) else [region]:
            text = str(part)
            source, way, target = text.partition(">")
            base = text.removesuffix(".run").removesuffix(".held")
            if way:
                flows[source, target] = None
            elif text in net.places or base != text:
                elements[base] = None
            elif text not in net.tasks:
                self.fault(
                    self.specification.location(net.name),
                    f"a cancellation region names {text!r}, which is no task or place",
                )
            else:
                elements[text] = None
                several = any(u.name == "for-each" for u in net.tasks[text].uses)
                before = [] if several else into.get(text, [])
                flows |= {(s, text): None for s in before if s in net.tasks}
        for id_ in elements:
            self.below(made, "removesTokens", id=id_)
        for source, target in flows:
            flow = self.below(made, "removesTokensFromFlow")
            self.below(flow, "flowSource", id=source)
            self.below(flow, "flowDestination", id=target)

    def timer(self, made: Any, task: TaskDefinition, argument: Any, location: Location) -> None:
        timer = self.below(made, "timer")
        if argument is None:
            seconds = task.timeout_seconds
            argument = task.expires if seconds is None else f"PT{seconds:g}S"
        known = dict(argument) if isinstance(argument, dict) else {"for": argument}
        trigger = "OnExecuting" if known.pop("from", "offer") == "start" else "OnEnabled"
        key, text = next(iter(known.items()))
        text = str(text)
        read = re.fullmatch(_EXPIRY, text) if key == "for" else None
        at = _epoch(text) if key == "until" else None
        literal = key == "for" and text[0] in _LITERAL
        if len(known) > 1 or (read is None and at is None and not literal):
            self.fault(location, f"task {task.name!r}: YAWL has no words for this wait")
        elif read is not None and not literal:
            if trigger != "OnEnabled":
                self.below(timer, "trigger", trigger)
            self.below(timer, "netparam", read["name"] or read["either"])
        else:
            self.below(timer, "trigger", trigger)
            self.below(timer, "duration" if at is None else "expiry", text if at is None else at)

    def instances(
        self,
        made: Any,
        net: NetDefinition,
        task: TaskDefinition,
        argument: dict[str, JsonValue],
        name: str,
        outputs: Mapping[str, JsonValue],
    ) -> None:
        """A task of many instances."""
        location = self.specification.location(net.name, "tasks", task.name, "for-each")
        known = {"in", "as", "minimum", "maximum", "enough", "rest", "open", "seal", "collect"}
        for key in argument:
            if key not in known:
                self.fault(location, f"for-each: YAWL has no words for {key}")
        if "in" not in argument or not isinstance(argument["in"], str):
            self.fault(location, "for-each: in YAWL there is an instance for each item of a list")
        if ("enough" in argument) is not ("rest" in argument):
            self.fault(location, "for-each: in YAWL the rest is cancelled when enough are done")
        if ("open" in argument) is not ("seal" in argument):
            self.fault(location, "for-each: in YAWL nobody seals a task; write seal: false")
        bounds = (
            ("minimum", argument.get("minimum", 0)),
            ("maximum", argument.get("maximum", NO_BOUND)),
            ("threshold", argument.get("enough", NO_BOUND)),
        )
        for word, value in bounds:
            text = str(value)
            self.below(made, word, text if text.isdecimal() else self.xpath(text, net, "query"))
        self.below(made, "creationMode", code="dynamic" if "open" in argument else "static")
        given = self.below(made, "miDataInput")
        self.below(
            given, "expression", query=self.xpath(_stripped(argument.get("in")), net, "query")
        )
        self.below(given, "splittingExpression", query="for $s in /items/* return $s")
        item = argument.get("as", "item")
        formal = next((k for k, v in task.inputs.items() if v == item), "item")
        self.below(given, "formalInputParam", formal)
        into = next((k for k, v in outputs.items() if _stripped(v) == "results"), None)
        if outputs and (into is None or len(outputs) > 1):
            self.fault(location, "for-each: in YAWL one variable gets the list of the results")
        if into is not None:
            collect = str(argument.get("collect", ""))
            part = _PART.fullmatch(collect)
            query = f"/{name}/{part[1]}" if part else _verbatim(collect) if collect else ""
            taken = self.below(made, "miDataOutput")
            self.below(taken, "formalOutputExpression", query=query)
            self.below(taken, "outputJoiningExpression", query="for $s in /results/* return $s")
            self.below(taken, "resultAppliedToLocalVariable", into)

    # ── data ─────────────────────────────────────────────────────────────────────────────────

    def variable(self, parent: Any, kind: str, variable: Variable, of: str, index: int) -> None:
        made = self.below(parent, kind)
        self.below(made, "index", str(index))
        self.below(made, "name", variable.name)
        self.below(made, "type", self.named(variable.type, f"{of}_{variable.name}"))
        if variable.type.type in _PLAIN:
            self.below(made, "namespace", XS)
        default = _default(variable)
        if default is not None:
            made.append(self.initial(default))
        if variable.merge not in (None, "last"):
            self.fault(
                ("data", variable.name),
                f"variable {variable.name!r}: in YAWL the last write stays, not {variable.merge}",
            )

    def initial(self, value: JsonValue) -> Any:
        """An initial value: a text, or the elements of an object or list, as a text."""
        from lxml import etree

        made = etree.Element(f"{{{SPACE}}}initialValue")
        if isinstance(value, dict | list):
            around = etree.Element("value")
            _fill(around, value)
            written = "".join(etree.tostring(x, encoding="unicode") for x in around)
            made.text = written or "<!-- nothing -->"
        else:
            made.text = _plain_text(value)
        return made

    def named(self, type_: DataType, name: str) -> str:
        """The name of a type: XSD's, or one that the file's schema defines."""
        plain = _PLAIN.get(type_.type)
        if plain is not None and not type_.enum:
            return plain
        if type_.type == "any":
            return "anyType"
        self.types[f"{name}_type"] = type_
        return f"{name}_type"

    def define(self, schema: Any) -> None:
        """The types that variables have, in the file's own schema."""
        from lxml import etree

        for name, type_ in self.types.items():
            if type_.type in _PLAIN:
                simple = etree.SubElement(schema, f"{{{XS}}}simpleType", name=name)
                self.restrict(simple, type_)
            else:
                self.complex(etree.SubElement(schema, f"{{{XS}}}complexType", name=name), type_)

    def restrict(self, simple: Any, type_: DataType) -> None:
        from lxml import etree

        base = f"xs:{_PLAIN[type_.type]}"
        restriction = etree.SubElement(simple, f"{{{XS}}}restriction", base=base)
        for value in type_.enum or ():
            etree.SubElement(restriction, f"{{{XS}}}enumeration", value=_plain_text(value))

    def complex(self, made: Any, type_: DataType) -> None:
        from lxml import etree

        sequence = etree.SubElement(made, f"{{{XS}}}sequence")
        if type_.type == "array":
            item = self.typed(sequence, "item", type_.items or DataType("any"))
            item.set("maxOccurs", "unbounded")
            item.set("minOccurs", "0")
            return
        if not type_.fields:
            etree.SubElement(sequence, f"{{{XS}}}any", processContents="lax", maxOccurs="unbounded")
        for name, kind in (type_.fields or {}).items():
            if kind.type == "array":  # its items, side by side
                item = self.typed(sequence, name, kind.items or DataType("any"))
                item.set("maxOccurs", "unbounded")
                item.set("minOccurs", "0")
            else:
                self.typed(sequence, name, kind).set("minOccurs", "0")

    def typed(self, sequence: Any, name: str, type_: DataType) -> Any:
        from lxml import etree

        made = etree.SubElement(sequence, f"{{{XS}}}element", name=name)
        if type_.type in _PLAIN and not type_.enum:
            made.set("type", f"xs:{_PLAIN[type_.type]}")
        elif type_.type in _PLAIN:
            self.restrict(etree.SubElement(made, f"{{{XS}}}simpleType"), type_)
        elif type_.type != "any":
            self.complex(etree.SubElement(made, f"{{{XS}}}complexType"), type_)
        return made

    # ── expressions ──────────────────────────────────────────────────────────────────────────

    def xpath(self, text: str, net: NetDefinition, kind: str) -> str:
        """An expression as the XPath that is read as this very expression; else verbatim."""
        from weft.schema.yawl_data import Data, query

        names = {name: name for name in net.variables}
        types = {n: v.type.type if v.type.type in _PLAIN else "" for n, v in net.variables.items()}
        data = Data(names, types, net.variables)
        try:
            made = _xpath(parse(text).root, net)
            read = data.condition(made) if kind == "condition" else query(made, data)
            if read.cel == text:
                return made
        except (Untranslatable, SyntaxFault):
            pass
        self.lost["expressions in CEL, as weft:cel(…)"] = None
        return _verbatim(text)

    # ── is it the same? ──────────────────────────────────────────────────────────────────────

    def compare(self, text: bytes) -> None:
        """Read what was written, and find what has become another thing."""
        from weft.schema.yawl import read_yawl

        again = read_yawl(text)
        for name, net in self.specification.nets.items():
            other = again.nets.get(name)
            for task in net.tasks.values() if other is not None else ():
                location = self.specification.location(name, "tasks", task.name)
                read = other.tasks[task.name] if other is not None else task
                for what, one, two in _compared(task, read):
                    if one != two:
                        self.fault(
                            location,
                            f"task {task.name!r}: YAWL would have {what} {_shown(two)}, "
                            f"not {_shown(one)}",
                        )
            for variable in net.variables.values() if other is not None else ():
                there = None if other is None else other.variables.get(variable.name)
                if there is not None and _default(there) != _default(variable):
                    self.fault(
                        ("data", variable.name),
                        f"the default of {variable.name!r} would be read as "
                        f"{_shown(_default(there))}, not {_shown(_default(variable))}",
                    )


def _entered_again(elements: list[_Element]) -> set[str]:
    """The elements that a second token may reach while the first is still there, by the flows.

    That is what lies behind an exclusive merge to which two branches of a split lead without a
    join between, and behind a split that one of its own branches leads back to.
    """
    flows = {e.id: [to for to, _, _ in e.flows] for e in elements}
    joins = {e.id for e in elements if e.kind == "task" and e.join in ("and", "or")}

    def behind(names: list[str], *, through: bool) -> set[str]:
        seen, queue = {*names}, [*names]
        while queue:
            at = queue.pop()
            if at in joins and not through:
                continue
            for to in flows.get(at, ()):
                if to not in seen:
                    seen.add(to)
                    queue.append(to)
        return seen

    found: set[str] = set()
    for fork in elements:
        if fork.kind != "task" or fork.split not in ("and", "or") or len(fork.flows) < 2:
            continue
        branches = [behind([to], through=False) for to in flows[fork.id]]
        if any(fork.id in branch and fork.id not in joins for branch in branches):
            found |= behind([fork.id], through=True)
            continue
        times = Counter(name for branch in branches for name in branch)
        met = [name for name, number in times.items() if number > 1 and name not in joins]
        found |= behind(met, through=True)
    return found


def _default(variable: Variable) -> JsonValue:
    return None if isinstance(variable.default, Absent) else variable.default


def _compared(one: TaskDefinition, two: TaskDefinition) -> Iterator[tuple[str, object, object]]:
    """What two tasks have to have in common."""
    yield "inputs", dict(one.inputs), dict(two.inputs)
    yield "timeout", (one.timeout_seconds, one.expires), (two.timeout_seconds, two.expires)
    if one.then is not None and one.then.name in ("exclusive-choice", "multi-choice"):
        yield "`then`", one.then, two.then
    several = [
        {k: _stripped(v) for k, v in u.argument.items() if k != "as"}
        for t in (one, two)
        for u in t.uses
        if u.name == "for-each" and isinstance(u.argument, dict)
    ]
    if several:
        yield "instances", several[0], several[-1]
        return
    yield "outputs", dict(one.outputs or {}), dict(two.outputs or {})


def _shown(value: object) -> str:
    if isinstance(value, Use):
        value = {value.name: value.argument}
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _is_pattern(use: Use) -> bool:
    """Whether it is a pattern around a task, and no connector."""
    from weft.engine.registry import Attachment
    from weft.patterns import builtin

    try:
        builtin().get(use.name, Attachment.TASK, use.argument)
    except ValueError:
        return False
    return True


def _named(net: NetDefinition, use: Use | None) -> Use | None:
    """A way on, where a pattern without parameters is no name of a task or place."""
    if use is None or use.name != "sequence" or not isinstance(use.argument, str):
        return use
    known = use.argument in net.tasks or use.argument in net.places
    return use if known else Use(use.argument)


def _targets(use: Use | None) -> list[str]:
    """The tasks and places that a `then` leads to."""
    if use is None:
        return []
    argument = use.argument if isinstance(use.argument, list) else [use.argument]
    return [str(a.get("to")) if isinstance(a, dict) else str(a) for a in argument]


def _free(name: str, taken: Any) -> str:
    made, number = name, 1
    while made in taken:
        number += 1
        made = f"{name}_{number}"
    return made


def _verbatim(text: str) -> str:
    """An expression in CEL, within what only Weft reads."""
    return "weft:cel('" + text.replace("'", "''") + "')"


def _stripped(value: JsonValue) -> str:
    """A list without the words that make none of null."""
    text = str(value)
    while (found := _OR_NONE.fullmatch(text)) is not None:
        text = found[1]
    return text


def _literal(value: JsonValue) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def _plain_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fill(element: Any, value: JsonValue) -> None:
    from lxml import etree

    if isinstance(value, dict):
        for key, part in value.items():
            for each in part if isinstance(part, list) else [part]:
                _fill(etree.SubElement(element, key), each)
    elif isinstance(value, list):
        for part in value:
            _fill(etree.SubElement(element, "item"), part)
    elif value is not None:
        element.text = _plain_text(value)


def _xpath(node: Node, net: NetDefinition) -> str:
    """An expression in XPath, as far as it only reads, compares, calculates and combines.

    Raises:
        Untranslatable: It does more.
    """
    match node:
        case Name(name=name):
            return f"/{net.name}/{name}"
        case Literal(value=bool() as value):
            return f"{str(value).lower()}()"
        case Literal(value=int() | float(), source=source):
            return source
        case Literal(value=str() as value) if '"' not in value:
            return f'"{value}"'
        case Select(operand=operand, field=field):
            return f"{_xpath(operand, net)}/{field}"
        case Call(function="get", target=target, arguments=(Literal(value=str() as field),)) if (
            target is not None
        ):
            return f"{_xpath(target, net)}/{field}"
        case Call(function="size", target=None, arguments=(one,)):
            return f"count({_xpath(one, net)})"
        case Unary(operators="!", operand=operand):
            return f"not({_xpath(operand, net)})"
        case Chain(operators=operators, operands=operands):
            parts = [_xpath(operand, net) for operand in operands]
            text = parts[0]
            for sign, part in zip(operators, parts[1:], strict=True):
                text += f" {_SIGNS.get(sign, sign)} {part}"
            return text
        case Index():
            raise Untranslatable("an index")
        case _:
            raise Untranslatable("more than XPath says")
