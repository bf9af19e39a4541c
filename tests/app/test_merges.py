"""OR-joins as a user meets them: on the command line, in a program, and in pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

import weft
from weft.drawing.dot import dot
from weft.drawing.net import net_drawing
from weft.engine.verify.plain import pnml_net
from weft.flow import by, graph
from weft.schema.errors import UsageError

REVIEW = """\
weft: 1
name: review
net:
  start: begin
  tasks:
    begin: {then: {parallel-split: [write, check]}}
    write: {person: Write it, then: publish}
    check: {person: Check it, then: publish}
    publish: {join: JOIN, person: Publish it}
"""


def review(join: str = "general-synchronizing-merge") -> weft.Specification:
    return weft.loads(REVIEW.replace("JOIN", join))


def test_a_case_in_a_store_goes_on_after_its_merge(tmp_path: Path) -> None:
    """The case is loaded again between any two commands, and its journal replayed."""
    store = f"sqlite:///{tmp_path / 'cases.db'}"
    with weft.open(store) as engine:
        case = engine.run(review(), case="r")
    for item in ("write/1", "check/1", "publish/1"):
        with weft.open(store) as engine:
            case = engine.resume("r")
            waits = [(w.join, w.input) for w in case.waiting()]
            assert waits == ([("publish", "check>publish")] if item == "check/1" else [])
            case.complete(item)
            status = case.wait()
    assert status.value == "completed"


def test_its_picture_shows_what_it_takes_if_it_is_there() -> None:
    with weft.open() as engine:
        compiled = engine.add(review())
    assert "if marked" in dot(net_drawing(compiled, {}))


def test_pnml_has_no_word_for_it() -> None:
    with weft.open() as engine:
        compiled = engine.add(review())
    with pytest.raises(UsageError, match="is an OR-join, which PNML cannot say"):
        pnml_net(compiled.net)


@pytest.mark.parametrize("name", ["general-synchronizing-merge", "local-synchronizing-merge"])
def test_the_graph_of_a_program_asks_for_it_by_name(name: str) -> None:
    made = graph("review")
    begin, write, check, publish = (made.point(n) for n in ("begin", "write", "check", "publish"))
    made.then(begin, by("parallel-split", [write, check]))
    made.then(write, publish)
    made.then(check, publish)
    made.join(publish, by(name))
    process = made.start(begin).build()
    assert process.nets["net"].tasks["publish"].join == by(name)
    with weft.open() as engine:
        assert process.run(engine).case.status is weft.CaseStatus.COMPLETED


def test_a_rule_that_is_none_is_refused_with_the_two_there_are() -> None:
    with weft.open() as engine, pytest.raises(weft.DefinitionErrors) as caught:
        engine.add(review("{general-synchronizing-merge: {rule: guess}}"))
    (fault,) = caught.value.exceptions
    assert "expected general or structural, found 'guess'" in str(fault)
