"""The image of a net: what it holds, and what it refuses."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given

from tests.native.nets import Net, make, nets, ring
from weft.native import image as image_module
from weft.native import reference
from weft.native.image import CELL_MAX, Arcs, NetImage, Relation
from weft.native.imagefile import write_image

RELATIONS = ("take", "put", "needs", "lacks", "clear")


def parts(image: NetImage) -> list[Any]:
    relations = [getattr(image, kind) for kind in RELATIONS]
    return [
        image.places,
        image.transitions,
        image.external,
        *((list(r.start), list(r.place), list(r.weight)) for r in relations),
        list(image.touch_start),
        list(image.touch),
        list(image.sources),
        image.counted_immediate,
    ]


def test_rows_are_sorted_and_puts_stand_as_given() -> None:
    image = NetImage.build(
        places=3,
        transitions=[
            Arcs(take=[(2, 1), (0, 4)], put=[(2, 0), (1, 1)], clear=[2, 1]),
            Arcs(needs=[(1, 1)], lacks=[(1, 2), (0, 1)], external=True),
        ],
    )
    assert parts(image) == [
        3,
        2,
        b"\0\1",
        ([0, 2, 2], [0, 2], [4, 1]),
        ([0, 2, 2], [2, 1], [0, 1]),
        ([0, 0, 1], [1], [1]),
        ([0, 0, 2], [0, 1], [1, 2]),
        ([0, 2, 2], [1, 2], []),
        [0, 2, 3, 4],
        [0, 1, 1, 0],
        [],
        0,
    ]
    assert image.take.arcs(0) == [(0, 4), (2, 1)]
    assert repr(image) == "<NetImage: 3 places, 2 transitions>"


@given(nets())
def test_touch_says_who_reads_a_place(net: Net) -> None:
    image = net.image
    for place in range(net.places):
        row = image.touch[image.touch_start[place] : image.touch_start[place + 1]]
        assert list(row) == [
            t
            for t, arcs in enumerate(net.arcs)
            if place in {p for p, _ in [*arcs.take, *arcs.needs, *arcs.lacks]}
        ]
    assert list(image.sources) == [
        t for t, arcs in enumerate(net.arcs) if not arcs.take and not arcs.needs
    ]


def test_giving_back_touches_nobody() -> None:
    image = make(
        2,
        Arcs(take=[(0, 2), (1, 1)], put=[(0, 1), (0, 1)]),
        Arcs(take=[(0, 1)], put=[(0, 1)], clear=[0]),
        Arcs(take=[(0, 1)], put=[(0, 1), (0, 0)]),
        Arcs(needs=[(1, 1)]),
    ).image
    assert image.touched(0) == (0, 3)
    assert image.touched(1) == (0, 1, 2)
    assert image.touched(2) == (0, 1, 2)
    assert image.touched(3) == ()


def test_what_is_remembered_of_a_hub_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_module, "_TOUCHED_MAX", 25)
    image = make(1, *(Arcs(take=[(0, 1)]) for _ in range(10))).image
    for _ in range(2):
        for t in range(10):
            assert image.touched(t) == tuple(range(10))
            assert image.touched(t) is image.touched(t)
            assert sum(map(len, image._touched.values())) <= 25


def test_an_image_is_frozen() -> None:
    image = make(2, Arcs(take=[(0, 1)])).image
    with pytest.raises(AttributeError):
        image.places = 3  # type: ignore[misc]
    with pytest.raises(TypeError, match="read-only"):
        image.take.place[0] = 9  # type: ignore[index]
    with pytest.raises(AttributeError):
        image.take.place = ()  # type: ignore[misc]


def test_what_it_was_made_from_may_change() -> None:
    take = Relation([0, 1], [0], [1])
    none = Relation([0, 0], [], [])
    image = NetImage(
        places=1, external=[False], take=take, put=none, needs=none, lacks=none, clear=none
    )
    take.place[0] = 7  # type: ignore[index]
    assert image.take.arcs(0) == [(0, 1)]


@given(nets())
def test_an_image_can_be_pickled_and_copied(net: Net) -> None:
    net.image.touched(0) if net.arcs else None
    for twin in (pickle.loads(pickle.dumps(net.image)), copy.deepcopy(net.image)):
        assert parts(twin) == parts(net.image)
        assert twin.compiled is None


@pytest.mark.parametrize(
    ("arcs", "message"),
    [
        (Arcs(take=[(5, 1)]), "take of transition 1: place 5 is not one of the net's 5 places"),
        (Arcs(put=[(-1, 1)]), "put of transition 1: place -1 is not one"),
        (Arcs(clear=[2**40]), "clear of transition 1: place 1099511627776 is not one"),
        (Arcs(take=[(0, 0)]), "take of transition 1, place 0: weight 0 is not 1 to 2147483647"),
        (Arcs(needs=[(0, -1)]), "needs of transition 1, place 0: weight -1"),
        (Arcs(lacks=[(0, 2**31)]), "lacks of transition 1, place 0: weight 2147483648"),
        (Arcs(put=[(4, 2**63)]), "put of transition 1, place 4: weight .* is not 0 to"),
        (Arcs(take=[(1, 1), (1, 2)]), "take of transition 1: place 1 stands after place 1"),
        (Arcs(clear=[3, 3]), "clear of transition 1: place 3 stands after place 3"),
    ],
)
def test_arcs_that_cannot_be_are_refused(arcs: Arcs, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(5, Arcs(), arcs)


@pytest.mark.parametrize("arcs", [Arcs(take=[(0.0, 1)]), Arcs(put=[(0, "1")])])  # type: ignore[list-item]
def test_what_is_no_integer_is_refused(arcs: Arcs) -> None:
    with pytest.raises(TypeError):
        make(1, arcs)


@pytest.mark.parametrize(
    ("relation", "message"),
    [
        (Relation([], [], []), "must lead from 0 to 0 in 3 entries"),
        (Relation([0, 0], [], []), "must lead from 0 to 0 in 3 entries"),
        (Relation([1, 1, 1], [0], [1]), "must lead from 0 to 1 in 3 entries"),
        (Relation([0, 1, 1], [0, 1], [1, 1]), "must lead from 0 to 2 in 3 entries"),
        (Relation([0, 2, 1], [0], [1]), "must not descend"),
        (Relation([0, -1, 1], [0], [1]), "must not descend"),
        (Relation([0, 1, 1], [0], []), "has 1 places and 0 weights"),
        (Relation([0, 2, 2], [1, 0], [1, 1]), "place 0 stands after place 1"),
    ],
)
def test_rows_that_do_not_fit_are_refused(relation: Relation, message: str) -> None:
    none = Relation([0, 0, 0], [], [])
    with pytest.raises(ValueError, match=message):
        NetImage(
            places=2, external=b"\0\0", take=relation, put=none, needs=none, lacks=none, clear=none
        )


def test_clear_has_no_weights() -> None:
    none = Relation([0, 0], [], [])
    clear = Relation([0, 1], [0], [1])
    with pytest.raises(ValueError, match="clear has 1 places and 1 weights"):
        NetImage(places=1, external=b"\0", take=none, put=none, needs=none, lacks=none, clear=clear)


@pytest.mark.parametrize("places", [-1, CELL_MAX + 1, 2**70])
def test_a_number_of_places_that_cannot_be_is_refused(places: int) -> None:
    with pytest.raises(ValueError, match="a net has 0 to 2147483647 places"):
        NetImage.build(places=places, transitions=[])


def test_an_image_of_a_file_has_no_other_attributes() -> None:
    stored = reference.open_image(
        write_image(ring(2).image, initial=[1, 0], order=[0, 0], guarded=[False, False])
    )
    with pytest.raises(AttributeError, match="'NetImage' object has no attribute 'puts'"):
        _ = stored.image.puts  # type: ignore[attr-defined]  # that is what is tested
    with pytest.raises(AttributeError, match="has no attribute 'takes'"):
        _ = ring(2).image.takes  # type: ignore[attr-defined]  # that is what is tested
    assert stored.image.external == b"\0\0"
