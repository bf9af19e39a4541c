"""What every store checks of an `Append` before it keeps anything of it; and batches made ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from weft.engine.ports import Append, CaseId, CaseSummary, Journal, Microseconds, Record
from weft.schema.errors import InternalError

__all__ = ["FEW_EVENTS", "Encoded", "check_batch", "pack", "takes_turns", "unpack"]

pack = msgspec.msgpack.Encoder().encode
"""How the values of a row are joined, for its checksum, and the events of a batch."""

unpack = msgspec.msgpack.Decoder(list[tuple[str, int, int, bytes, bytes]]).decode
"""The events of a batch that was packed: type, version, time, data, hash of each."""


FEW_EVENTS = 100
"""The most events of a case that is read together with others; longer ones have snapshots."""


class Encoded(msgspec.Struct, eq=False):
    """A batch that is made ahead, and made an `Append` only for who asks.

    It is of a case of which nobody outside may act on an item and which waits for nothing; so all
    that it changes is the case's status, its time and its number of events. One object is all the
    batches of such a case, one after the other: a store may note where it has put the last one.

    Args:
        case: The case, and what its summary says for as long as it lives.
        specification: Its name.
        version: Its version.
        net: The hash of its net.
        started: When the case was started, in microseconds since 1970.
        expected: The number of the last event before this batch.
        sequence: The number of its last event.
        updated: The time of all of its events.
        status: The status of the case after it: ``running``, or a final one.
        packed: Its events, as `unpack` reads them.
        link: The hash of its last event.
        failure: Why it is not durable.
        row: The store's: where the case is.
        tail: The store's: where its newest batch is.
        placed: The store's: where this batch is, if it becomes durable.
        owner: The store's: who has claimed the case.
        summed: The store's: the checksum over what its steps leave as it is.
    """

    case: CaseId
    specification: str
    version: str
    net: str
    started: Microseconds
    expected: int = 0
    sequence: int = 0
    updated: int = 0
    status: str = "running"
    packed: bytes = b"\x90"
    link: bytes = b""
    failure: Exception | None = None
    row: int | None = None
    tail: int | None = None
    placed: tuple[int | None, int] | None = None
    owner: int | None = None
    summed: int | None = None

    future: Any = None
    """Who waits for it: nobody, it is made durable at once."""

    @property
    def rows(self) -> Sequence[tuple[str, int, int, bytes, bytes]]:
        """Its events: type, version, time, data, hash."""
        return unpack(self.packed)

    @property
    def records(self) -> tuple[Record, ...]:
        """Its events as a journal keeps them."""
        return tuple(
            Record(number, kind, version, Microseconds(time), data, hash_)
            for number, (kind, version, time, data, hash_) in enumerate(
                self.rows, self.expected + 1
            )
        )

    @property
    def batch(self) -> Append:
        """The same as any other batch."""
        summary = CaseSummary(
            case=self.case,
            specification=self.specification,
            version=self.version,
            net=self.net,
            status=self.status,
            idle=False,
            started=self.started,
            updated=Microseconds(self.updated),
            sequence=self.sequence,
        )
        return Append(self.case, self.expected, self.records, summary)


def check_batch(batch: Append, *, where: str) -> None:
    """Refuse a batch that contradicts itself: it would make a journal nobody can replay.

    Args:
        batch: What is about to be stored.
        where: The URL of the store, for the message.

    Raises:
        InternalError: With the code ``bad-batch``. Batches are made by the engine, so a wrong
            one is a bug of ours, whatever a user did.
    """
    last = batch.expected + len(batch.records)
    fault: str | None = None
    if batch.expected < 0 or last == 0:
        fault = f"expects event {batch.expected} and adds {len(batch.records)}"
    elif any(r.sequence != n for n, r in enumerate(batch.records, batch.expected + 1)):
        found = [record.sequence for record in batch.records]
        fault = f"must number its events {batch.expected + 1} to {last}, not {found}"
    elif batch.summary.case != batch.case:
        fault = f"has the summary of case {batch.summary.case!r}"
    elif batch.summary.sequence != last:
        fault = f"ends with event {last}, its summary says {batch.summary.sequence}"
    elif any(row.case != batch.case for row in batch.awaits):
        fault = "awaits a trigger for another case"
    elif any(item.case != batch.case for item in batch.opened):
        fault = "opens a work item of another case"
    elif batch.snapshot is not None and not 0 < batch.snapshot.sequence <= last:
        fault = f"ends with event {last}, its snapshot says {batch.snapshot.sequence}"
    if fault is not None:
        raise InternalError(
            f"a batch for case {batch.case!r} {fault}; nothing of it was stored",
            code="bad-batch",
            where=where,
        )


def takes_turns(journal: Journal) -> bool:
    """Whether a journal can make the batches of a turn durable all together.

    The class has to say so itself: one that stands before another journal, and hands on whatever
    it does not know, is told of each batch by `append`.
    """
    return hasattr(type(journal), "append_all")
