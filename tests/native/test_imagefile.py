"""Images of nets as files: what is written is read again, and what is damaged is refused."""

from __future__ import annotations

import pickle
import random
import struct
import zlib
from array import array
from contextlib import suppress
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.native.nets import Net, make, nets, ring
from tests.native.test_image import parts
from weft.native import reference
from weft.native.image import CELL_MAX, Arcs, NetImage
from weft.native.imagefile import HEADER, MAGIC, ImageError, StoredImage, write_image

CHECKED_FROM = 32


def written(net: Net, text: bytes = b"") -> bytes:
    """A net's file, every third place marked, every second transition guarded."""
    return write_image(
        net.image,
        initial=[int(p % 3 == 0) for p in range(net.places)],
        order=[-t for t in range(len(net.arcs))],
        guarded=[t % 2 == 0 for t in range(len(net.arcs))],
        text=text,
    )


def sealed(data: bytes | bytearray) -> bytes:
    """Damaged bytes with a checksum that fits again: what is left to find is in the arrays."""
    if len(data) < HEADER.size:
        return bytes(data)
    data = bytearray(data)
    text = min(struct.unpack_from("<Q", data, CHECKED_FROM + 72)[0], len(data) - HEADER.size)
    struct.pack_into("<I", data, 24, zlib.crc32(data[CHECKED_FROM : len(data) - text]))
    return bytes(data)


def again(stored: StoredImage) -> NetImage:
    """The same net, made and checked in the ordinary way."""
    image = stored.image
    return NetImage(
        places=image.places,
        external=image.external,
        take=image.take,
        put=image.put,
        needs=image.needs,
        lacks=image.lacks,
        clear=image.clear,
    )


@settings(max_examples=40)
@given(nets(), st.binary(max_size=9))
def test_what_is_written_is_read_again(kernel: ModuleType, net: Net, text: bytes) -> None:
    data = written(net, text)
    for buffer in (data, bytearray(data), memoryview(b"x" + data)[1:]):
        stored = kernel.open_image(buffer)
        assert parts(stored.image) == parts(net.image)
        assert list(stored.initial) == [int(p % 3 == 0) for p in range(net.places)]
        assert list(stored.order) == [-t for t in range(len(net.arcs))]
        assert list(stored.guarded) == [t % 2 == 0 for t in range(len(net.arcs))]
        assert stored.text() == text
    if net.arcs:
        marking = array("i", [9] * net.places)
        assert kernel.enabled_transitions(stored.image, marking) == kernel.enabled_transitions(
            net.image, marking
        )
        assert stored.image.touched(0) == net.image.touched(0)
    assert parts(pickle.loads(pickle.dumps(stored.image))) == parts(net.image)


@settings(max_examples=40)
@given(nets(), st.integers(0, 2**32), st.booleans())
def test_damage_is_refused_or_does_no_harm(
    kernel: ModuleType, net: Net, seed: int, seal: bool
) -> None:
    """Flipped bits, numbers of all sizes, and files cut off: refused, or a net as it should be."""
    draw = random.Random(seed)
    data = bytearray(written(net, b"names"))
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(data))
        what = draw.randrange(4)
        if what == 0:
            data[at] ^= 1 << draw.randrange(8)
        elif what == 1 and at + 4 <= len(data):
            number = draw.choice([-1, 0, 1, net.places, CELL_MAX, -CELL_MAX - 1])
            struct.pack_into("<i", data, at & ~3, number)
        elif what == 2 and len(data) >= HEADER.size:
            struct.pack_into(
                "<Q",
                data,
                CHECKED_FROM + 8 * draw.randrange(11),
                draw.choice([0, 1, 2**31 - 1, 2**31, 2**32, 2**62, 2**64 - 1]),
            )
        elif what == 3:
            del data[at:]
            if seal and len(data) >= 24:
                struct.pack_into("<Q", data, 16, len(data))
            if not data:
                break
    damaged = sealed(data) if seal else bytes(data)
    try:
        stored = kernel.open_image(damaged)
    except ImageError as error:
        assert 0 <= error.offset <= len(damaged)
        assert str(error).startswith(f"byte {error.offset} ({error.part}): ")
        with pytest.raises(ImageError) as other:
            reference.open_image(damaged)
        assert str(other.value) == str(error)
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
        return
    reference.open_image(damaged)
    assert parts(stored.image) == parts(again(stored))
    marking = array("i", bytes(stored.initial))
    if stored.image.counted_immediate < 0:
        with suppress(OverflowError):
            kernel.run(stored.image, marking, stored.order, 20)


@pytest.mark.parametrize("at", range(0, HEADER.size - 1, 3))
def test_no_bit_of_the_header_may_be_another(kernel: ModuleType, at: int) -> None:
    data = bytearray(written(ring(3)))
    data[at] ^= 16
    if 28 <= at < 32:  # the text's own checksum is looked at with the text
        with pytest.raises(ImageError, match="the text is damaged"):
            kernel.open_image(bytes(data)).text()
        return
    with pytest.raises(ImageError):
        kernel.open_image(bytes(data))


def test_every_length_but_the_right_one_is_refused(kernel: ModuleType) -> None:
    data = written(ring(2))
    for length in (*range(len(data)), len(data) + 1):
        with pytest.raises(ImageError) as refused:
            kernel.open_image((data + b"\0")[:length])
        assert refused.value.part == "header"


@pytest.mark.parametrize(
    ("part", "item", "number", "message"),
    [
        ("take.start", 0, 1, "the first row begins at 1, not at 0"),
        ("take.start", 2, 0, "the row of transition 1 ends before it begins"),
        ("take.start", 3, 2, "the rows end at 2, and there are 3 arcs"),
        ("take.place", 2, 3, "transition 2: place 3 is not one of the 3 places"),
        ("put.place", 0, -1, "transition 0: place -1 is not one"),
        ("take.weight", 1, 0, "transition 1, place 1: weight 0 is not 1 to 2147483647"),
        ("put.weight", 1, -4, "transition 1, place 2: weight -4 is not 0 to"),
        ("touch", 2, 1, "this is 1, and by the arcs it is 2"),
        ("touch_start", 1, 2, "this is 2, and by the arcs it is 1"),
        ("initial", 1, -1, "place 1 has -1 tokens"),
        ("external", 1, 2, "transition 1 has 2, which is neither 0 nor 1"),
        ("guarded", 0, 255, "transition 0 has 255, which"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    kernel: ModuleType, part: str, item: int, number: int, message: str
) -> None:
    data = bytearray(written(ring(3)))
    layout = kernel.open_image(bytes(data)).layout
    [(at, size)] = [(at, size) for name, at, _, size in layout.parts() if name == part]
    struct.pack_into("<i" if size == 4 else "<B", data, at + item * size, number)
    with pytest.raises(ImageError, match=message) as refused:
        kernel.open_image(sealed(data))
    assert (refused.value.part, refused.value.offset) == (part, at + item * size)


def test_a_row_has_each_place_once(kernel: ModuleType) -> None:
    net = make(3, Arcs(take=[(0, 1), (1, 1)], needs=[(2, 1)]), Arcs(clear=[0, 1, 2]))
    data = bytearray(written(net))
    layout = kernel.open_image(bytes(data)).layout
    where = {name: at for name, at, _, _ in layout.parts()}
    for part in ("take.place", "clear.place"):
        wrong = bytearray(data)
        struct.pack_into("<i", wrong, where[part] + 4, 0)
        with pytest.raises(ImageError, match=r"place 0 stands after place 0; places must ascend"):
            kernel.open_image(sealed(wrong))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: b"\x89WEFTNES"}, r"byte 0 \(header\): this is no image of a net"),
        ({8: struct.pack("<I", 2)}, "the layout has version 2; this release reads version 1"),
        ({12: b"\1\2\3\4"}, "the numbers are in another byte order"),
        ({16: struct.pack("<Q", 2**63)}, "the file should have 9223372036854775808 bytes, and"),
        ({32: struct.pack("<Q", 2**63)}, "a count of 9223372036854775808 is more than 2147483647"),
        ({32: struct.pack("<Q", CELL_MAX)}, "the counts make [0-9]+ bytes, and the file has"),
        ({112: struct.pack("<Q", 2)}, "there is one order, not 2"),
        ({120: b"\1"}, r"byte 120 \(header\): what is not used yet is not zero"),
        ({130: b"\1"}, r"byte 24 \(header\): the checksum does not fit: the file is damaged"),
    ],
)
def test_the_header_is_judged_first(
    kernel: ModuleType, change: dict[int, bytes], message: str
) -> None:
    data = bytearray(written(ring(3)))
    for at, new in change.items():
        data[at : at + len(new)] = new
    with pytest.raises(ImageError, match=message):
        kernel.open_image(bytes(data))


@pytest.mark.parametrize("data", [b"", MAGIC[:5], b"%PDF-1.4", b"weft: 1\n" * 99])
def test_other_files_are_no_images(kernel: ModuleType, data: bytes) -> None:
    with pytest.raises(ImageError, match=r"no image of a net|the file ends here"):
        kernel.open_image(data)


def test_odd_buffers_are_refused(kernel: ModuleType) -> None:
    data = written(ring(3))
    for odd in (memoryview(data)[::2], memoryview(data).cast("B", (2, len(data) // 2))):
        with pytest.raises(TypeError, match="read from contiguous bytes"):
            kernel.open_image(odd)
    with pytest.raises(TypeError):
        kernel.open_image("no bytes")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"initial": [0]}, "the initial marking has 1 numbers, not 2"),
        ({"initial": [0, -1]}, "the initial marking has -1, which is not 0 to 2147483647"),
        ({"initial": [0, 2**31]}, "the initial marking has 2147483648, which"),
        ({"order": [0, 2**31]}, "the order has 2147483648, which is not -2147483648 to"),
        ({"order": []}, "the order has 0 numbers, not 2"),
        ({"guarded": [True]}, "1 transitions are said to be guarded or not, not 2"),
    ],
)
def test_what_does_not_fit_is_not_written(change: dict[str, list[int]], message: str) -> None:
    right = {"initial": [0, 1], "order": [0, 0], "guarded": [False, True]}
    with pytest.raises(ValueError, match=message):
        write_image(ring(2).image, **{**right, **change})  # type: ignore[arg-type]  # by name


def test_what_is_in_a_file_stays_while_it_is_used(kernel: ModuleType) -> None:
    data = bytearray(written(ring(3)))
    stored = kernel.open_image(data)
    with pytest.raises(BufferError):
        data.clear()
    with pytest.raises(TypeError, match="read-only"):
        stored.image.take.place[0] = 7
    marking = array("i", bytes(stored.initial))
    assert kernel.settle(stored.image, marking, stored.order, 4) == (4, True)
    assert list(marking) == [0, 1, 0]
