"""PNML, the interchange format of Petri nets (ISO/IEC 15909-2): place/transition nets.

Read are nets of the type ``ptnet`` with their initial markings and arc weights: pages of any
depth, reference places and transitions, nets wrapped in a ``module``, and files without a
namespace. Names, graphics and tool-specific parts are passed over. Coloured, timed and other
nets are refused by name: their behaviour would be another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from weft.schema.errors import DefinitionError, raise_faults
from weft.schema.xml import local as _local
from weft.schema.xml import parse_xml

__all__ = ["PnmlArc", "PnmlNet", "PnmlPlace", "read_pnml", "read_pnml_file"]

MAX_BYTES = 256 * 2**20
"""A larger file is refused before it is read."""

MAX_COUNT = 2**31 - 1
"""The most tokens in a place, and the heaviest arc."""

_PTNET = ("ptnet", "pt-net", "p/t", "http://www.pnml.org/version-2009/grammar/ptnet")
_OTHER = {
    "hscolor": "coloured",
    "hlpn": "high-level",
    "highlevel": "high-level",
    "symmetric": "symmetric (coloured)",
    "color": "coloured",
    "timed": "timed",
    "stochastic": "stochastic",
    "spn": "stochastic",
    "tpn": "timed",
}


@attrs.frozen
class PnmlPlace:
    """A place with its initial tokens."""

    id: str
    name: str
    tokens: int = 0


@attrs.frozen
class PnmlArc:
    """An arc between a place and a transition, by their ids. ``kind`` is normal, inhibitor,
    read or reset.
    """

    source: str
    target: str
    weight: int = 1
    kind: str = "normal"


@attrs.frozen
class PnmlNet:
    """A place/transition net as a file says it. ``transitions`` are pairs of id and name."""

    id: str
    places: Sequence[PnmlPlace]
    transitions: Sequence[tuple[str, str]]
    arcs: Sequence[PnmlArc]
    file: str | None = attrs.field(default=None, eq=False)
    lines: Mapping[str, int] = attrs.field(factory=dict, eq=False, repr=False)
    """Where places and transitions stand in the file: id to line, from 1."""


def read_pnml_file(path: str | Path) -> PnmlNet:
    """Read a PNML file.

    Raises:
        DefinitionError: It cannot be read, is too large, or is not a place/transition net.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DefinitionError(
                f"the file has {size:,} bytes; at most {MAX_BYTES:,} are read",
                code="too-large",
                file=str(path),
            )
        text = path.read_bytes()
    except OSError as error:
        raise DefinitionError(
            f"cannot be read: {error.strerror or error}", code="unreadable", file=str(path)
        ) from error
    return read_pnml(text, file=str(path))


def read_pnml(text: bytes, *, file: str | None = None) -> PnmlNet:
    """Read a PNML document.

    Raises:
        DefinitionErrors: Everything that is wrong with it, each fault with its line.
    """
    return _Reader(file).read(text)


class _Reader:
    """Reads one document; gathers faults."""

    def __init__(self, file: str | None) -> None:
        self.file = file
        self.faults: list[DefinitionError] = []
        self.places: dict[str, PnmlPlace] = {}
        self.transitions: dict[str, str] = {}
        self.references: dict[str, str] = {}
        self.lines: dict[str, int] = {}
        self.arcs: list[tuple[PnmlArc, Any]] = []

    def fault(self, element: Any, message: str, code: str = "pnml") -> DefinitionError:
        made = DefinitionError(message, code=code, file=self.file, line=element.sourceline)
        self.faults.append(made)
        return made

    def refuse(self, message: str, line: int | None = None, code: str = "pnml") -> DefinitionError:
        return DefinitionError(message, code=code, file=self.file, line=line)

    def read(self, text: bytes) -> PnmlNet:
        root, _ = parse_xml(text, file=self.file)
        if _local(root) != "pnml":
            raise self.refuse(
                f"the root element is <{_local(root)}>; a PNML file begins with <pnml>",
                root.sourceline,
            )
        nets = [e for e in self.within(root) if _local(e) == "net"]
        if len(nets) != 1:
            raise self.refuse(f"the file holds {len(nets)} nets; one is expected", root.sourceline)
        net = nets[0]
        self.check_type(net)
        self.page(net)
        arcs = self.resolved()
        raise_faults(f"{self.file or 'the text'} is not a place/transition net", self.faults)
        return PnmlNet(
            id=net.get("id") or "net",
            places=tuple(self.places.values()),
            transitions=tuple(self.transitions.items()),
            arcs=tuple(arcs),
            file=self.file,
            lines=self.lines,
        )

    def within(self, root: Any) -> Iterator[Any]:
        """The elements below the root, looking through ``module``."""
        for element in root:
            if _local(element) == "module":
                yield from self.within(element)
            else:
                yield element

    def check_type(self, net: Any) -> None:
        kind = (net.get("type") or "").lower()
        tail = kind.rstrip("/").rpartition("/")[2]
        for mark, word in _OTHER.items():
            if mark in tail:
                raise self.refuse(
                    f"the net is {word} (type {net.get('type')!r}); only place/transition nets "
                    "are supported",
                    net.sourceline,
                    "unsupported",
                )
        if kind and not any(known in kind for known in _PTNET):
            raise self.refuse(
                f"nets of type {net.get('type')!r} are not supported; only place/transition nets "
                f"({_PTNET[-1]}) are",
                net.sourceline,
                "unsupported",
            )

    def page(self, root: Any) -> None:
        """Gather a net's or page's objects; pages are walked, not called, however deep."""
        waiting = [root]
        while waiting:
            for element in waiting.pop():
                kind = _local(element)
                if kind == "page":
                    waiting.append(element)
                elif kind in ("place", "transition", "referencePlace", "referenceTransition"):
                    self.node(element, kind)
                elif kind == "arc":
                    self.arc(element)
                elif kind == "declaration" and any(
                    _local(e) in ("structure", "declarations") for e in element
                ):
                    self.fault(element, "the net declares sorts: it is coloured", "unsupported")

    def node(self, element: Any, kind: str) -> None:
        name = element.get("id")
        if not name:
            self.fault(element, f"a {kind} has no id")
            return
        if name in self.places or name in self.transitions or name in self.references:
            self.fault(element, f"the id {name!r} is used twice", "duplicate")
            return
        self.lines[name] = element.sourceline
        if kind.startswith("reference"):
            target = element.get("ref")
            if not target:
                self.fault(element, f"{kind} {name!r} refers to nothing: it has no `ref`")
                return
            self.references[name] = target
        elif kind == "place":
            if any(_local(e) in ("hlinitialMarking", "type") for e in element):
                self.fault(element, f"place {name!r} is coloured", "unsupported")
                return
            tokens = self.number(element, "initialMarking", 0, least=0)
            self.places[name] = PnmlPlace(name, self.text(element, "name") or name, tokens)
        else:
            if any(_local(e) in ("condition", "delay", "interval") for e in element):
                self.fault(
                    element, f"transition {name!r} has a condition or a delay", "unsupported"
                )
                return
            self.transitions[name] = self.text(element, "name") or name

    def arc(self, element: Any) -> None:
        source, target = element.get("source"), element.get("target")
        if not source or not target:
            self.fault(element, f"arc {element.get('id')!r} needs a source and a target")
            return
        if any(_local(e) == "hlinscription" for e in element):
            self.fault(element, f"arc {element.get('id')!r} is coloured", "unsupported")
            return
        kind = next((e.get("value") or e.text or "" for e in element if _local(e) == "type"), "")
        kind = (kind or element.get("type") or "normal").strip().lower()
        weight = self.number(element, "inscription", 1, least=1)
        if kind == "test":
            kind = "read"
        if kind not in ("normal", "inhibitor", "read", "reset"):
            self.fault(
                element,
                f"arc {element.get('id')!r} is of type {kind!r}; "
                "normal, inhibitor, read (test) and reset arcs are supported",
                "unsupported",
            )
            return
        self.arcs.append((PnmlArc(source, target, weight, kind), element))

    def text(self, element: Any, label: str) -> str:
        """The text of a label such as ``<name><text>…</text></name>``."""
        for part in element:
            if _local(part) == label:
                for below in part:
                    if _local(below) in ("text", "value"):
                        return (below.text or "").strip()
                return (part.text or "").strip()
        return ""

    def number(self, element: Any, label: str, default: int, *, least: int) -> int:
        text = self.text(element, label)
        if not text:
            return default
        text = text.removeprefix("Default,")  # as one editor writes it
        if not text.lstrip("-").isascii() or not text.lstrip("-").isdigit() or len(text) > 20:
            self.fault(
                element, f"{label} of {element.get('id')!r} is {text[:40]!r}, not a whole number"
            )
            return default
        number = int(text)
        if not least <= number <= MAX_COUNT:
            self.fault(
                element,
                f"{label} of {element.get('id')!r} is {number}; {least} to {MAX_COUNT} are possible",
            )
            return default
        return number

    def resolved(self) -> list[PnmlArc]:
        """The arcs with references followed; each has to join a place and a transition."""
        arcs: list[PnmlArc] = []
        for arc, element in self.arcs:
            ends = [self.followed(end, element) for end in (arc.source, arc.target)]
            if None in ends:
                continue
            source, target = str(ends[0]), str(ends[1])
            if (source in self.places) == (target in self.places):
                self.fault(
                    element,
                    f"arc {element.get('id')!r} runs from {source!r} to {target!r}: "
                    "an arc joins a place and a transition",
                )
                continue
            if arc.kind != "normal" and source not in self.places:
                self.fault(
                    element,
                    f"arc {element.get('id')!r} is of type {arc.kind!r} and leaves a transition",
                )
                continue
            arcs.append(PnmlArc(source, target, arc.weight, arc.kind))
        return arcs

    def followed(self, end: str, element: Any) -> str | None:
        seen: set[str] = set()
        while end in self.references:
            if end in seen:
                self.fault(element, f"the references of {end!r} go round in a circle")
                return None
            seen.add(end)
            end = self.references[end]
        if end not in self.places and end not in self.transitions:
            self.fault(
                element,
                f"arc {element.get('id')!r} ends at {end!r}, which is not there",
                "dangling",
            )
            return None
        return end
