"""PNML written: it reads back as the same net, with the same state space."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.engine.net import Arc, Net, Place, external, immediate
from weft.engine.verify.plain import plain_net, pnml_net
from weft.engine.verify.statespace import explore
from weft.schema.errors import DefinitionError, UsageError
from weft.schema.pnml import PnmlArc, PnmlNet, PnmlPlace, read_pnml, read_pnml_file
from weft.schema.pnml_writer import write_pnml

NETS = ("FMS-PT-00002", "TokenRing-PT-005", "QuasiCertifProtocol-PT-02")


@pytest.mark.parametrize("name", NETS)
def test_a_round_trip_keeps_the_net_and_its_state_space(corpus: Path, name: str) -> None:
    first = read_pnml_file(corpus / "pnml" / f"{name}.pnml")
    again = read_pnml(write_pnml(first))
    assert (again.id, again.places, again.transitions, again.arcs) == (
        first.id,
        first.places,
        first.transitions,
        first.arcs,
    )
    assert explore(plain_net(again)) == explore(plain_net(first))


def test_all_kinds_of_arc_and_odd_names() -> None:
    net = Net(
        name="a & b",
        places=(Place('p "1"', 2), Place("arc1"), Place("<q>", 1)),
        transitions=(
            external(
                "t'",
                take=['p "1"', 'p "1"'],
                needs=["<q>"],
                lacks=["arc1"] * 3,
                put=["arc1"],
                clear=["<q>"],
            ),
            immediate("u", take=["arc1"], when="x"),
        ),
    )
    again = plain_net(read_pnml(write_pnml(pnml_net(net))))
    assert again.places == net.places
    first = again.transitions[0]
    assert (first.take, first.needs, first.lacks) == (
        net.transitions[0].take,
        net.transitions[0].needs,
        net.transitions[0].lacks,
    )
    assert (first.put, first.clear) == (net.transitions[0].put, net.transitions[0].clear)
    assert explore(again).states == explore(net).states


def test_what_pnml_cannot_say_is_refused() -> None:
    counted = Net("n", (Place("p", 1),), (immediate("t", take=["p"], counted={"p": "x"}),))
    wide = Net("n", (Place("p", 1),), (external("t", needs=[Arc("p", case_wide=True)]),))
    for net in (counted, wide):
        with pytest.raises(UsageError, match="PNML cannot say"):
            pnml_net(net)
    bad = PnmlNet("n", [PnmlPlace("p\x00", "p")], [], [PnmlArc("p", "t")])
    with pytest.raises(DefinitionError, match="XML cannot hold"):
        write_pnml(bad)
