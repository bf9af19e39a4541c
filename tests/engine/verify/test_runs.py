"""The verifier's runs, held against `decide`: whatever a case does, the verifier has seen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.engine import generated as g
from weft.engine import commands as c
from weft.engine.case import CaseState
from weft.engine.lifecycle import CaseStatus
from weft.engine.orjoin import Undecided
from weft.engine.verify import runs as by_run
from weft.engine.verify import workflow
from weft.engine.verify.graph import explored
from weft.engine.verify.runs import COMPLETED, Runs
from weft.engine.verify.specification import verify_specification
from weft.schema.errors import DefinitionError

MOST = 300


@pytest.fixture(scope="module", autouse=True)
def little_work():
    """A few nets that race much at once would take more time than all others: they are left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_run, "MAX_WORK", 200_000)
        patch.setattr(workflow, "PATH_STATES", 3_000)
        yield


def compiled(spec):
    try:
        return g.compiled(spec)
    except DefinitionError:
        return None


def seen(runs: Runs, states: set, marking: dict[str, int]) -> bool:
    """Whether a marking of a live scope is among the states that were explored."""
    tokens: dict[int, int] = {}
    for place, n in marking.items():
        index = runs.net.place_index[place]
        for task in runs.tasks:  # what waits for another attempt is taken as running
            if place == task.held and task.name in runs.merged:
                index = runs.net.place_index[task.run]
        if index not in runs.dropped:
            tokens[index] = tokens.get(index, 0) + n
    found = [runs.state(tokens, a) for a in range(len(runs.assignments))]
    return any(state in states or state == (COMPLETED,) for state in found)


@given(g.specifications(), g.STEPS)
def test_every_state_of_a_case_is_a_state_of_its_runs(spec, steps) -> None:
    nets = compiled(spec)
    if nets is None or nets.case_wide:
        return
    runs, states = {}, {}
    for name, net in nets.nets.items():
        runs[name] = Runs(net, alone=name in nets.alone)
        try:
            graph = explored(runs[name], max_states=MOST)
        except Undecided:
            return
        if not graph.complete:
            return
        states[name] = set(graph.states)
    case = g.begin(nets)
    for step in [None, *steps]:
        if step is not None:
            asked = g.command(case, step)
            if isinstance(asked, c.SuspendCase):
                continue
            case = g.perform(case, asked)
        if case.status is not CaseStatus.RUNNING:
            return
        marking = case.marking()
        for scope in case.scopes.values():
            assert seen(runs[scope.net], states[scope.net], marking[scope.id]), marking


@given(g.specifications(), g.STEPS)
@settings(max_examples=70)
def test_a_sound_specification_never_deadlocks(spec, steps) -> None:
    nets = compiled(spec)
    if nets is None:
        return
    report = verify_specification(nets, spec, max_states=MOST)
    case: CaseState = g.begin(nets)
    for step in steps:
        case = g.perform(case, g.command(case, step))
        if case.status is CaseStatus.DEADLOCKED:
            assert report.sound is not True
            assert report.option_to_complete is not True
            return


@given(g.specifications(structured=True))
@settings(max_examples=60)
def test_both_ways_to_verify_agree(spec) -> None:
    """As a plain net, and run by run."""
    from weft.engine.verify.simple import plain_form
    from weft.engine.verify.specification import _NetVerification

    nets = compiled(spec)
    if nets is None:
        return
    for net in nets.nets.values():
        plain = plain_form(net)
        if plain is None:
            continue
        quick = _NetVerification(nets, net, None, MOST)
        slow = _NetVerification(nets, net, None, MOST)
        settled = quick.by_reduction(plain)
        slow.by_runs()
        if settled and slow.undecided is None:
            assert (slow.facts.option, slow.facts.safe, slow.facts.bounded) == (True,) * 3
            assert not [d for d in slow.diagnostics if d.level == "error"]
            assert {d.message for d in quick.diagnostics} <= {d.message for d in slow.diagnostics}
