"""Large results: kept beside the journal, under the hash of their content.

A text that is larger than `LARGE` is put aside, and so is the whole of a result that is larger
without them; in the data of the case a short text stands in its place, the *reference*

    weft-blob:text:<SHA-256>:<bytes>        or :json: for a whole value

So events, snapshots and whatever reads them stay small. A task that is given a reference as (part
of) an input gets the value. Expressions see the reference: who wants to decide on a part of what
is large returns that part beside it. What a task returns that looks like a reference is put aside
too, so that nothing is ever taken for one that is none.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import msgspec

from weft.engine.ports import Journal
from weft.schema.errors import JournalError, WorkFailed
from weft.schema.jsonvalue import JsonValue, NotJson, checked

__all__ = ["LARGE", "LARGEST", "put_aside", "whole"]

LARGE: Final = 1 << 20
"""A text of more characters is put aside, and a value that weighs more than so many."""

LARGEST: Final = 512 << 20
"""Nothing larger is kept, in bytes."""

_PREFIX: Final = "weft-blob:"
_REFERENCE: Final = re.compile(r"weft-blob:(text|json):([0-9a-f]{64}):([0-9]{1,12})")


def put_aside(value: Any, journal: Journal) -> Any:
    """A result with references in the place of what is large; most results are as they were.

    What is no JSON stays as it is: it is refused, with the place, where results are checked.

    Raises:
        WorkFailed: It is larger than the store keeps.
        JournalError: It cannot be stored.
    """
    if _weight(value) <= LARGE:
        return value
    try:
        value = _texts_aside(checked(value, what="result"), journal)
    except NotJson:
        return value
    return (
        value
        if _weight(value, aside=True) <= LARGE
        else _kept("json", msgspec.json.encode(value), journal)
    )


def whole(value: JsonValue, journal: Journal) -> Any:
    """A value with what was put aside in its place again.

    Raises:
        JournalError: It is not in the store, or was changed.
    """
    if type(value) is str:
        found = _REFERENCE.fullmatch(value) if value.startswith(_PREFIX) else None
        return value if found is None else _fetched(found, journal)
    if type(value) is list:
        return [whole(item, journal) for item in value]
    if type(value) is dict:
        return {key: whole(item, journal) for key, item in value.items()}
    return value


def _weight(value: Any, *, aside: bool = False) -> int:
    """About how many characters a value has; more than `LARGE` as soon as it has more.

    A text that looks like a reference weighs too much, unless it is one: texts are ``aside``.
    """
    weight, rest = 0, [value]
    while rest and weight <= LARGE:
        part = rest.pop()
        if isinstance(part, str):
            weight += len(part) if aside or not part.startswith(_PREFIX) else LARGE + 1
        elif isinstance(part, dict):
            weight += 2
            rest += part.keys()
            rest += part.values()
        elif isinstance(part, list | tuple):
            weight += 2
            rest += part
        else:
            weight += 8
    return weight


def _texts_aside(value: JsonValue, journal: Journal) -> JsonValue:
    if isinstance(value, str):
        large = len(value) > LARGE or value.startswith(_PREFIX)
        return _kept("text", value.encode(), journal) if large else value
    if isinstance(value, list):
        return [_texts_aside(item, journal) for item in value]
    if isinstance(value, dict):
        return {key: _texts_aside(item, journal) for key, item in value.items()}
    return value


def _kept(kind: str, data: bytes, journal: Journal) -> str:
    if len(data) > LARGEST:
        raise WorkFailed(
            f"the result has {len(data):,} bytes, and the store keeps at most {LARGEST:,}; write "
            "it to a file or an object store, and return its address",
            code="too-big",
            retryable=False,
        )
    digest = hashlib.sha256(data).hexdigest()
    journal.put_blob(digest, data)
    return f"{_PREFIX}{kind}:{digest}:{len(data)}"


def _fetched(found: re.Match[str], journal: Journal) -> Any:
    kind, digest, size = found.groups()
    data = journal.blob(digest)
    if data is None or len(data) != int(size) or hashlib.sha256(data).hexdigest() != digest:
        raise JournalError(
            f"the large value {digest[:12]} ({size} bytes) "
            + ("is not in the store" if data is None else "has other bytes than were stored"),
            code="corrupt",
            where=journal.url,
        )
    return data.decode() if kind == "text" else whole(msgspec.json.decode(data), journal)
