"""Cases as event logs, for process mining: XES and OCEL 2.0.

What happened to work items is told in the life cycle of XES's extension of that name; with
``firings`` instead, each transition of the net that has fired is an event, so that a log can be
replayed on the net (`weft convert order.yaml order.pnml`) move by move.

    WorkItemOffered schedule      WorkItemCompleted complete     WorkItemFailed  suspend
    WorkItemClaimed assign        WorkItemWithdrawn withdraw     WorkItemRetried resume
    WorkItemDelegated reassign    cancelled         pi_abort     WorkItemGivenUp ate_abort
    WorkItemStarted start

IEEE Std 1849-2016 (XES); A. Berti, I. Koren, J. N. Adams and others, *OCEL 2.0 Specification*
(2023).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import IO, Any, Final
from xml.sax.saxutils import quoteattr

import attrs

from weft.engine import events as e
from weft.engine.net import CompiledSpecification, Net
from weft.engine.ports import CaseSummary, Journal
from weft.engine.runtime.live import stored_net

__all__ = ["LOGS", "Happening", "happenings", "write_ocel", "write_xes"]

_LIFE: Final[dict[type[e.Event], str]] = {
    e.WorkItemOffered: "schedule",
    e.WorkItemClaimed: "assign",
    e.WorkItemDelegated: "reassign",
    e.WorkItemStarted: "start",
    e.WorkItemCompleted: "complete",
    e.WorkItemFailed: "suspend",
    e.WorkItemRetried: "resume",
    e.WorkItemGivenUp: "ate_abort",
    e.WorkItemWithdrawn: "withdraw",
}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen
class Happening:
    """One event of a log.

    Args:
        name: The task; the transition, in a log of firings.
        lifecycle: What happened to the work item, in XES's words; complete for a firing.
        time: When, in microseconds since 1970.
        sequence: The number of the event in the case's journal.
        item: The work item, if it is one.
        by: Who did it, if that is known.
    """

    name: str
    lifecycle: str
    time: int
    sequence: int
    item: str | None = None
    by: str | None = None


def happenings(
    journal: Journal, case: CaseSummary, *, firings: bool = False
) -> Iterator[Happening]:
    """What happened in a case, in order.

    Raises:
        JournalError: The journal of the case cannot be read.
    """
    decoded = ((r, e.decode(r)) for r in journal.records(case.case))
    if firings:
        fired = _Fired(stored_net(journal, case.net))
        for record, event in decoded:
            for name in fired.by(event):
                yield Happening(name, "complete", record.time, record.sequence)
        return
    tasks: dict[str, str] = {}
    for record, event in decoded:
        item = getattr(event, "item", None)
        task = getattr(event, "task", None)
        if item is not None and task is not None:
            tasks[item] = task
        life = _LIFE.get(type(event))
        if life is not None and item in tasks:
            by = event.to if isinstance(event, e.WorkItemDelegated) else getattr(event, "by", None)
            yield Happening(tasks[item], life, record.time, record.sequence, item, by)
        for cancelled in getattr(event, "cancelled", ()):
            if cancelled in tasks:
                yield Happening(
                    tasks[cancelled], "pi_abort", record.time, record.sequence, cancelled
                )


class _Fired:
    """Which transitions of the case's own net have fired in an event."""

    def __init__(self, compiled: CompiledSpecification) -> None:
        self.net: Net = compiled.net
        self.items: dict[str, str] = {}
        """The items of the case's own net, with their tasks."""
        self.scopes: dict[str, int] = {}
        """Timers and waits for triggers, with the scope that has them."""

    def by(self, event: e.Event) -> Iterator[str]:
        item: str | None = getattr(event, "item", None)
        task: str | None = getattr(event, "task", None)
        if item is not None and task is not None and getattr(event, "scope", 0) == 0:
            self.items[item] = task
        if isinstance(event, e.TimerSet):
            self.scopes[event.timer] = event.scope
        elif isinstance(event, e.TriggerAwaited):
            self.scopes[event.wait] = event.scope
        elif isinstance(event, e.TransitionFired | e.TriggerReceived | e.TimerFired):
            waited = getattr(event, "timer", None) or getattr(event, "wait", None)
            scope = getattr(event, "scope", 0) if waited is None else self.scopes.get(waited, 0)
            if scope == 0:
                yield event.transition
            return
        found = self.net.tasks.get(self.items.get(item or "", ""))
        if found is None:
            return
        if isinstance(event, e.WorkItemStarted | e.WorkItemReminded):
            yield event.transition
        elif isinstance(event, e.WorkItemCompleted):
            yield found.complete
        elif isinstance(event, e.WorkItemFailed):
            yield event.transition or found.fail or ""
        elif isinstance(event, e.WorkItemRetried) and not event.interrupted:
            yield found.retry_by or ""
        elif isinstance(event, e.WorkItemGivenUp):
            yield (found.time_out if event.timed_out else found.give_up) or ""


# ── XES ──────────────────────────────────────────────────────────────────────────────────────


def write_xes(
    journal: Journal, cases: Iterable[CaseSummary], out: IO[bytes], *, firings: bool = False
) -> int:
    """Write cases as an XES log; how many events it has."""
    number = 0
    out.write(
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<log xes.version="1849-2016" xes.features="" xmlns="http://www.xes-standard.org/">\n'
    )
    for name, prefix in (
        ("Concept", "concept"),
        ("Time", "time"),
        ("Lifecycle", "lifecycle"),
        ("Organizational", "org"),
    ):
        uri = f"http://www.xes-standard.org/{prefix}.xesext"
        out.write(f'<extension name="{name}" prefix="{prefix}" uri="{uri}"/>\n'.encode())
    out.write(b'<global scope="trace"><string key="concept:name" value="?"/></global>\n')
    out.write(
        b'<global scope="event"><string key="concept:name" value="?"/>'
        b'<string key="lifecycle:transition" value="complete"/>'
        b'<date key="time:timestamp" value="1970-01-01T00:00:00.000+00:00"/></global>\n'
        b'<classifier name="Activity" keys="concept:name"/>\n'
        b'<classifier name="Event" keys="concept:name lifecycle:transition"/>\n'
        b'<string key="lifecycle:model" value="standard"/>\n'
    )
    for case in cases:
        told = [
            ("concept:name", case.case),
            ("weft:specification", case.specification),
            ("weft:version", case.version),
            ("weft:status", case.status),
        ]
        out.write(("<trace>" + "".join(map(_string, *zip(*told, strict=True))) + "\n").encode())
        for one in happenings(journal, case, firings=firings):
            number += 1
            told = [("concept:name", one.name), ("lifecycle:transition", one.lifecycle)]
            if one.item is not None:
                told.append(("concept:instance", one.item))
            if one.by is not None:
                told.append(("org:resource", one.by))
            written = "".join(_string(key, value) for key, value in told)
            moment = f'<date key="time:timestamp" value="{_iso(one.time)}"/>'
            count = f'<int key="weft:sequence" value="{one.sequence}"/>'
            out.write(f"<event>{written}{moment}{count}</event>\n".encode())
        out.write(b"</trace>\n")
    out.write(b"</log>\n")
    return number


def _string(key: str, value: str) -> str:
    return f"<string key={quoteattr(key)} value={quoteattr(_NOT_XML.sub('�', value))}/>"


def _iso(time: int) -> str:
    moment = _EPOCH + timedelta(microseconds=time)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")


# ── OCEL 2.0 ─────────────────────────────────────────────────────────────────────────────────


def write_ocel(
    journal: Journal, cases: Iterable[CaseSummary], out: IO[bytes], *, firings: bool = False
) -> int:
    """Write cases as an OCEL 2.0 log in JSON; how many events it has.

    Its objects are cases (their type is the specification), work items and people.
    """
    types: dict[str, list[dict[str, str]]] = {}
    names: dict[str, None] = {}
    objects: dict[str, dict[str, Any]] = {}
    events: list[dict[str, Any]] = []

    def thing(id_: str, kind: str, **relationships: str) -> str:
        types.setdefault(kind, [])
        objects.setdefault(
            id_,
            {
                "id": id_,
                "type": kind,
                "attributes": [],
                "relationships": [
                    {"objectId": other, "qualifier": word} for word, other in relationships.items()
                ],
            },
        )
        return id_

    for case in cases:
        of_case = thing(f"case:{case.case}", f"case of {case.specification}")
        types[f"case of {case.specification}"] = [
            {"name": "status", "type": "string"},
            {"name": "version", "type": "string"},
        ]
        objects[of_case]["attributes"] = [
            {"name": "status", "time": _iso(case.updated), "value": case.status},
            {"name": "version", "time": _iso(case.started), "value": case.version},
        ]
        for one in happenings(journal, case, firings=firings):
            names[one.name] = None
            related = [{"objectId": of_case, "qualifier": "case"}]
            if one.item is not None:
                item = thing(f"item:{case.case}:{one.item}", "work item", case=of_case)
                related.append({"objectId": item, "qualifier": "work item"})
            if one.by is not None:
                person = thing(f"person:{one.by}", "person")
                related.append({"objectId": person, "qualifier": "by"})
            events.append(
                {
                    "id": f"event:{case.case}:{len(events) + 1}",
                    "type": one.name,
                    "time": _iso(one.time),
                    "attributes": [{"name": "lifecycle", "value": one.lifecycle}],
                    "relationships": related,
                }
            )
    log = {
        "objectTypes": [{"name": kind, "attributes": of} for kind, of in types.items()],
        "eventTypes": [
            {"name": name, "attributes": [{"name": "lifecycle", "type": "string"}]}
            for name in names
        ],
        "objects": list(objects.values()),
        "events": events,
    }
    out.write(json.dumps(log, indent=1).encode())
    out.write(b"\n")
    return len(events)


Write = Callable[..., int]

LOGS: Final[dict[str, tuple[str, tuple[str, ...], Write]]] = {
    "xes": ("XES", (".xes",), write_xes),
    "ocel": ("OCEL 2.0", (".ocel.json", ".jsonocel", ".ocel"), write_ocel),
}
"""The formats of logs: name to title, suffixes and writer."""
