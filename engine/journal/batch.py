"""What every store checks of an `Append` before it keeps anything of it."""

from __future__ import annotations

from weft.engine.ports import Append
from weft.schema.errors import InternalError

__all__ = ["check_batch"]


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
