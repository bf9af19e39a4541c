"""What the tests of all stores append: small batches, and the plainest way to make them durable."""

from __future__ import annotations

from collections.abc import Sequence

from weft.engine.ports import (
    Append,
    AwaitedTrigger,
    CaseId,
    CaseSummary,
    ItemId,
    Journal,
    Microseconds,
    OpenItem,
    Record,
    ScopeId,
    Snapshot,
    StoredSpecification,
)

NET = "ab" * 32
START = 1_790_000_000_000_000


def record(sequence: int, *, data: bytes | None = None) -> Record:
    content = b'{"n":%d}' % sequence if data is None else data
    hash_ = (b"%032d" % sequence)[:32]
    return Record(sequence, "WorkItemCompleted", 1, Microseconds(START + sequence), content, hash_)


def summary(case: str, sequence: int, **changes: object) -> CaseSummary:
    fields: dict[str, object] = {
        "specification": "check-repository",
        "version": "1.0.0",
        "net": NET,
        "status": "running",
        "idle": False,
        "started": START,
        "updated": START + sequence,
        **changes,
    }
    return CaseSummary(case=CaseId(case), sequence=sequence, **fields)  # type: ignore[arg-type]


def batch(
    case: str,
    expected: int,
    count: int = 1,
    *,
    command: str | None = None,
    opened: Sequence[OpenItem] = (),
    closed: Sequence[str] = (),
    snapshot: bytes | None = None,
    data: bytes | None = None,
    awaits: Sequence[AwaitedTrigger] = (),
    unawaits: Sequence[str] = (),
    **changes: object,
) -> Append:
    """``count`` events behind event ``expected``; ``changes`` are fields of the summary."""
    last = expected + count
    return Append(
        case=CaseId(case),
        expected=expected,
        records=[record(n, data=data) for n in range(expected + 1, last + 1)],
        summary=summary(case, last, **changes),
        command=command,
        opened=opened,
        closed=[ItemId(item) for item in closed],
        snapshot=None if snapshot is None else Snapshot(last, 1, snapshot),
        awaits=awaits,
        unawaits=unawaits,
    )


def item(case: str, name: str, **changes: object) -> OpenItem:
    fields: dict[str, object] = {
        "task": name.partition("/")[0],
        "scope": ScopeId(0),
        "status": "offered",
        "attempt": 1,
        **changes,
    }
    return OpenItem(item=ItemId(name), case=CaseId(case), **fields)  # type: ignore[arg-type]


def specification(name: str, version: str, added: int, **changes: object) -> StoredSpecification:
    fields: dict[str, object] = {
        "format": "weft",
        "source": b"weft: 1\n",
        "net": NET,
        "origin": None,
        **changes,
    }
    return StoredSpecification(
        name=name,
        version=version,
        added=Microseconds(added),
        **fields,  # type: ignore[arg-type]
    )


def write(journal: Journal, *batches: Append) -> None:
    """Append outside any event loop: durable on return."""
    for one in batches:
        assert journal.append(one) is None


def sequences(journal: Journal, case: str, after: int = 0, until: int | None = None) -> list[int]:
    return [r.sequence for r in journal.records(CaseId(case), after=after, until=until)]
