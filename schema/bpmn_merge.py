"""BPMN files whose processes call each other, put together into one.

A specification is one file, and is stored as one; so what a process calls in another file is taken
into its own: the processes, and what stands beside them at the top of their file (messages,
signals, errors, items, global tasks). Pools and diagrams stay where they are. Identifiers that the
file has already get a number behind them, and whatever refers to them follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from lxml import etree

from weft.schema.errors import DefinitionError
from weft.schema.xml import children, local, name_of, parse_xml

__all__ = ["with_called", "with_chosen"]

_LEFT = ("process", "collaboration", "choreography", "BPMNDiagram", "import", "relationship")
"""What is not taken along with a process from the top of its file."""

_NAMES = ("default", "calledElement", "processId")
_WITHIN = ("incoming", "outgoing", "source", "target")


def with_chosen(text: bytes, process: str, *, file: str | None = None) -> bytes:
    """A file of several processes with the one that is run marked as the executable one.

    Args:
        text: The file.
        process: The identifier or the name of the process, or of the pool that it is in.
        file: The name of the file, for faults.

    Raises:
        DefinitionError: It is no XML; it has no such process, or several of that name.
    """
    document, _ = parse_xml(text, file=file)
    found = children(document, "process")
    pools = [y for x in children(document, "collaboration") for y in children(x, "participant")]
    meant = {
        _local_id(pool.get("processRef", ""))
        for pool in pools
        if process in (pool.get("id"), pool.get("name"))
    }
    named = [x for x in found if process == x.get("id")] or [
        x for x in found if process == x.get("name") or x.get("id") in meant
    ]
    if len(named) != 1:
        what = "there is no process" if not named else "there are several processes called"
        known = ", ".join(repr(x.get("id", "")) for x in found) or "none"
        raise DefinitionError(
            f"{what} {process!r}; the processes of the file are {known}", code="process", file=file
        )
    for x in found:
        x.set("isExecutable", "true" if x is named[0] else "false")
    return bytes(etree.tostring(document, encoding="utf-8", xml_declaration=True))


def _local_id(reference: str) -> str:
    return reference.rpartition(":")[2]


def with_called(
    text: bytes, others: Sequence[tuple[str, bytes]], *, file: str | None = None
) -> bytes:
    """A file with what its processes call in others, and what that calls, and so on.

    Args:
        text: The file.
        others: The names and texts of the others.
        file: The name of the file, for faults.

    Raises:
        DefinitionError: One of them is no XML; two define the process that is called; nothing in
            one of them is called.
    """
    document, _ = parse_xml(text, file=file)
    sources: dict[str, tuple[str, Any]] = {}
    roots: dict[str, Any] = {}
    for name, other in others:
        roots[name], _ = parse_xml(other, file=name)
        for element in children(roots[name]):
            id_ = element.get("id", "")
            if local(element) != "process":
                continue
            if id_ in sources:
                raise DefinitionError(
                    f"process {id_!r} is in {sources[id_][0]} as well", code="duplicate-id",
                    file=name, line=element.sourceline,
                )  # fmt: skip
            sources[id_] = (name, element)
    used: set[str] = set()
    while (missing := _first(_called(document), sources, _defined(document))) is not None:
        name, process = sources[missing]
        taken = [process]
        if name not in used:
            used.add(name)
            taken += [x for x in children(roots[name]) if local(x) not in _LEFT]
        _take(document, [deepcopy(x) for x in taken], keep=missing)
    unused = [name for name in roots if name not in used]
    if unused:
        raise DefinitionError(
            f"nothing in {file or 'the file'} calls a process of it; its processes are "
            f"{', '.join(id_ for id_, (n, _) in sources.items() if n == unused[0]) or 'none'}",
            code="bpmn", file=unused[0],
        )  # fmt: skip
    return bytes(etree.tostring(document, encoding="utf-8", xml_declaration=False))


def _first(names: Iterator[str], known: Any, there: set[str]) -> str | None:
    return next((name for name in names if name in known and name not in there), None)


def _called(document: Any) -> Iterator[str]:
    """The identifiers of processes that are called."""
    for call in document.iter("{*}callActivity"):
        yield call.get("calledElement", "").rpartition(":")[2]
        for extension in call.iter("{*}calledElement"):
            yield extension.get("processId", "")


def _defined(document: Any) -> set[str]:
    return {x.get("id", "") for x in children(document)}


def _take(document: Any, elements: list[Any], *, keep: str) -> None:
    """Put elements of another file at the end of a document."""
    there = {x.get("id") for x in document.iter() if isinstance(x.tag, str)}
    own = [x for e in elements for x in e.iter() if isinstance(x.tag, str)]
    ids = {x.get("id") for x in own}
    new: dict[str, str] = {}
    for id_ in sorted(i for i in ids if i and i in there and i != keep):
        new[id_] = name_of(id_, {*there, *ids, *new.values()})
    for x in own:
        for key, value in x.attrib.items():
            name = key.rpartition("}")[2]
            prefix, colon, rest = value.rpartition(":")
            refers = key == "id" or name.endswith("Ref") or name in _NAMES
            if refers and rest in new:
                x.set(key, f"{prefix}{colon}{new[rest]}")
        told = local(x)
        if x.text and (told.endswith(("Ref", "Refs")) or told in _WITHIN):
            prefix, colon, rest = x.text.strip().rpartition(":")
            if rest in new:
                x.text = f"{prefix}{colon}{new[rest]}"
    for x in elements:
        if local(x) == "process":
            x.set("isExecutable", "false")  # the case's own process is the file's
        document.append(x)
