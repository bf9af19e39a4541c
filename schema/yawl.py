"""YAWL files: specification sets from Beta 2 to 4.0, as specifications.

- A condition is a declared place; the output condition ends its net.
- A task with a net as its decomposition is composite. One with any other decomposition waits for
  somebody, as YAWL's do; one without is empty. A busy task is not entered again.
- An AND-, XOR- or OR-join is a synchronization, a multi-merge or a general synchronizing merge.
- An AND-, XOR- or OR-split is a parallel split, an exclusive choice or a multi-choice, in the
  order of its predicates, with its default flow last.
- Variables have XSD types; predicates and mappings are XPath, told in CEL (`yawl_data`).
- A multiple-instance task makes an instance for each item of a list, and goes on at its threshold.
- A timer begins an empty task, and ends any other.

Where the predicates of a split cannot be told in CEL, whoever completes its task says where it
leads, by the field ``to`` of the result: a task or condition, or a list of them; without it the
default flow is taken. ``imported`` says what has become of each construct, and what is not acted
on is kept in ``metadata`` under ``yawl``: predicates where they stand, and the names of all other
elements with their number.

W. M. P. van der Aalst, A. H. M. ter Hofstede, "YAWL: Yet Another Workflow Language" (2005).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from weft.schema.conditions import Condition, Untranslatable
from weft.schema.datatypes import DataType, Variable
from weft.schema.durations import parse_duration
from weft.schema.errors import DefinitionError, raise_faults
from weft.schema.imports import Finding, Imported
from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import (
    Location,
    NetDefinition,
    PlaceDefinition,
    Source,
    Specification,
    TaskDefinition,
    Termination,
    Use,
)
from weft.schema.timing import TimingError, duration
from weft.schema.xml import children as _children
from weft.schema.xml import first as _child
from weft.schema.xml import local as _local
from weft.schema.xml import name_of, parse_xml
from weft.schema.xml import namespace as _namespace
from weft.schema.xml import text_of as _text
from weft.schema.yawl_constructs import CONSTRUCTS
from weft.schema.yawl_data import Data, query, read_variables, verbatim
from weft.schema.yawl_query import told_of
from weft.schema.yawl_rules import Element, Shape, idle_nets, shape_findings, unused_findings
from weft.schema.yawl_types import read_types

__all__ = ["VERSIONS", "is_yawl", "read_yawl"]

VERSIONS = (
    *("Beta 2", "Beta 3", "Beta 4", "Beta 5", "Beta 6", "Beta 7", "Beta 7.1", "Beta 8"),
    *("2.0", "2.1", "2.2", "3.0", "4.0"),
)
"""The versions of the format that are read; a file without one is of Beta 2."""

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}type"
_NAMESPACES = (
    "http://www.citi.qut.edu.au/yawl",
    "http://www.yawlfoundation.org/yawlschema",
)
_JOINS = {"and": "synchronization", "xor": "multi-merge", "or": "general-synchronizing-merge"}
_SPLITS = {"and": "parallel-split", "xor": "exclusive-choice", "or": "multi-choice"}
_ACTED_ON = frozenset(
    (
        *("inputCondition", "outputCondition", "condition", "task", "name", "flowsInto"),
        *("nextElementRef", "predicate", "isDefaultFlow", "join", "split", "decomposesTo"),
        *("removesTokens", "removesTokensFromFlow", "flowSource", "flowDestination"),
        *("processControlElements", "documentation", "minimum", "maximum", "threshold"),
        *("creationMode", "miDataInput", "miDataOutput", "splittingExpression"),
        *("formalInputParam", "formalOutputExpression", "outputJoiningExpression"),
        *("resultAppliedToLocalVariable", "startingMappings", "completedMappings", "mapping"),
        *("expression", "mapsTo", "timer", "trigger", "duration", "expiry", "netparam"),
        *("durationparams", "ticks", "interval"),
    )
)


def is_yawl(text: bytes) -> bool:
    """Whether an XML text looks like a YAWL file."""
    return b"specificationSet" in text[:4096] or b"<specificationSet" in text


def read_yawl(text: bytes, *, file: str | None = None, origin: Path | None = None) -> Specification:
    """Read the control flow of a YAWL file.

    Args:
        text: The file.
        file: Its name, for faults.
        origin: The folder that it lies in.

    Raises:
        DefinitionErrors: Everything that is wrong with it, each fault with its line.
        DefinitionError: It is not XML, or is no YAWL specification of a version that is known.
    """
    return _Reader(text, file, origin).read()


def _code(element: Any, name: str, default: str) -> str:
    found = _child(element, name)
    return default if found is None else str(found.get("code", default))


@attrs.define
class _Flow:
    """One way on from a task or condition."""

    to: str
    predicate: str = ""
    ordering: float = 0.0
    default: bool = False


@attrs.frozen
class _Work:
    """The work of a task: the variables of its net and of its decomposition."""

    element: Any
    name: str
    outer: Data
    inner: Data
    performed: bool


_BOUNDS = ("minimum", "maximum", "threshold")
_MOST_INSTANCES = 10_000
"""A bound above what an engine takes is none."""

_UNITS = {"SEC": "s", "MIN": "m", "HOUR": "h", "DAY": "d", "MSEC": "ms"}


class _Reader:
    """Reads one file; gathers faults."""

    def __init__(self, text: bytes, file: str | None, origin: Path | None) -> None:
        self.text = text
        self.file = file
        self.origin = origin
        self.faults: list[DefinitionError] = []
        self.positions: dict[Location, tuple[int, int]] = {}
        self.passed_over: Counter[str] = Counter()
        self.predicates: list[JsonValue] = []
        self.decompositions: dict[str, Any] = {}
        self.gateways: dict[str, str] = {}
        self.imported: list[Imported] = []
        self.unused: dict[str, Any] = {}
        """The decompositions that no task names."""
        self.data: dict[str, Data] = {}
        """The variables of each decomposition."""
        self.called: dict[str, Mapping[str, str]] = {}
        """The names of each net's elements, by their identifiers."""
        self.within: tuple[Any, dict[str, Any], set[tuple[str, str]]] | None = None
        """The net that cancellation sets are read of."""
        self.lines: dict[str, int | None] = {}
        """Where each decomposition stands."""
        self.shapes: dict[str, Shape] = {}
        """The graph of each net, as the format's rules see it."""

    # ── faults ───────────────────────────────────────────────────────────────────────────────

    def refuse(self, message: str, line: int | None = None, code: str = "yawl") -> DefinitionError:
        return DefinitionError(message, code=code, file=self.file, line=line)

    def fault(self, element: Any, message: str, code: str = "yawl") -> None:
        self.faults.append(self.refuse(message, element.sourceline, code))

    def tell(self, element: Any, construct: str, *, more: str = "") -> None:
        """Note what becomes of a part, as the table of constructs says."""
        known = CONSTRUCTS[construct]
        owner = element
        while owner is not None and not owner.get("id"):
            owner = owner.getparent()
        id_ = "" if owner is None else owner.get("id", "")
        note = f"{known.note} ({more})" if more else known.note
        self.imported.append(Imported(construct, known.verdict, note, id_, element.sourceline))

    # ── the file ─────────────────────────────────────────────────────────────────────────────

    def read(self) -> Specification:
        specification = self.specification(self.parse())
        described = _child(specification, "metaData")
        roots = self.find_decompositions(specification)
        nets = {name: self.net(name, element) for name, element in roots.items()}
        raise_faults(
            f"{self.file or 'the text'} is not a valid YAWL specification",
            sorted(self.faults, key=lambda fault: fault.line or 0),
        )
        root = next(iter(nets))
        used = _used(root, nets)
        unused = [name for name in nets if name not in used]
        metadata: dict[str, JsonValue] = {
            "yawl": {
                "version": self.version,
                "uri": specification.get("uri", ""),
                "predicates": self.predicates,
                "unused-nets": [*unused],
                "not-acted-on": dict(sorted(self.passed_over.items())),
            }
        }
        if layout := self.layout(specification, nets):
            metadata["layout"] = layout
        version = _text(_child(described, "version")) if described is not None else ""
        return Specification(
            name=re.sub(r"\.(xml|ya?wl)$", "", specification.get("uri", "")) or "yawl",
            version=version or "0",
            nets={name: net for name, net in nets.items() if name in used},
            root=root,
            description=_text(_child(described, "description")) if described is not None else "",
            metadata=metadata,
            imported=(*self.left(), *self.imported),
            findings=tuple(self.amiss(used)),
            source=Source("yawl", self.file, self.text, self.origin, self.positions),
        )

    def layout(self, specification: Any, nets: Mapping[str, NetDefinition]) -> dict[str, JsonValue]:
        """Where tasks and conditions stand: net, element, and x, y, width, height in pixels."""
        found: dict[str, JsonValue] = {}
        around = _child(specification.getparent(), "layout")
        for net in () if around is None else around.iter("{*}net"):
            name = net.get("id", "")
            names = self.called.get(name, {})
            boxes: dict[str, JsonValue] = {}
            for element in _children(net, "vertex", "container"):
                made = names.get(element.get("id", ""))
                vertex = _child(element, "vertex") if _local(element) == "container" else element
                bounds = _child(_child(vertex, "attributes"), "bounds")
                if made is None or bounds is None:
                    continue
                try:
                    corner = [_coordinate(bounds.get(k, "")) for k in ("x", "y", "w", "h")]
                except ValueError:
                    continue  # a picture is no reason to refuse a net
                if all(abs(n) < 1e9 for n in corner):
                    boxes[made] = [*corner]
            if boxes and name in nets:
                found[name] = boxes
        return found

    def amiss(self, used: set[str]) -> Iterator[Finding]:
        """What breaks a rule of the format, in nets that run; and what none of them names."""
        shapes = [shape for name, shape in self.shapes.items() if name in used]
        for shape in shapes:
            yield from shape_findings(shape)
        named = {e.work for shape in shapes for e in shape.elements.values()}
        unused = [name for name in (*self.decompositions, *self.gateways) if name not in named]
        yield from unused_findings(
            {name: self.lines.get(name) for name in unused if name != self.root}
        )
        yield from idle_nets(shapes)

    def shape(
        self,
        name: str,
        line: int | None,
        parts: Mapping[str, Any],
        flows: Mapping[str, list[_Flow]],
    ) -> Shape:
        """The graph of a net; ``parts`` are its elements by the names that they have here."""
        id_of = {made: x.get("id", "") for made, x in parts.items()}
        elements = {}
        for made, x in parts.items():
            work = _child(x, "decomposesTo")
            elements[id_of[made]] = Element(
                id=id_of[made],
                kind=_local(x),  # type: ignore[arg-type]  # one of four, as `names` has it
                to=[id_of[flow.to] for flow in flows[made]],
                line=x.sourceline,
                split=_code(x, "split", "and") if _local(x) == "task" else "and",
                default=any(flow.default for flow in flows[made]),
                predicates=sum(bool(flow.predicate) for flow in flows[made]),
                bounds={
                    k: int(number)
                    for k in ("minimum", "maximum", "threshold")
                    if re.fullmatch("[0-9]{1,9}", number := _text(_child(x, k)))
                },
                work="" if work is None else work.get("id", ""),
                waits=_child(x, "timer") is not None,
            )
        return Shape(name, elements, line)

    def left(self) -> Iterator[Imported]:
        """What is not acted on, each name once."""
        for element in self.unused.values():
            self.tell(element, "decomposition that no task names")
        known = CONSTRUCTS["all else"]
        for name, number in sorted(self.passed_over.items()):
            note = known.note if number == 1 else f"{known.note} ({number} times)"
            yield Imported(name, known.verdict, note)

    def parse(self) -> Any:
        """The root element; nothing outside the file is read, and no entity is expanded."""
        root, self.text = parse_xml(self.text, file=self.file)
        if _local(root) != "specificationSet":
            raise self.refuse(
                f"the root element is {_local(root)!r}; a YAWL file begins with specificationSet",
                root.sourceline,
            )
        namespace = _namespace(root)
        if namespace and namespace not in _NAMESPACES:
            raise self.refuse(
                f"the namespace {namespace!r} is not YAWL's; known: {', '.join(_NAMESPACES)}",
                root.sourceline,
            )
        self.version = root.get("version", "Beta 2")
        if self.version not in VERSIONS:
            raise self.refuse(
                f"version {self.version!r} of YAWL is not known; read are {', '.join(VERSIONS)}",
                root.sourceline,
                "yawl-version",
            )
        return root

    def specification(self, root: Any) -> Any:
        found = _children(root, "specification")
        if len(found) != 1:
            raise self.refuse(
                f"the set holds {len(found)} specifications; a file with one is read",
                root.sourceline,
            )
        for child in root:
            if isinstance(child.tag, str) and child is not found[0]:
                self.passed_over[_local(child)] += 1
        return found[0]

    def find_decompositions(self, specification: Any) -> dict[str, Any]:
        """The nets, the root net first; the other decompositions are noted by their kind."""
        types = read_types(specification)
        root: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for element in specification:
            kind = _local(element)
            if kind not in ("rootNet", "decomposition"):
                if kind and kind not in ("metaData", "name", "documentation"):
                    self.passed_over[kind] += 1
                continue
            name = element.get("id", "")
            self.data[name] = read_variables(element, types)
            self.lines.setdefault(name, element.sourceline)
            type_ = element.get(_XSI, "").rpartition(":")[2]
            if not name or name in root or name in others or name in self.gateways:
                what = f"two decompositions are called {name!r}" if name else "it has no id"
                self.fault(element, f"{kind}: {what}")
            elif kind == "rootNet" or element.get("isRootNet") == "true":
                if root:
                    self.fault(element, f"there are two root nets: {next(iter(root))!r}, {name!r}")
                root[name] = element
            elif type_ == "NetFactsType" or _child(element, "processControlElements") is not None:
                others[name] = element
            else:
                self.gateways[name] = type_
                self.unused[name] = element
                self.pass_over(element)
        if not root:
            raise self.refuse("there is no root net", specification.sourceline)
        self.decompositions = {**root, **others}
        return self.decompositions

    def pass_over(self, element: Any, control: Any = None) -> None:
        """Note what of a decomposition is not acted on."""
        for x in _children(element):
            if _local(x) in ("inputParam", "outputParam", "localVariable"):
                self.tell(x, "variables")
            elif x is not control and _local(x) not in ("name", "documentation"):
                self.passed_over[_local(x)] += 1

    # ── a net ────────────────────────────────────────────────────────────────────────────────

    def net(self, name: str, element: Any) -> NetDefinition:
        control = _child(element, "processControlElements")
        if control is None:
            self.fault(element, f"the net {name!r} has no processControlElements")
            control = element
        self.tell(element, "net")
        self.pass_over(element, control)
        parts = [x for x in control if isinstance(x.tag, str)]
        names = self.called[name] = self.names(name, parts)
        conditions = {
            names[x.get("id", "")]: x
            for x in parts
            if _local(x) in ("inputCondition", "condition", "outputCondition")
        }
        tasks = {names[x.get("id", "")]: x for x in parts if _local(x) == "task"}
        inputs = [n for n, x in conditions.items() if _local(x) == "inputCondition"]
        outputs = [n for n, x in conditions.items() if _local(x) == "outputCondition"]
        for found, what in ((inputs, "input"), (outputs, "output")):
            if len(found) != 1:
                self.fault(control, f"the net {name!r} has {len(found)} {what} conditions; one is")
        elements = {**conditions, **tasks}
        flows = {n: self.flows(x, names) for n, x in elements.items()}
        self.shapes[name] = self.shape(name, element.sourceline, elements, flows)
        leading: Counter[str] = Counter(f.to for found in flows.values() for f in found)
        variables: dict[str, Variable] = dict(self.data[name].variables)
        for x in conditions.values():
            self.tell(x, "condition")
        location: Location = ("nets", name)
        for kind, group in (("tasks", tasks), ("places", conditions)):
            for n, x in group.items():
                for prefix in (location, ("net",)) if name == self.root else (location,):
                    self.positions[(*prefix, kind, n)] = (x.sourceline or 1, 1)
        made = {
            n: self.task(name, n, x, names, flows[n], leading[n], variables)
            for n, x in tasks.items()
        }
        chosen = {f.to for n in conditions if len(flows[n]) > 1 for f in flows[n]}
        for n in [n for n in chosen if n in made and _several(tasks[n])]:
            self.tell(tasks[n], "multiple instances, as an alternative")
            begun = name_of(f"{n}_instances", {*made, *conditions, "end"}, digit_first=True)
            made[n], made[begun] = _begun(made[n], begun)
        for n in [n for n in chosen if n in made and not any(map(_chosen, made[n].uses))]:
            self.tell(tasks[n], "task without a decomposition, as an alternative")
            asked = Use("person", {"title": made[n].title or n})
            made[n] = attrs.evolve(made[n], uses=(asked, *made[n].uses), concurrency=1, outputs={})
        return NetDefinition(
            name=name,
            start=tuple(inputs[:1]),
            tasks=made,
            places={
                n: PlaceDefinition(
                    n,
                    then=Use("explicit-termination") if n in outputs else _leads(flows[n]),
                    description=_text(_child(x, "name")) or x.get("id", ""),
                )
                for n, x in conditions.items()
            },
            variables=variables,
            termination=Termination.EXPLICIT,
        )

    @property
    def root(self) -> str:
        return next(iter(self.decompositions), "")

    def names(self, net: str, parts: list[Any]) -> Mapping[str, str]:
        """Identifier in the file to the name of the task or place: itself, where that is one."""
        names: dict[str, str] = {}
        taken = {"end"}
        for x in parts:
            if _local(x) not in ("inputCondition", "outputCondition", "condition", "task"):
                self.passed_over[_local(x)] += 1
                continue
            id_ = x.get("id", "")
            if not id_ or id_ in names:
                what = f"two elements are called {id_!r}" if id_ else "an element has no id"
                self.fault(x, f"net {net!r}: {what}")
            made = re.sub(r"[^A-Za-z0-9_-]", "_", id_)
            made = made if re.match("[A-Za-z0-9_]", made) else f"_{made}"
            while made in taken:
                made += "_"
            if names.setdefault(id_, made) == made:
                taken.add(made)
        return names

    def flows(self, element: Any, names: Mapping[str, str]) -> list[_Flow]:
        found: list[_Flow] = []
        for flow in _children(element, "flowsInto"):
            reference = _child(flow, "nextElementRef")
            to = "" if reference is None else reference.get("id", "")
            if to not in names:
                self.fault(
                    flow,
                    f"{element.get('id')!r} flows into {to!r}, which is not in its net",
                    "unknown-target",
                )
                continue
            predicate = _child(flow, "predicate")
            made = _Flow(names[to], _text(predicate))
            made.default = _child(flow, "isDefaultFlow") is not None
            if predicate is not None:
                try:
                    made.ordering = float(predicate.get("ordering", "0"))
                except ValueError:
                    self.fault(predicate, f"ordering is {predicate.get('ordering')!r}, no number")
            if made.to in (f.to for f in found):
                self.fault(flow, f"{element.get('id')!r} flows into {to!r} twice")
                continue
            found.append(made)
        return found

    # ── a task ───────────────────────────────────────────────────────────────────────────────

    def task(
        self,
        net: str,
        name: str,
        element: Any,
        names: Mapping[str, str],
        flows: list[_Flow],
        incoming: int,
        variables: dict[str, Variable],
    ) -> TaskDefinition:
        self.note(element)
        join = _code(element, "join", "xor")
        split = _code(element, "split", "and")
        for code, known, what in ((join, _JOINS, "join"), (split, _SPLITS, "split")):
            if code not in known:
                self.fault(element, f"{what} {code!r} is not known; it is {', '.join(known)}")
        uses = list(self.performed(element))
        work = _Work(element, name, self.data[net], self.decomposition(element), bool(uses))
        region: list[JsonValue] = [*dict.fromkeys(self.cancelled(element, names))]
        if region:
            self.tell(element, "cancellation set")
        if region:
            uses.append(Use("cancel-region", {"region": region}))
        outputs: dict[str, JsonValue] = {}
        inputs = self.ins(work)
        several = _several(element)
        if several:
            uses.append(self.instances(work, inputs, outputs))
        elif uses:
            outputs |= self.outs(work)
        seconds, expires = self.timed(work, uses)
        then = _leads(flows) if len(flows) < 2 else None
        if len(flows) > 1:
            told = self.predicated(net, split, flows, element)
            chosen = _free(f"to_{re.sub('[^A-Za-z0-9_]', '_', name)}", self.data[net].variables)
            then = self.split(net, name, split, flows, chosen, told)
            if split != "and" and told is None:
                variables[chosen] = Variable(chosen, DataType("array"), default=[])
                if not several:
                    outputs[chosen] = _answer([flow.to for flow in flows])
        silent = outputs or name.replace("-", "_") in self.data[net].variables
        return TaskDefinition(
            name=name,
            title=_text(_child(element, "name")),
            description=_text(_child(element, "documentation")),
            join=Use(_JOINS[join]) if incoming > 1 and join in _JOINS else None,
            then=then,
            inputs=inputs if work.performed else {},
            outputs=outputs if work.performed and silent else None,
            concurrency=1 if work.performed and not several else None,
            timeout_seconds=seconds,
            expires=expires,
            on_failure=Use("sequence", "skip") if (seconds or expires) is not None else None,
            uses=tuple(uses),
        )

    # ── data ─────────────────────────────────────────────────────────────────────────────────

    def decomposition(self, element: Any) -> Data:
        """The variables of what does a task's work."""
        reference = _child(element, "decomposesTo")
        known = self.data.get("" if reference is None else reference.get("id", ""))
        return known or Data({}, {}, {})

    def mappings(self, element: Any, which: str) -> Iterator[tuple[Any, str, str]]:
        """The mappings of a task: where each stands, its query, and to what it leads."""
        for group in _children(element, which):
            seen: set[tuple[str, str]] = set()
            for mapping in _children(group, "mapping"):
                expression = _child(mapping, "expression")
                asked = "" if expression is None else expression.get("query", "")
                to = _text(_child(mapping, "mapsTo"))
                for key, what in ((asked, "query"), (to, "mapsTo")):
                    if (what, key) in seen:
                        message = (
                            f"two mappings of {which} have the {what} {key!r}: a duplicate key"
                        )
                        self.fault(mapping, message, "duplicate-key")
                    seen.add((what, key))
                if asked and to:
                    yield mapping, asked, to

    def ins(self, work: _Work) -> dict[str, JsonValue]:
        """The arguments of a task's work."""
        found: dict[str, JsonValue] = {}
        for mapping, asked, to in self.mappings(work.element, "startingMappings"):
            made = work.inner.names.get(to)
            if made is None or not work.performed:
                continue
            target = work.inner.variables[made].type
            condition = self.queried(mapping, asked, work.outer, target=target)
            if condition is not None:
                found[made] = condition.cel
        return found

    def outs(self, work: _Work) -> dict[str, JsonValue]:
        """What the variables of the net get from the result of a task's work."""
        found: dict[str, JsonValue] = {}
        for mapping, asked, to in self.mappings(work.element, "completedMappings"):
            variable = work.outer.names.get(to)
            if variable is None:
                continue
            target = work.outer.variables[variable].type
            condition = self.queried(mapping, asked, work.inner, prefix="result.", target=target)
            cel = f"result.{variable}" if condition is None else condition.cel
            plain = re.fullmatch(r"result\.(\w+)", cel)
            if plain is not None and verbatim(asked) is None:
                got = f"result.get('{plain[1]}')"
                cel = f"{got} != null ? {got} : {variable}"
            found[variable] = cel
        return found

    def queried(
        self,
        element: Any,
        asked: str,
        data: Data,
        *,
        prefix: str = "",
        target: DataType | None = None,
    ) -> Condition | None:
        """A query in CEL; None: it cannot be told in it, which is told."""
        try:
            found = query(asked, data, prefix=prefix, target=target)
        except Untranslatable as reason:
            self.tell(element, "mapping, beyond what is told in CEL", more=f"{asked}: {reason}")
            return None
        self.tell(element, "mapping")
        return found

    def instances(
        self, work: _Work, inputs: dict[str, JsonValue], outputs: dict[str, JsonValue]
    ) -> Use:
        """The pattern that makes many instances of a task."""
        element, argument = work.element, dict[str, JsonValue]()
        given, taken = _child(element, "miDataInput"), _child(element, "miDataOutput")
        expression = None if given is None else _child(given, "expression")
        asked = "" if expression is None else expression.get("query", "")
        item = work.inner.names.get(_text(_child(given, "formalInputParam")))
        each = _free("each", {*work.outer.variables, "index"})
        bounds = {k: self.number(element, k, work.outer) for k in _BOUNDS}
        listed = self.split_up(element, given, asked, work.outer)
        if listed is None:
            least = bounds["minimum"]
            argument["times"] = least if isinstance(least, int) and least else 1
            bounds["minimum"] = None
        else:
            self.tell(element, "multiple instances")
            argument |= {"in": listed, "as": each}
            if item is not None:
                inputs[item] = each
        dynamic = (x := _child(element, "creationMode")) is not None and x.get("code") == "dynamic"
        if dynamic:
            self.tell(element, "multiple instances, created dynamically")
            argument |= {"open": True, "seal": False}
        if listed is not None or dynamic:
            argument |= {k: n for k in ("minimum", "maximum") if (n := bounds[k]) is not None}
            if listed is None:
                argument.pop("minimum", None)
        enough, most = bounds["threshold"], bounds["maximum"]
        every = enough is None or (
            isinstance(enough, int) and isinstance(most, int) and enough > most
        )
        if not every and not (listed is None and not dynamic and argument["times"] != enough):
            argument |= {"enough": enough, "rest": "cancel"}
        if taken is not None:
            formal = _child(taken, "formalOutputExpression")
            asked = "" if formal is None else formal.get("query", "")
            found = self.queried(taken, asked, work.inner, prefix="result.") if asked else None
            if found is not None:
                argument["collect"] = re.sub(r"^result\.(\w+)$", r"result.get('\1')", found.cel)
            into = _text(_child(taken, "resultAppliedToLocalVariable"))
            variable = work.outer.names.get(into)
            if variable is not None:
                outputs[variable] = self.joined(taken, work.outer.variables[variable].type)
        return Use("for-each", argument)

    def number(self, element: Any, name: str, data: Data) -> JsonValue:
        """A bound of instances: a number, or a query for one; None: there is none."""
        text = _text(_child(element, name))
        if not text:
            return None
        if re.fullmatch("[0-9]{1,9}", text):
            number = int(text)
            if name == "minimum":
                return number or None
            return number if 0 < number <= _MOST_INSTANCES else None
        found = self.queried(element, text, data, target=DataType("integer"))
        return None if found is None else found.cel

    def split_up(self, element: Any, given: Any, asked: str, data: Data) -> str | None:
        """The list of which each item gets an instance; None: it cannot be told."""
        try:
            listed = query(asked, data).cel
        except Untranslatable as reason:
            more = f"{asked}: {reason}"
            self.tell(element, "multiple instances, over a query beyond CEL", more=more)
            return None
        variable = data.variables.get(listed)
        type_ = DataType("any") if variable is None else variable.type
        splitting = _child(given, "splittingExpression")
        text = "" if splitting is None else splitting.get("query", "")
        if text:
            try:
                listed = told_of(text, listed, type_)
            except Untranslatable as reason:
                more = f"{text}: {reason}"
                self.tell(element, "multiple instances, split in a way beyond CEL", more=more)
        return listed

    def joined(self, taken: Any, type_: DataType) -> str:
        """What a variable gets of the results of all instances."""
        joining = _child(taken, "outputJoiningExpression")
        text = "" if joining is None else joining.get("query", "")
        if not text:
            return "results"
        try:
            found = told_of(text, "results", DataType("any"))
        except Untranslatable as reason:
            more = f"{text}: {reason}"
            self.tell(taken, "multiple instances, joined in a way beyond CEL", more=more)
            return "results"
        return found

    def timed(self, work: _Work, uses: list[Use]) -> tuple[float | None, JsonValue]:
        """A timer begins an empty task, as a pattern around it; or is the bound of its work.

        The bound is a number of seconds, or a time that is told when the work is offered.
        """
        timer = _child(work.element, "timer")
        if timer is None:
            return None, None
        written = _text(_child(timer, "duration"))
        parameters = _child(timer, "durationparams")
        if parameters is not None:
            unit = _UNITS.get(_text(_child(parameters, "interval")).upper())
            ticks = _text(_child(parameters, "ticks"))
            written = f"{ticks}{unit}" if unit and re.fullmatch("[0-9]{1,9}", ticks) else ""
        expiry = _text(_child(timer, "expiry"))
        netparam = work.outer.names.get(_text(_child(timer, "netparam")))
        seconds: float | None = None
        if written:
            try:
                seconds = parse_duration(written) or None
            except ValueError:
                seconds = None
        time: dict[str, JsonValue] | None = None
        if seconds is not None or _of_calendar(written):
            time = {"for": written}
        elif re.fullmatch("[0-9]{12,14}", expiry):
            moment = datetime.fromtimestamp(int(expiry) / 1000, UTC)
            time = {"until": moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")}
        elif netparam is not None:
            kind = work.outer.variables[netparam].type.type
            within = f"{netparam}.get('expiry')"  # of a YTimerType: trigger and expiry
            either = f"{within} != null ? {within} : {netparam}"
            time = {"for": either if kind in ("any", "object") else netparam}
        if time is None:
            self.tell(timer, "timer, whose time cannot be read")
        elif not work.performed:
            self.tell(timer, "timer of an empty task")
            uses.append(Use("wait", time))
        else:
            begins = _text(_child(timer, "trigger")).lower() == "onexecuting"
            self.tell(timer, "timer of work" + (", from its start on" if begins else ""))
            if begins:
                return None, {**time, "from": "start"}
            return (seconds, None) if seconds is not None else (None, time)
        return None, None

    def predicated(
        self, net: str, code: str, flows: list[_Flow], element: Any
    ) -> dict[str, str] | None:
        """The predicates of a split in CEL, by where they lead; None: not all can be told."""
        if code == "and":
            return None
        found: dict[str, str] = {}
        asked = [flow for flow in flows if flow.predicate]
        for flow in asked:
            try:
                found[flow.to] = self.data[net].condition(flow.predicate).cel
            except Untranslatable as reason:
                more = f"{flow.predicate}: {reason}"
                self.tell(element, "predicate, beyond what is told in CEL", more=more)
        if len(found) < len(asked):
            return None
        if not any(flow.to in found for flow in flows if not flow.default):
            return None  # nothing says when another flow than the default is taken
        self.tell(element, "predicate")
        return found

    def note(self, element: Any) -> None:
        """Count what is not acted on, and say what a task of another type is."""
        for x in element.iter():
            if x is not element and isinstance(x.tag, str) and _local(x) not in _ACTED_ON:
                self.passed_over[_local(x)] += 1

    def split(
        self,
        net: str,
        name: str,
        code: str,
        flows: list[_Flow],
        chosen: str,
        told: Mapping[str, str] | None,
    ) -> Use | None:
        """What follows a task with several flows; the default flow comes last."""  # fmt: skip
        for flow in flows:
            if flow.predicate:
                kept: JsonValue = {
                    "net": net,
                    "from": name,
                    "to": flow.to,
                    "predicate": flow.predicate,
                    "default": flow.default,
                }
                self.predicates.append(kept)
        if code == "and":
            return Use("parallel-split", [*(flow.to for flow in flows)])
        ordered = sorted(flows, key=lambda flow: flow.ordering)
        last = next((flow for flow in flows if flow.default), ordered[-1])
        branches: list[JsonValue] = [
            {"when": _when(flow, chosen, told), "to": flow.to}
            for flow in ordered
            if flow is not last
        ]
        if code == "or" and (told is None or last.to in told):
            branches.append({"when": _when(last, chosen, told), "to": last.to})
        branches.append({"to": last.to})
        return Use(_SPLITS.get(code, "exclusive-choice"), branches)

    def performed(self, element: Any) -> Iterator[Use]:
        """What does the work of a task: a net, or somebody; nothing for an empty task."""
        reference = _child(element, "decomposesTo")
        if reference is None:
            self.tell(element, "task without a decomposition")
            return
        name = reference.get("id", "")
        self.unused.pop(name, None)
        if name in self.decompositions:
            self.tell(element, "task with a net")
            yield Use("net", name)
        elif name in self.gateways:
            self.tell(element, "task with another decomposition")
            title = _text(_child(element, "name")) or element.get("id", "task")
            yield Use("person", {"title": title})
        else:
            self.fault(reference, f"there is no decomposition {name!r}", "unknown-net")

    def known(
        self, control: Any, names: Mapping[str, str]
    ) -> tuple[dict[str, Any], set[tuple[str, str]]]:
        """The tasks of a net by their names, and its flows by identifiers; found once."""
        if self.within is None or self.within[0] is not control:
            tasks = {
                names[x.get("id", "")]: x
                for x in control
                if _local(x) == "task" and x.get("id", "") in names
            }
            flows = {
                (x.get("id", ""), reference.get("id", ""))
                for x in _children(control)
                for flow in _children(x, "flowsInto")
                for reference in _children(flow, "nextElementRef")
            }
            self.within = control, tasks, flows
        return self.within[1], self.within[2]

    def cancelled(self, element: Any, names: Mapping[str, str]) -> Iterator[str]:
        """The parts of a cancellation set: a task stands for its open items alone."""
        tasks, flows = self.known(element.getparent(), names)
        for removed in _children(element, "removesTokens"):
            id_ = removed.get("id", "")
            if id_ not in names:
                self.fault(removed, f"removesTokens names {id_!r}, which is not in its net")
            elif names[id_] not in tasks:
                yield names[id_]
            elif _several(tasks[names[id_]]):
                yield names[id_]  # with the count of its instances
            elif _child(tasks[names[id_]], "decomposesTo") is not None:
                yield f"{names[id_]}.run"
                yield f"{names[id_]}.held"
        for flow in _children(element, "removesTokensFromFlow"):
            ends = [
                "" if (x := _child(flow, what)) is None else x.get("id", "")
                for what in ("flowSource", "flowDestination")
            ]
            unknown = [end for end in ends if end not in names]
            for end in unknown:
                self.fault(flow, f"removesTokensFromFlow names {end!r}, which is not in its net")
            if not unknown and (ends[0], ends[1]) not in flows:
                self.tell(flow, "cancellation of a flow that is not there")
            elif not unknown:
                yield f"{names[ends[0]]}>{names[ends[1]]}"


def _chosen(use: Use) -> bool:
    """Whether it lets somebody, or a time, begin a task."""
    return use.name in ("person", "net", "wait")


def _several(element: Any) -> bool:
    """Whether a task makes many instances of work."""
    several = "MultipleInstance" in element.get(_XSI, "")
    return several and _child(element, "decomposesTo") is not None


def _begun(task: TaskDefinition, name: str) -> tuple[TaskDefinition, TaskDefinition]:
    """A task of many instances, behind a work item by which somebody chooses it."""
    asked = Use("person", {"title": task.title or task.name})
    first = TaskDefinition(
        name=task.name,
        title=task.title,
        join=task.join,
        then=Use("sequence", name),
        outputs={},
        concurrency=1,
        uses=(asked,),
    )
    outputs = task.outputs if task.outputs is not None else {}
    return first, attrs.evolve(task, name=name, join=None, outputs=outputs)


def _of_calendar(text: str) -> bool:
    """Whether a duration is one of years or months, whose length depends on when it begins."""
    try:
        return text.startswith("P") and duration(text, 0) > 0
    except TimingError:
        return False


def _when(flow: _Flow, chosen: str, told: Mapping[str, str] | None) -> str:
    """When a flow is taken: by its predicate, or by what the one who completed the task says."""
    return f'"{flow.to}" in {chosen}' if told is None else told.get(flow.to, "true")


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _leads(flows: list[_Flow]) -> Use | None:
    """Where a condition, or a task with one flow, leads: to one, or to whichever starts first."""
    if not flows:
        return None
    if len(flows) == 1:
        return Use("sequence", flows[0].to)
    return Use("deferred-choice", [*(flow.to for flow in flows)])


def _answer(targets: list[str]) -> str:
    """The expression that makes a list of where a result says the flow goes."""
    known = ", ".join(f'"{name}"' for name in targets)
    asked = f"result.to in [{known}] ? [result.to] : result.to"
    return f"result == null ? [] : has(result.to) ? ({asked}) : []"


def _coordinate(text: str) -> float:
    """A number of a layout, which is written by the customs of a country: 1,184.0 or 1.184,0.

    Raises:
        ValueError: It is none.
    """
    text = re.sub(r"[\s\u2019']", "", text)
    whole, sign, part = text[: (at := max(text.rfind(","), text.rfind(".")))], text[at:], ""
    if at < 0:
        return float(text)
    part = sign[1:]
    if sign[:1] == "," and len(part) == 3 and "." not in whole:
        whole, part = whole + part, ""  # thousands
    return float(f"{re.sub('[.,]', '', whole)}.{part or 0}")


def _used(root: str, nets: Mapping[str, NetDefinition]) -> set[str]:
    """The nets that the root net runs, directly or not, and itself."""
    used, queue = {root}, [root]
    for name in queue:
        for task in nets[name].tasks.values():
            for use in task.uses:
                if use.name == "net" and isinstance(use.argument, str) and use.argument not in used:
                    used.add(use.argument)
                    queue.append(use.argument)
    return used
