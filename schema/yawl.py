"""YAWL files: the control flow of a specification set, from Beta 2 to 4.0.

Read are nets, tasks, conditions, joins, splits, flows, cancellation sets and decompositions:

- A condition is a declared place; the output condition ends its net.
- A task with a net as its decomposition is composite. One with any other decomposition waits for
  somebody, as YAWL's do; one without is empty. A busy task is not entered again.
- An AND-, XOR- or OR-join is a synchronization, a multi-merge or a general synchronizing merge.
- An AND-, XOR- or OR-split is a parallel split, an exclusive choice or a multi-choice.

Predicates are XPath over data, and data are not read here. So whoever completes a task says where
an XOR- or OR-split leads, by the field ``to`` of the result: a task or condition, or a list of
them; without it the default flow is taken. What is not acted on is kept in ``metadata`` under
``yawl``: predicates where they stand, and the names of all other elements with their number.

W. M. P. van der Aalst, A. H. M. ter Hofstede, "YAWL: Yet Another Workflow Language" (2005).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
from lxml import etree

from weft.schema.datatypes import DataType, Variable
from weft.schema.errors import DefinitionError, raise_faults
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
        *("processControlElements", "documentation"),
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


def _local(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _children(element: Any, *names: str) -> list[Any]:
    return [child for child in element if _local(child) in names]


def _child(element: Any, name: str) -> Any | None:
    return next(iter(_children(element, name)), None)


def _text(element: Any | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())


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

    # ── faults ───────────────────────────────────────────────────────────────────────────────

    def refuse(self, message: str, line: int | None = None, code: str = "yawl") -> DefinitionError:
        return DefinitionError(message, code=code, file=self.file, line=line)

    def fault(self, element: Any, message: str, code: str = "yawl") -> None:
        self.faults.append(self.refuse(message, element.sourceline, code))

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
        version = _text(_child(described, "version")) if described is not None else ""
        return Specification(
            name=re.sub(r"\.(xml|ya?wl)$", "", specification.get("uri", "")) or "yawl",
            version=version or "0",
            nets={name: net for name, net in nets.items() if name in used},
            root=root,
            description=_text(_child(described, "description")) if described is not None else "",
            metadata=metadata,
            source=Source("yawl", self.file, self.text, self.origin, self.positions),
        )

    def parse(self) -> Any:
        """The root element; nothing outside the file is read, and no entity is expanded."""
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        )
        try:
            root = etree.fromstring(self.text, parser)
        except (etree.XMLSyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            raise self.refuse(f"this is not XML: {error}", line or None, "xml") from None
        if root.getroottree().docinfo.doctype:
            raise self.refuse(
                "a document type declaration is not accepted: it may define entities; remove it",
                code="xml",
            )
        if _local(root) != "specificationSet":
            raise self.refuse(
                f"the root element is {_local(root)!r}; a YAWL file begins with specificationSet",
                root.sourceline,
            )
        namespace = etree.QName(root).namespace
        if namespace is not None and namespace not in _NAMESPACES:
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
        root: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for element in specification:
            kind = _local(element)
            if kind not in ("rootNet", "decomposition"):
                if kind and kind not in ("metaData", "name", "documentation"):
                    self.passed_over[kind] += 1
                continue
            name = element.get("id", "")
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
                self.passed_over.update(_local(x) for x in element if isinstance(x.tag, str))
        if not root:
            raise self.refuse("there is no root net", specification.sourceline)
        self.decompositions = {**root, **others}
        return self.decompositions

    # ── a net ────────────────────────────────────────────────────────────────────────────────

    def net(self, name: str, element: Any) -> NetDefinition:
        control = _child(element, "processControlElements")
        if control is None:
            self.fault(element, f"the net {name!r} has no processControlElements")
            control = element
        self.passed_over.update(
            _local(x) for x in element if isinstance(x.tag, str) and x is not control
        )
        parts = [x for x in control if isinstance(x.tag, str)]
        names = self.names(name, parts)
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
        flows = {n: self.flows(x, names) for n, x in {**conditions, **tasks}.items()}
        leading: Counter[str] = Counter(f.to for found in flows.values() for f in found)
        variables: dict[str, Variable] = {}
        location: Location = ("nets", name)
        for kind, group in (("tasks", tasks), ("places", conditions)):
            for n, x in group.items():
                for prefix in (location, ("net",)) if name == self.root else (location,):
                    self.positions[(*prefix, kind, n)] = (x.sourceline or 1, 1)
        return NetDefinition(
            name=name,
            start=tuple(inputs[:1]),
            tasks={
                n: self.task(name, n, x, names, flows[n], leading[n], variables)
                for n, x in tasks.items()
            },
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
            while made in names.values() or made == "end":
                made += "_"
            names.setdefault(id_, made)
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
        region: list[JsonValue] = [*self.cancelled(element, names)]
        if region and uses:
            uses.append(Use("cancel-region", {"region": region}))
        outputs: dict[str, JsonValue] = {}
        then = _leads(flows) if len(flows) < 2 else None
        if len(flows) > 1:
            chosen = f"to_{re.sub('[^A-Za-z0-9_]', '_', name)}"
            then = self.split(net, name, split, flows, chosen)
            if split != "and":
                variables[chosen] = Variable(chosen, DataType("array"), default=[])
                outputs[chosen] = _answer([flow.to for flow in flows])
        return TaskDefinition(
            name=name,
            title=_text(_child(element, "name")),
            description=_text(_child(element, "documentation")),
            join=Use(_JOINS[join]) if incoming > 1 and join in _JOINS else None,
            then=then,
            outputs=outputs if uses else None,
            concurrency=1 if uses else None,
            uses=tuple(uses),
        )

    def note(self, element: Any) -> None:
        """Count what is not acted on, and say what a task of another type is."""
        for x in element.iter():
            if x is not element and isinstance(x.tag, str) and _local(x) not in _ACTED_ON:
                self.passed_over[_local(x)] += 1
        if "MultipleInstance" in element.get(_XSI, ""):
            self.passed_over["multipleInstances"] += 1

    def split(self, net: str, name: str, code: str, flows: list[_Flow], chosen: str) -> Use | None:
        """What follows a task with several flows; the default flow comes last."""
        for flow in flows:
            if flow.predicate:
                told: JsonValue = {
                    "net": net,
                    "from": name,
                    "to": flow.to,
                    "predicate": flow.predicate,
                    "default": flow.default,
                }
                self.predicates.append(told)
        if code == "and":
            return Use("parallel-split", [*(flow.to for flow in flows)])
        ordered = sorted(flows, key=lambda flow: flow.ordering)
        last = next((flow for flow in flows if flow.default), ordered[-1])
        branches: list[JsonValue] = [
            {"when": f'"{flow.to}" in {chosen}', "to": flow.to}
            for flow in ordered
            if flow is not last
        ]
        if code == "or":
            branches.append({"when": f'"{last.to}" in {chosen}', "to": last.to})
        branches.append({"to": last.to})
        return Use(_SPLITS.get(code, "exclusive-choice"), branches)

    def performed(self, element: Any) -> Iterator[Use]:
        """What does the work of a task: a net, or somebody; nothing for an empty task."""
        reference = _child(element, "decomposesTo")
        if reference is None:
            return
        name = reference.get("id", "")
        if name in self.decompositions:
            yield Use("net", name)
        elif name in self.gateways:
            title = _text(_child(element, "name")) or element.get("id", "task")
            yield Use("person", {"title": title})
        else:
            self.fault(reference, f"there is no decomposition {name!r}", "unknown-net")

    def cancelled(self, element: Any, names: Mapping[str, str]) -> Iterator[str]:
        """The parts of a cancellation set: a task stands for its open items alone."""
        tasks = {
            names[x.get("id", "")]: x
            for x in element.getparent()
            if _local(x) == "task" and x.get("id", "") in names
        }
        for removed in _children(element, "removesTokens"):
            id_ = removed.get("id", "")
            if id_ not in names:
                self.fault(removed, f"removesTokens names {id_!r}, which is not in its net")
            elif names[id_] not in tasks:
                yield names[id_]
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
            if not unknown:
                yield f"{names[ends[0]]}>{names[ends[1]]}"


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
