"""Which large values of a store nobody refers to (`weft.engine.runtime.blobs` makes them).

A large value is durable before the event that refers to it, so a crash between the two, or a
result that was refused, leaves one behind. Events are never removed, so what an event refers to
stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Final

__all__ = ["unreferenced"]

_MENTION: Final = re.compile(rb"weft-blob:(text|json):([0-9a-f]{64}):")


def unreferenced(
    hashes: Collection[str], texts: Iterable[bytes], value: Callable[[str], bytes | None]
) -> list[str]:
    """The large values that are mentioned nowhere.

    Args:
        hashes: All that there are.
        texts: Where they may be mentioned: events and snapshots, encoded.
        value: Gives a large value by its hash; one that is JSON may mention others.
    """
    left = set(hashes)
    known: list[str] = []

    def look(text: bytes) -> None:
        for kind, hash_ in _MENTION.findall(text):
            name = hash_.decode()
            if name in left:
                left.remove(name)
                if kind == b"json":
                    known.append(name)

    for text in texts if left else ():
        look(text)
    while known:
        look(value(known.pop()) or b"")
    return sorted(left)
