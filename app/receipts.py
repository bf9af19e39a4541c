"""Receipts: what the journal of a case said at a moment, in a few hundred bytes to keep elsewhere.

The hash chain of a case (`weft.engine.events.link`) tells of an edit, a gap or another order. It
cannot tell that the newest events were cut off, or that somebody wrote all of it anew with a chain
that fits. A receipt can, as long as it lies where that somebody does not reach: it names the number
of events, the hash of the last one, and the root of a Merkle tree over the hashes of all.

With its *path* in that tree an event can be shown to belong to the case, to anybody who has the
root, without any other event being shown. The tree is that of RFC 9162, section 2.1 (Laurie,
Messeri and Stradling, "Certificate Transparency Version 2.0", 2021): SHA-256, leaves and inner
nodes told apart by their first byte, and an odd last node passed on to the next level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from weft.engine.events import GENESIS, broken_link, link
from weft.engine.ports import CaseId, Journal, Microseconds, Record
from weft.engine.runtime.live import find_case
from weft.schema.errors import JournalError, UsageError

__all__ = ["Disclosed", "Receipt", "Tree", "root_by"]

_GROUP = 10_000
"""So many events are in memory at once."""

_MOST = 2**53
"""The greatest whole number that every reader of JSON keeps exactly."""


# ── the tree ─────────────────────────────────────────────────────────────────────────────────


class Tree:
    """A Merkle tree over hashes of 32 bytes each."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        self._levels = [[_leaf(one) for one in hashes]]
        while len(self._levels[-1]) > 1:
            self._levels.append(_above(self._levels[-1]))

    @property
    def root(self) -> bytes:
        """Its root; over no hashes, SHA-256 of nothing."""
        top = self._levels[-1]
        return top[0] if top else hashlib.sha256().digest()

    def path(self, index: int) -> list[bytes]:
        """The siblings on the way from one hash, counted from 0, to the root, the lowest first."""
        path = []
        for level in self._levels[:-1]:
            if (index ^ 1) < len(level):
                path.append(level[index ^ 1])
            index >>= 1
        return path


def root_by(hash: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a path leads to from the hash at ``index`` of ``size``.

    None: no path of this length leads from there to a root.
    """
    node, last, siblings = _leaf(hash), size - 1, iter(path)
    while last > 0:
        # Only a last node that is a left one has no sibling, and is passed on as it is.
        if index & 1 or index < last:
            sibling = next(siblings, None)
            if sibling is None:
                return None
            node = _inner(sibling, node) if index & 1 else _inner(node, sibling)
        index, last = index >> 1, last >> 1
    return node if next(siblings, None) is None else None


def _leaf(hash: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + hash).digest()


def _inner(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _above(level: list[bytes]) -> list[bytes]:
    above = [_inner(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    if len(level) % 2:
        above.append(level[-1])
    return above


# ── receipts ─────────────────────────────────────────────────────────────────────────────────

Hash = str
"""32 bytes in hexadecimal digits."""


class Disclosed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event of the case, with what shows that it is one: the hash before it and its path.

    ``time`` is in microseconds since 1970-01-01 UTC; ``data`` is the JSON text that was hashed.
    """

    sequence: int
    type: str
    version: int
    time: int
    data: str
    before: Hash
    path: tuple[Hash, ...]


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the journal of a case said: its first ``events`` events and nothing behind them."""

    receipt: Literal[1] = 1
    case: str
    specification: str
    version: str
    net: Hash
    events: int
    head: Hash
    root: Hash
    disclosed: tuple[Disclosed, ...] = ()

    @classmethod
    def of(cls, journal: Journal, case: str, disclose: Sequence[int] = ()) -> Receipt:
        """The receipt of a case as it is now.

        Args:
            journal: Where it is.
            case: Its id.
            disclose: The sequence numbers of the events to show.

        Raises:
            UsageError: There is no such case, or no such event.
            JournalError: The journal cannot be read, or its chain is broken.
        """
        summary = find_case(journal, case)
        wanted = set(disclose)
        for sequence in sorted(wanted):
            if not 1 <= sequence <= summary.sequence:
                raise UsageError(
                    f"case {case!r} has no event {sequence}: its events are 1 to "
                    f"{summary.sequence}",
                    code="no-event",
                    where=f"case {case}",
                )
        hashes: list[bytes] = []
        shown: list[tuple[Record, bytes]] = []
        for record in _checked(journal, summary.case, summary.sequence):
            if record.sequence in wanted:
                shown.append((record, hashes[-1] if hashes else GENESIS))
            hashes.append(record.hash)
        tree = Tree(hashes)
        return cls(
            case=summary.case,
            specification=summary.specification,
            version=summary.version,
            net=summary.net,
            events=len(hashes),
            head=(hashes[-1] if hashes else GENESIS).hex(),
            root=tree.root.hex(),
            disclosed=tuple(
                Disclosed(
                    sequence=r.sequence,
                    type=r.type,
                    version=r.version,
                    time=r.time,
                    data=r.data.decode(),
                    before=before.hex(),
                    path=tuple(node.hex() for node in tree.path(r.sequence - 1)),
                )
                for r, before in shown
            ),
        )

    @classmethod
    def from_json(cls, text: bytes | str) -> Receipt:
        """Read a receipt that was kept.

        Raises:
            UsageError: It is none.
        """
        try:
            receipt = msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise UsageError(f"this is no receipt: {error}", code="receipt") from error
        fault = receipt._misshapen()
        if fault is not None:
            raise UsageError(f"this is no receipt: {fault}", code="receipt")
        return receipt

    def as_json(self) -> bytes:
        """The receipt as a text to keep."""
        return msgspec.json.encode(self)

    def as_object(self) -> dict[str, Any]:
        """The same as values of JSON."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields

    def fault(self) -> str | None:
        """What is wrong with it in itself: a disclosed event that does not lead to its root."""
        for event in self.disclosed:
            linked = link(
                bytes.fromhex(event.before), CaseId(self.case), event.sequence, event.type,
                event.version, Microseconds(event.time), event.data.encode(),
            )  # fmt: skip
            path = [bytes.fromhex(node) for node in event.path]
            root = root_by(linked, event.sequence - 1, self.events, path)
            last = event.sequence == self.events
            if root is None or root.hex() != self.root or (last and linked.hex() != self.head):
                return f"event {event.sequence} is not the one of this root"
        return None

    def fault_in(self, journal: Journal) -> str | None:
        """What the journal says now that differs from the receipt; None: nothing does.

        The case may have gone on since.

        Raises:
            JournalError: The journal cannot be read.
        """
        fault = self.fault()
        if fault is not None:
            return f"the receipt is at fault: {fault}"
        case = CaseId(self.case)
        summary = journal.summary(case)
        if summary is None:
            return f"case {case} is gone"
        if summary.sequence < self.events:
            return f"{self.events} events were there, and {summary.sequence} are left"
        hashes: list[bytes] = []
        try:
            hashes.extend(record.hash for record in _checked(journal, case, self.events))
        except JournalError as error:
            if error.code != "corrupt":
                raise
            return error.message
        head = hashes[-1] if hashes else GENESIS
        if head.hex() != self.head or Tree(hashes).root.hex() != self.root:
            return (
                f"the chain is unbroken, but it is another one: event {self.events} had the hash "
                f"{self.head[:12]} and has {head.hex()[:12]}"
            )
        said = (self.specification, self.version, self.net)
        now = (summary.specification, summary.version, summary.net)
        if said != now:
            return f"the case was one of {said[0]} {said[1]} and is one of {now[0]} {now[1]}"
        return None

    def _misshapen(self) -> str | None:
        hashes = {"net": self.net, "head": self.head, "root": self.root}
        if not 0 <= self.events < _MOST:
            return f"{self.events} is no number of events"
        for event in self.disclosed:
            if not 1 <= event.sequence <= self.events:
                return f"it discloses event {event.sequence} of {self.events}"
            hashes[f"before event {event.sequence}"] = event.before
            for i, node in enumerate(event.path):
                hashes[f"path of event {event.sequence}, {i}"] = node
        for name, text in hashes.items():
            if len(text) != 64 or text.strip("0123456789abcdef"):
                return f"{name} is no hash (64 hexadecimal digits)"
        return None


def _checked(journal: Journal, case: CaseId, until: int) -> Iterator[Record]:
    """The first events of a case, their chain checked.

    Raises:
        JournalError: It is broken, or a record cannot be read.
    """
    before, after = GENESIS, 0
    while after < until:
        upto = min(after + _GROUP, until)
        records = journal.records(case, after=after, until=upto)
        broken = broken_link(case, records, before)
        if broken is None and len(records) != upto - after:
            broken = after + len(records) + 1
        if broken is None and records[0].sequence != after + 1:
            broken = after + 1
        if broken is not None:
            raise JournalError(
                f"the hash of event {broken} does not fit the chain",
                code="corrupt",
                where=f"case {case}",
            )
        yield from records
        before, after = records[-1].hash, upto
