"""Specifications that are sound by construction, and such as are broken in a known way.

The verifier tells which is which; and the path that it shows, walked by `decide`, leads to the
fault.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine import generated as g
from tests.engine.verify.replay import walked
from weft.engine.lifecycle import CaseStatus
from weft.engine.verify.specification import verify_specification
from weft.schema.datatypes import DataType, Variable
from weft.schema.specification import Specification, TaskDefinition, Use

PARALLEL, EXCLUSIVE, LOOP = "parallel", "exclusive", "loop"


@attrs.frozen
class Block:
    """A block with a split and a join: its kind, both tasks, and where its branches begin and end."""

    kind: str
    split: str
    join: str
    begins: tuple[str, ...]
    ends: tuple[str, ...]


class Structure:
    """Draws tasks in blocks, one inside of another."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.tasks: dict[str, TaskDefinition] = {}
        self.blocks: list[Block] = []
        self.start = self.block(None, 2)[0]

    def add(self, kind: str | None, then: Any, **more: Any) -> str:
        name = f"t{len(self.tasks)}"
        if kind is not None:
            more["outputs"] = {f"v_{name}": "result"}
        self.tasks[name] = g.task(name, kind, then, **more)
        return name

    def work(self, then: Any, **more: Any) -> str:
        return self.add(self.draw(st.sampled_from(("auto", "auto", "person"))), then, **more)

    def choice(self, *targets: str) -> str:
        """A task whose result is the number of the branch that is taken."""
        name = self.work(None)
        self.lead(name, choice(name, targets))
        return name

    def lead(self, name: str, then: Any) -> None:
        """Let something else follow on a task."""
        self.tasks[name] = attrs.evolve(self.tasks[name], then=g.use(then))

    def block(self, following: str | None, depth: int, kind: str = "any") -> tuple[str, str]:
        """Draw a block that goes on to ``following``: where it begins, and its last task."""
        if kind == "any":
            kinds = ("task", "sequence", PARALLEL, EXCLUSIVE, LOOP)
            kind = self.draw(st.sampled_from(kinds)) if depth else "task"
        if kind == "task":
            only = self.work(following)
            return only, only
        if kind == "sequence":
            second, last = self.block(following, depth - 1)
            return self.block(second, depth - 1)[0], last
        if kind == LOOP:
            join = self.work(None, join="simple-merge")
            exit_ = self.work(following)
            test = self.choice(join, exit_)
            first, _ = self.block(test, depth - 1)
            self.lead(join, first)
            self.blocks.append(Block(LOOP, test, join, (join, exit_), ()))
            return join, exit_
        joins = {PARALLEL: "synchronization", EXCLUSIVE: "simple-merge"}
        close = self.work(following, join=joins[kind])
        begins, ends = zip(*(self.block(close, depth - 1) for _ in range(2)), strict=True)
        if kind == PARALLEL:
            split = self.add(None, {"parallel-split": list(begins)})
        else:
            split = self.choice(*begins)
        self.blocks.append(Block(kind, split, close, begins, ends))
        return split, close

    def specification(self) -> Specification:
        integer = DataType("integer")
        variables = {f"v_{name}": Variable(f"v_{name}", integer, default=0) for name in self.tasks}
        return g.specification(g.net(self.start, *self.tasks.values(), variables=variables))

    # ── breaking it ──────────────────────────────────────────────────────────────────────────

    def join(self, block: Block, join: str | None) -> None:
        self.tasks[block.join] = attrs.evolve(
            self.tasks[block.join], join=None if join is None else Use(join)
        )


def choice(name: str, targets: Any) -> Any:
    """An exclusive choice by the result of a task; the last branch is the default."""
    *first, last = targets
    ways = [{"when": f"v_{name} == {k}", "to": to} for k, to in enumerate(first, 1)]
    return {"exclusive-choice": [*ways, {"to": last}]}


def waits_for_both(s: Structure, b: Block) -> None:
    """A choice whose join waits for both branches."""
    s.join(b, "synchronization")


def waits_for_none(s: Structure, b: Block) -> None:
    """Two threads whose join is a simple merge."""
    s.join(b, "simple-merge")


def splits_instead(s: Structure, b: Block) -> None:
    """A choice that has become a split; its join is a simple merge."""
    s.lead(b.split, {"parallel-split": list(b.begins)})


def chooses_instead(s: Structure, b: Block) -> None:
    """A split that has become a choice; its join waits for both."""
    s.tasks[b.split] = g.task(b.split, "auto", outputs={f"v_{b.split}": "result"})
    s.lead(b.split, choice(b.split, b.begins))


def crosses_over(s: Structure, b: Block) -> None:
    """One branch of a split leads into the other one instead of to the join."""
    s.lead(b.ends[0], b.begins[1])
    s.tasks[b.begins[1]] = attrs.evolve(s.tasks[b.begins[1]], join=Use("simple-merge"))
    s.join(b, None)


def goes_back(s: Structure, b: Block) -> None:
    """One branch of a split leads back before it."""
    entry = f"before_{b.split}"
    s.tasks[entry] = g.task(entry, None, b.split, join="simple-merge")
    for task in list(s.tasks.values()):
        if task.then is not None and task.name != entry:
            s.lead(task.name, renamed(task.then.name, task.then.argument, b.split, entry))
    s.start = entry if s.start == b.split else s.start
    s.lead(b.ends[0], {"parallel-split": [entry, b.join]})


def begets_threads(s: Structure, b: Block) -> None:
    """A loop that goes on and leaves at once."""
    s.lead(b.split, {"parallel-split": list(b.begins)})


def renamed(name: str, argument: Any, old: str, new: str) -> Any:
    """A ``then`` with another target."""
    if isinstance(argument, list):
        argument = [
            {**way, "to": new if way["to"] == old else way["to"]}
            if isinstance(way, dict)
            else new
            if way == old
            else way
            for way in argument
        ]
    return {name: new if argument == old else argument}


def waits_as_needed(s: Structure, b: Block) -> None:
    """A general synchronizing merge waits for what can come: right behind any split."""
    s.join(b, "general-synchronizing-merge")


def takes_each(s: Structure, b: Block) -> None:
    """A multi-merge takes thread by thread: never wrong by itself."""
    s.join(b, "multi-merge")


def swaps_branches(s: Structure, b: Block) -> None:
    """The branches in another order."""
    ways = list(b.begins)[::-1]
    s.lead(b.split, {"parallel-split": ways} if b.kind == PARALLEL else choice(b.split, ways))


DEAD = {"deadlock"}
TWO = {"merge-context"}
BROKEN = [
    (EXCLUSIVE, waits_for_both, DEAD),
    (PARALLEL, waits_for_none, TWO),
    (EXCLUSIVE, splits_instead, TWO),
    (PARALLEL, chooses_instead, DEAD),
    (PARALLEL, crosses_over, TWO),
    (PARALLEL, goes_back, {"unbounded", "merge-context", "deadlock"}),
    (LOOP, begets_threads, {"unbounded"}),
]
SOUND = [
    (EXCLUSIVE, waits_as_needed),
    (PARALLEL, waits_as_needed),
    (EXCLUSIVE, takes_each),
    (PARALLEL, swaps_branches),
    (EXCLUSIVE, swaps_branches),
]


@st.composite
def structures(draw: Any, kind: str) -> tuple[Structure, Block]:
    """Blocks, among them one of a kind."""
    found = Structure(draw)
    at = [b for b in found.blocks if b.kind == kind]
    if not at:
        found = Structure.__new__(Structure)
        found.draw, found.tasks, found.blocks = draw, {}, []
        found.start = found.block(found.block(None, 1)[0], 2, kind)[0]
        at = [b for b in found.blocks if b.kind == kind]
    return found, draw(st.sampled_from(at))


@given(st.data())
@settings(max_examples=40)
def test_what_is_built_of_blocks_is_sound(data) -> None:
    spec = Structure(data.draw).specification()
    report = verify_specification(g.compiled(spec), spec, max_states=2_000)
    assert report.sound is not False, report.diagnostics
    assert report.undecided is None
    assert report.sound is True


@pytest.mark.parametrize(("kind", "change"), SOUND, ids=lambda v: getattr(v, "__name__", v))
@given(st.data())
@settings(max_examples=8)
def test_changes_that_keep_it_sound(kind, change, data) -> None:
    structure, block = data.draw(structures(kind))
    change(structure, block)
    spec = structure.specification()
    report = verify_specification(g.compiled(spec), spec, max_states=2_000)
    assert report.sound is not False, report.diagnostics


@pytest.mark.parametrize(
    ("kind", "change", "codes"), BROKEN, ids=lambda v: getattr(v, "__name__", "")
)
@given(st.data())
@settings(max_examples=12)
def test_changes_that_break_it_and_the_engine_shows_the_fault(kind, change, codes, data) -> None:
    structure, block = data.draw(structures(kind))
    change(structure, block)
    spec = structure.specification()
    nets = g.compiled(spec)
    report = verify_specification(nets, spec, max_states=2_000)
    found = {d.code: d for d in report.diagnostics if d.level == "error"}
    if report.undecided is not None and not found:
        return
    assert report.sound is False
    assert codes & set(found), found
    for d in report.diagnostics:
        if not d.path:
            continue
        case = walked(nets, d.path)
        tokens = Counter[str]()
        for marking in case.marking().values():
            tokens.update(marking)
        if d.code == "deadlock":
            assert case.status is CaseStatus.DEADLOCKED
            assert list(d.path) in [list(x.path) for x in report.deadlocks]
        elif d.code == "merge-context":
            at = [p for p in tokens if p.endswith(f">{d.element}")]
            assert sum(tokens[p] for p in (*at, f"{d.element}.run")) > 1, (d, tokens)
    for deadlock in report.deadlocks:
        case = walked(nets, deadlock.path)
        assert case.status is CaseStatus.DEADLOCKED
        (marking,) = case.marking().values()
        ends = {p.name for p in nets.nets[nets.root].places if p.end}
        assert {p: n for p, n in marking.items() if n and p not in ends} == deadlock.marking
