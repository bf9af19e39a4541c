"""The image of a net as a file: written once, mapped into memory, and used where it lies.

A file is a header, arrays of 32-bit integers, bytes, and a text, one right after the other, in
little-endian order; the counts of the header say how long each is, so nothing in the file points
anywhere and no two parts can overlap::

    header   128 bytes: `MAGIC`, version, byte order, size of the file, CRC-32 of what follows the
             first 32 bytes up to the text, CRC-32 of the text, eleven counts
    int32    start, place and weight of take, put, needs, lacks; start and place of clear;
             touch_start, touch, sources; the initial marking; the order of the transitions
    bytes    external, guarded: one a transition
    text     names, in UTF-8; whatever its writer wants to find again

A file is judged before it is used (`open_image` of `weft.native.reference`): nothing that a kernel
later indexes with is believed. What is derived, ``touch`` above all, is compared with what it is
derived from. So a file that passes is safe to use and means what a `NetImage` means; a checksum
alone would keep no malicious file out.

A mapped file is read as it is used. Files here are replaced as a whole and never changed, as
`weft.images` does; whoever may write into a file that is mapped can crash the process that maps
it, as with a shared library. What is opened may as well be a copy in memory.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import pairwise
from typing import Final

import attrs

from weft.native.image import CELL_MAX, NetImage, Relation

__all__ = ["MAGIC", "VERSION", "ImageError", "Layout", "StoredImage", "layout_of", "write_image"]

MAGIC: Final = b"\x89WEFTNET"
"""The first eight bytes: no text begins like this."""

VERSION: Final = 1
"""Of the layout; a reader of another one refuses it."""

HEADER: Final = struct.Struct("<8sIIQII11Q8x")
"""Magic, version, byte order, size, two checksums, and the counts of `Layout`."""

ORDER_MARK: Final = 0x01020304
CHECKED_FROM: Final = 32
"""Where what the first checksum covers begins: with the counts."""

RELATIONS: Final = ("take", "put", "needs", "lacks", "clear")


class ImageError(ValueError):
    """A file is no image of a net, or a damaged one.

    Attributes:
        part: The part of the file that is wrong: ``header``, ``take.place``, ``text`` …
        offset: The byte of the file at which that shows.
        reason: What is wrong there.
    """

    def __init__(self, part: str, offset: int, reason: str) -> None:
        super().__init__(f"byte {offset} ({part}): {reason}")
        self.part = part
        self.offset = offset
        self.reason = reason

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, int, str]]:
        """As it was made."""
        return ImageError, (self.part, self.offset, self.reason)


@attrs.frozen
class Layout:
    """The counts of a header, and with them where everything is.

    Attributes:
        places, transitions: How many there are.
        arcs: How many arcs of each kind, in the order of `RELATIONS`.
        touch, sources: How many entries these have.
        text: How many bytes the text has.
        order: 1, the number of orders of the transitions.
    """

    places: int
    transitions: int
    arcs: tuple[int, int, int, int, int]
    touch: int
    sources: int
    text: int
    order: int = 1

    def parts(self) -> Iterator[tuple[str, int, int, int]]:
        """Each part: its name, where it begins, how many items it has, and the size of one."""
        at = HEADER.size
        n, m = self.places, self.transitions
        lengths: list[tuple[str, int, int]] = []
        for kind, arcs in zip(RELATIONS, self.arcs, strict=True):
            lengths += [(f"{kind}.start", m + 1, 4), (f"{kind}.place", arcs, 4)]
            if kind != "clear":
                lengths.append((f"{kind}.weight", arcs, 4))
        lengths += [
            ("touch_start", n + 1, 4),
            ("touch", self.touch, 4),
            ("sources", self.sources, 4),
            ("initial", n, 4),
            ("order", m, 4),
            ("external", m, 1),
            ("guarded", m, 1),
            ("text", self.text, 1),
        ]
        for name, count, size in lengths:
            yield name, at, count, size
            at += count * size

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        n, m, arcs = self.places, self.transitions, sum(self.arcs)
        numbers = 5 * (m + 1) + 2 * arcs - self.arcs[4] + n + 1 + self.touch + self.sources + n + m
        return HEADER.size + 4 * numbers + 2 * m + self.text

    @property
    def text_at(self) -> int:
        """Where the text begins."""
        return self.size - self.text


def write_image(
    image: NetImage,
    *,
    initial: Sequence[int],
    order: Sequence[int],
    guarded: Sequence[bool] | bytes,
    text: bytes = b"",
) -> bytes:
    """The bytes of a file.

    Args:
        image: The net.
        initial: The tokens of each place to begin with.
        order: A number a transition: of immediates enabled together the lowest fires first.
        guarded: Whether each transition has a guard.
        text: What else a reader may want, such as names; it is not looked at.

    Raises:
        ValueError: A number is out of range, or there are too few or too many.
    """
    n, m = image.places, image.transitions
    for name, given, count, least in (
        ("initial marking", initial, n, 0),
        ("order", order, m, -CELL_MAX - 1),
    ):
        if len(given) != count:
            raise ValueError(f"the {name} has {len(given)} numbers, not {count}")
        for number in given:
            if not least <= number <= CELL_MAX:
                raise ValueError(f"the {name} has {number}, which is not {least} to {CELL_MAX}")
    if len(guarded) != m:
        raise ValueError(f"{len(guarded)} transitions are said to be guarded or not, not {m}")
    relations = [getattr(image, kind) for kind in RELATIONS]
    take, put, needs, lacks, clear = (len(r.place) for r in relations)
    layout = Layout(
        places=n,
        transitions=m,
        arcs=(take, put, needs, lacks, clear),
        touch=len(image.touch),
        sources=len(image.sources),
        text=len(text),
    )
    body = bytearray()
    for r in relations:
        for numbers in (r.start, r.place, r.weight):
            body += _little(numbers)
    for numbers in (image.touch_start, image.touch, image.sources, initial, order):
        body += _little(numbers)
    body += bytes(map(bool, image.external)) + bytes(map(bool, guarded))
    counts = (n, m, *layout.arcs, layout.touch, layout.sources, layout.text, layout.order)

    def header(checksum: int) -> bytes:
        return HEADER.pack(
            MAGIC, VERSION, ORDER_MARK, layout.size, checksum, zlib.crc32(text), *counts
        )

    checksum = zlib.crc32(body, zlib.crc32(header(0)[CHECKED_FROM:]))
    return header(checksum) + bytes(body) + text


def _little(numbers: Sequence[int]) -> bytes:
    """32-bit integers, in the order of the file."""
    return struct.pack(f"<{len(numbers)}i", *numbers)


@attrs.frozen(eq=False)
class StoredImage:
    """What is in a file, where it lies.

    Attributes:
        image: The net; its arrays are those of the file, once somebody asks for them.
        data: The bytes of the whole file.
    """

    image: NetImage
    data: memoryview = attrs.field(repr=False)

    @classmethod
    def of_checked(cls, data: memoryview, counted_immediate: int) -> StoredImage:
        """What is in a file that has been found in order (see `check_arrays`)."""
        places, transitions = HEADER.unpack_from(data)[6:8]
        image = NetImage.of_checked(
            places=places,
            transitions=transitions,
            counted_immediate=counted_immediate,
            arrays=partial(arrays_of, data),
        )
        return cls(image, data)

    @cached_property
    def layout(self) -> Layout:
        """Where everything is in the data."""
        return _counted(HEADER.unpack_from(self.data)[6:])

    @property
    def initial(self) -> memoryview:
        """The initial marking, to be copied before it is worked on."""
        layout = self.layout
        return self._numbers(layout.places, (4 + 2) * layout.transitions)

    @property
    def order(self) -> memoryview:
        """The order of the transitions, as `weft.native.reference.run` wants it."""
        layout = self.layout
        return self._numbers(layout.transitions, 2 * layout.transitions)

    @property
    def guarded(self) -> bytes:
        """A byte a transition, 1 where it has a guard."""
        at = self.layout.text_at
        return bytes(self.data[at - self.image.transitions : at])

    def _numbers(self, count: int, before: int) -> memoryview:
        """So many integers that end ``before`` bytes ahead of the text."""
        end = self.layout.text_at - before
        return self.data[end - 4 * count : end].cast("i") if count else _NOTHING

    def text(self) -> bytes:
        """The text, looked at only now.

        Raises:
            ImageError: It is damaged.
        """
        at = self.layout.text_at
        text = bytes(self.data[at:])
        if zlib.crc32(text) != HEADER.unpack_from(self.data)[5]:
            raise ImageError("text", at, "the checksum does not fit: the text is damaged")
        return text


def arrays_of(data: memoryview) -> dict[str, object]:
    """The arrays of a file that has been found in order, by the names they have in a `NetImage`."""
    layout = _counted(HEADER.unpack_from(data)[6:])
    n, m = layout.places, layout.transitions
    flags_at = layout.text_at - 2 * m
    numbers = data[HEADER.size : flags_at].cast("i")  # never empty: start has m + 1
    at = 0

    def part(count: int) -> memoryview:
        nonlocal at
        at += count
        return numbers[at - count : at]

    arrays: dict[str, object] = {
        kind: Relation(part(m + 1), part(arcs), part(arcs if kind != "clear" else 0))
        for kind, arcs in zip(RELATIONS, layout.arcs, strict=True)
    }
    arrays["touch_start"] = part(n + 1)
    arrays["touch"] = part(layout.touch)
    arrays["sources"] = part(layout.sources)
    arrays["external"] = bytes(data[flags_at : flags_at + m])
    return arrays


_NOTHING: Final = memoryview(array("i")).toreadonly()


# ── judging ──────────────────────────────────────────────────────────────────────────────────


def layout_of(data: memoryview) -> Layout:
    """The layout that a header tells, if header and checksum are in order.

    Raises:
        ImageError: They are not.
    """
    if data.ndim != 1 or not data.c_contiguous or data.itemsize != 1:
        raise TypeError("an image is read from contiguous bytes")
    if len(data) < HEADER.size:
        if bytes(data[:8]) != MAGIC[: len(data)]:
            raise ImageError("header", 0, "this is no image of a net: its first bytes are others")
        raise ImageError(
            "header", len(data), f"the file ends here, within its header of {HEADER.size} bytes"
        )
    magic, version, mark, size, checksum, _, *counts = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise ImageError("header", 0, "this is no image of a net: its first bytes are others")
    if version != VERSION:
        raise ImageError(
            "header", 8, f"the layout has version {version}; this release reads version {VERSION}"
        )
    if mark != ORDER_MARK or sys.byteorder != "little":
        raise ImageError("header", 12, "the numbers are in another byte order than they are here")
    if size != len(data):
        raise ImageError("header", 16, f"the file should have {size} bytes, and it has {len(data)}")
    for i, count in enumerate(counts):
        if count > CELL_MAX:
            raise ImageError(
                "header", CHECKED_FROM + 8 * i, f"a count of {count} is more than {CELL_MAX}"
            )
    if counts[10] != 1:
        raise ImageError("header", CHECKED_FROM + 80, f"there is one order, not {counts[10]}")
    if any(data[HEADER.size - 8 : HEADER.size]):
        raise ImageError("header", HEADER.size - 8, "what is not used yet is not zero")
    layout = _counted(counts)
    if layout.size != size:
        raise ImageError(
            "header",
            CHECKED_FROM,
            f"the counts make {layout.size} bytes, and the file has {size}",
        )
    if zlib.crc32(data[CHECKED_FROM : size - layout.text]) != checksum:
        raise ImageError("header", 24, "the checksum does not fit: the file is damaged")
    return layout


def _counted(counts: Sequence[int]) -> Layout:
    """The layout by the counts of a header."""
    return Layout(
        places=counts[0],
        transitions=counts[1],
        arcs=(counts[2], counts[3], counts[4], counts[5], counts[6]),
        touch=counts[7],
        sources=counts[8],
        text=counts[9],
    )


def check_arrays(data: memoryview, layout: Layout) -> int:
    """Whether the arrays are those of a net; the first immediate transition with a counted put, or -1.

    Raises:
        ImageError: The first place where they are not.
    """
    part: dict[str, Sequence[int]] = {}
    where: dict[str, tuple[int, int]] = {}
    for name, at, count, size in layout.parts():
        view = data[at : at + count * size]
        part[name] = view if size == 1 else view.cast("i") if count else _NOTHING
        where[name] = at, size

    def refuse(name: str, i: int, reason: str) -> None:
        at, size = where[name]
        raise ImageError(name, at + i * size, reason)

    n, m = layout.places, layout.transitions
    for kind in RELATIONS:
        _check_rows(kind, part, n, m, refuse)
    _check_derived(part, n, m, refuse)
    for p, tokens in enumerate(part["initial"]):
        if tokens < 0:
            refuse("initial", p, f"place {p} has {tokens} tokens")
    for name in ("external", "guarded"):
        for t, flag in enumerate(part[name]):
            if flag > 1:
                refuse(name, t, f"transition {t} has {flag}, which is neither 0 nor 1")
    start, weight = part["put.start"], part["put.weight"]
    counted = (
        t for t in range(m) if not part["external"][t] and 0 in weight[start[t] : start[t + 1]]
    )
    return next(counted, -1)


def _check_rows(
    kind: str,
    part: dict[str, Sequence[int]],
    n: int,
    m: int,
    refuse: Callable[[str, int, str], None],
) -> None:
    start, place, weight = (part.get(f"{kind}.{name}", ()) for name in ("start", "place", "weight"))
    if start[0] != 0:
        refuse(f"{kind}.start", 0, f"the first row begins at {start[0]}, not at 0")
    for t, (a, b) in enumerate(pairwise(start)):
        if b < a:
            refuse(f"{kind}.start", t + 1, f"the row of transition {t} ends before it begins")
    if start[m] != len(place):
        refuse(f"{kind}.start", m, f"the rows end at {start[m]}, and there are {len(place)} arcs")
    lightest = 0 if kind == "put" else 1
    for t in range(m):
        before = -1
        for k in range(start[t], start[t + 1]):
            p = place[k]
            if not 0 <= p < n:
                refuse(
                    f"{kind}.place", k, f"transition {t}: place {p} is not one of the {n} places"
                )
            if kind != "clear" and weight[k] < lightest:
                refuse(
                    f"{kind}.weight",
                    k,
                    f"transition {t}, place {p}: weight {weight[k]} is not {lightest} to {CELL_MAX}",
                )
            if kind != "put" and p <= before:
                refuse(
                    f"{kind}.place",
                    k,
                    f"transition {t}: place {p} stands after place {before}; places must ascend",
                )
            before = p


def _check_derived(
    part: dict[str, Sequence[int]], n: int, m: int, refuse: Callable[[str, int, str], None]
) -> None:
    """That ``touch`` and ``sources`` are what the arcs make them."""
    readers: list[list[int]] = [[] for _ in range(n)]
    sources = []
    for t in range(m):
        read: set[int] = set()
        for kind in ("take", "needs", "lacks"):
            start, place = part[f"{kind}.start"], part[f"{kind}.place"]
            read.update(place[k] for k in range(start[t], start[t + 1]))
            if kind == "needs" and not read:
                sources.append(t)
        for p in read:
            readers[p].append(t)
    starts = [0]
    for row in readers:
        starts.append(starts[-1] + len(row))
    wanted = {
        "touch_start": starts,
        "touch": [t for row in readers for t in row],
        "sources": sources,
    }
    for name, numbers in wanted.items():
        found = part[name]
        for i, (a, b) in enumerate(zip(numbers, found, strict=False)):
            if a != b:
                refuse(name, i, f"this is {b}, and by the arcs it is {a}")
        if len(numbers) != len(found):
            refuse(name, 0, f"this has {len(found)} entries, and by the arcs it has {len(numbers)}")
