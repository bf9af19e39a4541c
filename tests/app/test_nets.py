"""`weft statespace`: the numbers of a net, of a file or of several."""

from __future__ import annotations

import json

import pytest

RING = """<pnml><net id="ring" type="ptnet">
  <place id="p"><initialMarking><text>1</text></initialMarking></place><place id="q"/>
  <transition id="t"/><transition id="u"/><transition id="never"/>
  <arc id="1" source="p" target="t"/><arc id="2" source="t" target="q"/>
  <arc id="3" source="q" target="u"/><arc id="4" source="u" target="p"/>
  <arc id="5" source="p" target="never"/><arc id="6" source="q" target="never"/>
</net></pnml>"""
GROWS = RING.replace('<arc id="4"', '<arc id="7" source="u" target="q"/><arc id="4"')


@pytest.fixture
def ring(folder):
    (folder / "ring.pnml").write_text(RING)
    return "ring.pnml"


def test_all_numbers_of_a_net(weft, ring):
    found = weft("statespace", ring, "--json").json
    assert found.pop("seconds") >= 0
    assert found == {
        "file": "ring.pnml",
        "places": 2,
        "transitions": 3,
        "states": 2,
        "firings": 2,
        "max_tokens_in_place": 1,
        "max_tokens_in_marking": 1,
        "deadlocks": 0,
        "safe": True,
        "bounded": True,
        "dead_transitions": 1,
        "complete": True,
    }


def test_a_specification_has_a_state_space_too(weft, folder):
    (folder / "s.yaml").write_text("weft: 1\nname: s\nsequence:\n  - shell: [a]\n  - shell: [b]\n")
    done = weft("statespace", "s.yaml")
    # step-1 waits, runs, is held; the same for step-2; and the end.
    assert (done.code, "7 markings, all there are" in done.out) == (0, True)
    assert "dead: end" in done.out


def test_a_bound_that_is_reached_leaves_it_undecided(weft, ring):
    done = weft("statespace", ring, "--max-states", 1)
    assert (done.code, "see --max-states" in done.out) == (4, True)


def test_an_unbounded_net_is_an_answer(weft, folder):
    (folder / "grows.pnml").write_text(GROWS)
    done = weft("statespace", "grows.pnml", "--json")
    assert (done.code, done.json["bounded"], done.json["safe"]) == (0, False, False)


def test_of_several_files_each_has_its_line_and_the_gravest_code_counts(weft, ring, folder):
    (folder / "bad.pnml").write_text("<pnml/>")
    done = weft("statespace", ring, "bad.pnml", "none.pnml", "--json")
    first, second, third = map(json.loads, done.out.splitlines())
    assert (done.code, first["states"]) == (2, 2)
    assert (second["file"], second["error"]["class"]) == ("bad.pnml", "DefinitionError")
    assert "No such file" in third["error"]["message"]
    people = weft("statespace", ring, "bad.pnml")
    assert (people.code, "holds 0 nets" in people.err) == (2, True)


def test_one_bad_file_is_an_error_like_any_other(weft, folder):
    (folder / "bad.pnml").write_text("no")
    done = weft("statespace", "bad.pnml", "--json")
    assert (done.code, set(done.json)) == (2, {"error"})


def test_without_the_library_the_extra_is_named(weft, ring, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "weft.schema.pnml", None)
    done = weft("statespace", ring)
    assert (done.code, "weft[xml]" in done.err) == (2, True)
