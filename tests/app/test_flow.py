"""Processes as typed Python: what they become, that they run, and what is said when they cannot."""

from __future__ import annotations

import inspect
import json
import os
import subprocess as processes
import sys
from enum import Enum
from itertools import combinations, islice
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given as generated
from hypothesis import strategies as st

import weft
import weft.flow
import weft.handles
from weft.connectors import builtin as builtin_connectors
from weft.engine.compile import compile_specification
from weft.engine.ports import CaseId
from weft.engine.registry import Attachment, Pattern
from weft.flow import (
    Expression,
    Failure,
    Told,
    Variable,
    by,
    cancel,
    cel,
    connect,
    constant,
    emit,
    end,
    for_each,
    graph,
    parallel,
    person,
    process,
    race,
    repeat,
    shell,
    skip,
    subprocess,
    task,
    together,
    when,
)
from weft.flow.expressions import declared_type
from weft.flow.steps import Step
from weft.handles import (
    AsyncFailedCase,
    AsyncIdleCase,
    AsyncRunningCase,
    AsyncSuspendedCase,
    CancelledCase,
    CompletedCase,
    DeadlockedCase,
    FailedCase,
    IdleCase,
    RunningCase,
    SuspendedCase,
)
from weft.patterns import builtin as builtin_patterns

# ── the tasks that the tests are about ───────────────────────────────────────────────────────


@attrs.frozen
class Claim:
    id: str
    amount: float = 0.0


@attrs.frozen
class Assessment:
    score: int


@attrs.frozen
class Decision:
    choice: Literal["pay", "refuse"]
    comment: str = ""


@task(run_in="inline")
def assess(claim: Claim) -> Assessment:
    return Assessment(round(claim.amount))


@task
async def pay(claim: Claim, work: weft.Work) -> str:
    return f"paid {claim.id}, attempt {work.attempt}"


@task(run_in="inline")
def refuse() -> str:
    return "refused"


@task(run_in="inline")
def book(claim: Claim, assessment: Assessment) -> int:
    return len(claim.id) + assessment.score


@task(run_in="inline")
def three(a: int, b: int, c: int) -> int:
    return a * 100 + b * 10 + c


@task(run_in="inline")
def count_up(count: int) -> int:
    return count + 1


@task(run_in="inline")
def give(text: str, copies: int = 1) -> str:
    return text * copies


@task(run_in="inline")
def fail() -> str:
    raise weft.WorkFailed("out of stock", code="stock", retryable=False)


@task(run_in="inline")
def explain(failure: Failure) -> str:
    return f"sorry: {failure.message} ({failure.code})"


@task(run_in="inline")
def truth() -> bool:
    return True


def plain(count: int) -> int:
    return count


claim = Variable("claim", Claim)
count = Variable("count", int)
text = Variable("text", str)
decide = person("decide", "Pay?", Decision, role="clerk", shows={"claim": claim})

A_CLAIM = Claim("c-1", 40.0)


def completed(made: Any, *value: Any, unverified: bool = False) -> Any:
    """What a process gives when it is run."""
    with weft.open(seed=1, unverified=unverified) as engine:
        now = made.run(engine, *value)
        assert isinstance(now, CompletedCase), (now, now.case.error)
        return now.output


def net_hash(specification: weft.Specification) -> str:
    return compile_specification(
        specification, registry=builtin_patterns(), connectors=builtin_connectors()
    ).hash


def line_of(function: Any, mark: str) -> int:
    """The line of a test that holds a mark."""
    lines, first = inspect.getsourcelines(function)
    return next(first + i for i, line in enumerate(lines) if mark in line and "line_of" not in line)


# ── tasks are functions ──────────────────────────────────────────────────────────────────────


def test_a_task_is_still_its_function():
    assert assess(Claim("a", 7.0)) == Assessment(7)
    assert three(1, b=2, c=3) == 123
    assert assess.__name__ == "assess"
    assert list(inspect.signature(assess).parameters) == ["claim"]
    assert repr(refuse) == f"<Task {__name__}:refuse>"
    assert inspect.iscoroutinefunction(pay)


class Desk:
    def __init__(self, name: str) -> None:
        self.name = name

    @task(run_in="inline")
    async def answer(self, text: str) -> str:
        return f"{self.name}: {text}"


def test_a_method_is_a_task_of_its_object():
    specification = weft.loads(
        "weft: 1\nname: x\ndata: {text: string}\n"
        "sequence: [{name: t, python: answer, in: {text: text}}]\n"
    )
    case = weft.run(specification, {"text": "a"}, functions={"answer": Desk("one").answer})
    assert case.data["t"] == "one: a"
    assert Desk.answer is Desk.answer
    assert repr(Desk.answer) == f"<Task {__name__}:Desk.answer>"


def test_a_task_is_pickled_by_name():
    import pickle

    assert pickle.loads(pickle.dumps(refuse)) is refuse


def test_where_it_runs_is_one_of_three():
    with pytest.raises(ValueError, match="somewhere"):
        task(run_in="somewhere")


def test_a_task_marks_local_functions_too_which_programs_give_by_name():
    @task(run_in="inline")
    def local(text: str) -> str:
        return text.upper()

    specification = weft.loads(
        "weft: 1\nname: x\ndata: {text: string}\n"
        "sequence: [{name: t, python: local, in: {text: text}}]\n"
    )
    case = weft.run(specification, {"text": "a"}, functions={"local": local})
    assert case.data["t"] == "A"


# ── what is made ─────────────────────────────────────────────────────────────────────────────

YAML = f"""\
weft: 1
name: claim
version: "2"
description: From a claim to money.
data:
  claim:
    type: object
    required: true
    fields: {{id: {{type: string, required: true}}, amount: number}}
net:
  start: assess
  tasks:
    assess:
      title: Assess it
      python: "{__name__}:assess"
      in: {{claim: claim}}
      retry: {{attempts: 3, delay: 1s, factor: 2, jitter: full}}
      timeout: 30s
      then: {{exclusive-choice: [{{when: "assess.score > 30", to: decide}}, {{to: pay}}]}}
    decide:
      person: {{title: "Pay?", choices: [pay, refuse], role: clerk, form: {{comment: string}}}}
      in: {{claim: claim}}
      then:
        exclusive-choice: [{{when: "decide.choice == 'pay'", to: pay-much}}, {{to: refuse}}]
    pay-much: {{python: "{__name__}:pay", in: {{claim: claim}}, concurrency: 1, then: split-1}}
    refuse: {{python: "{__name__}:refuse", then: split-1}}
    pay: {{python: "{__name__}:pay", in: {{claim: claim}}, then: split-1}}
    split-1: {{then: {{parallel-split: [archive, log]}}}}
    archive: {{shell: [tar, c, "${{claim}}"], in: {{claim: claim.id}}, then: bye}}
    log: {{shell: {{run: [logger, x], expect: any}}, then: bye}}
    bye: {{join: synchronization, shell: {{run: [echo, bye], expect: [0, 1]}}}}
"""


def claims() -> Any:
    identity = claim.map(lambda c: c.id)
    archive = connect(
        "archive", "shell", ["tar", "c", "${claim}"], dict, inputs={"claim": identity}
    )
    large = assess.result.map(lambda a: a.score > 30)
    return (
        process("claim", claim, version="2", description="From a claim to money.")
        .then(
            assess.titled("Assess it").retry(3, delay="1s", factor=2, jitter="full").timeout("30s")
        )
        .then(
            when(
                large,
                decide.then(
                    when(
                        "decide.choice == 'pay'", pay.named("pay-much").given(claim).one_at_a_time()
                    ).otherwise(refuse)
                ),
            ).otherwise(pay.given(claim))
        )
        .then(parallel(archive, shell("log", "logger", "x", expect="any")))
        .then(shell("bye", "echo", "bye", expect=[0, 1]))
        .build()
    )


def test_the_same_process_in_yaml_is_the_same_net():
    made, written = claims(), weft.loads(YAML)
    assert made.nets == written.nets
    assert net_hash(made) == net_hash(written)
    assert made.description == written.description


def test_a_process_is_kept_in_the_store_as_yaml():
    made = claims()
    assert net_hash(weft.loads(made.source.text.decode())) == net_hash(made)
    assert repr(made) == "<Process claim 2>"


ALL = builtin_patterns()
SAMPLES: list[Any] = [
    [{"when": "count > 1", "to": "a"}, {"to": "b"}],
    "count > 1",
    1,
    "a",
    ["a", "b"],
    [["a"], ["b"]],
    "ready",
    True,
    False,
    "cancel",
]
"""What parameters of patterns may be; each takes the first that it reads and that compiles."""


def arguments(pattern: Pattern) -> Any:
    """Arguments for a pattern: of required parameters, then with one of the others, or two."""
    required = [p for p in pattern.parameters if p.required]
    others = [p for p in pattern.parameters if not p.required]

    def samples(parameter: Any) -> list[Any]:
        fitting = []
        for sample in SAMPLES:
            try:
                parameter.kind.read(sample)
            except ValueError:
                continue
            fitting.append(sample)
        return fitting

    def combined(parameters: Any) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = [{}]
        for parameter in parameters:
            made = [{**m, parameter.name: s} for m in made for s in samples(parameter)]
        return made

    # Where patterns share a word, one of them may need two parameters that each can do without.
    pairs = combinations(others, 2) if pattern.word else ()
    extras = [[], *([o] for o in others), *map(list, pairs)]
    found = [c for extra in extras for c in combined([*required, *extra])]
    meant = (c for c in found if ALL.meant(pattern.written, c or None) == pattern)
    return [c or None for c in islice(meant, 80)]


def both_ways(pattern: Pattern, argument: Any) -> tuple[str, Any]:
    """A net around a pattern, as YAML and as Python."""
    use = json.dumps({pattern.written: argument})
    named = pattern.written if argument is None else use
    at = pattern.attachment
    # A merge that is told what does not come stands behind a choice that can say so.
    told = at is Attachment.JOIN and "skips" in pattern.wants
    ways: Any = [{"when": "count > 1", "to": "a"}, {"to": "b"}] if told else ["a", "b"]
    split = "multi-choice" if told else "parallel-split"
    parted = json.dumps({split: ways})
    # What withdraws instances, or completes them, names tasks that have some.
    several = any(p.names_several for p in pattern.parameters)
    instances = by("for-each", {"times": 2})
    many = f"{instances.name}: {json.dumps(instances.argument)}, " if several else ""
    yaml = f"""\
weft: 1
name: x
data: {{count: {{type: integer, default: 2}}}}
net:
  start: [{"s, ready, a, b" if at is Attachment.THEN else "s, ready"}]
  places: {{ready: {{tokens: 1, description: it is ready}}}}
  tasks:
    s: {{shell: [x], then: {named if at is Attachment.THEN else parted}
       {f", {json.dumps(pattern.written)}: {json.dumps(argument)}" if at is Attachment.TASK else ""}}}
    a: {{{many}shell: [x], then: j{"" if told else ", on-failure: b"}}}
    b: {{{many}shell: [x], then: j}}
    j: {{{f"join: {named}," if at is Attachment.JOIN else ""} shell: [x]}}
  patterns: [{named if at is Attachment.NET else ""}]
"""
    made = graph("x", keeps=[Variable("count", int, default=2)])
    around = [by(pattern.written, argument)] if at is Attachment.TASK else []
    first = shell("s", "x")
    for use_around in around:
        first = first.around(use_around)
    others = [shell(n, "x").around(instances) if several else shell(n, "x") for n in "ab"]
    s, a, b, j = (made.task(t) for t in (first, *others, shell("j", "x")))
    ready = made.place("ready", tokens=1, description="it is ready")
    here = by(pattern.written, argument)
    made.then(s, here if at is Attachment.THEN else by(split, ways))
    made.then(a, j)
    if not told:
        made.on_failure(a, b)
    made.then(b, j)
    if at is Attachment.JOIN:
        made.join(j, here)
    if at is Attachment.NET:
        made.across(here)
    return yaml, made.start(s, ready, *([a, b] if at is Attachment.THEN else []))


@pytest.mark.no_cover  # hundreds of nets are compiled here, by lines that others cover
@pytest.mark.parametrize("pattern", list(ALL), ids=lambda p: p.key)
def test_every_pattern_by_name_is_the_same_net(pattern):
    hashes = set()
    for argument in arguments(pattern):
        yaml, started = both_ways(pattern, argument)
        try:
            written = net_hash(weft.loads(yaml))
        except weft.DefinitionErrors as error:
            with pytest.raises(weft.DefinitionErrors) as caught:
                started.build()
            assert len(caught.value.faults) == len(error.faults)
            assert all(fault.line is not None for fault in caught.value.faults)
        else:
            assert net_hash(started.build()) == written
            hashes.add(written)
    assert hashes, "none of the samples suits this pattern: teach SAMPLES"


# ── generated processes ──────────────────────────────────────────────────────────────────────


@st.composite
def steps(draw: st.DrawFn, serial: Any = None, depth: int = 3) -> Step[str, str]:
    """A step from a text to a text, of every combinator; names are numbered."""
    serial = serial if serial is not None else iter(range(1000))

    def one() -> Step[str, str]:
        step = give.named(f"t{next(serial)}")
        return step.on_failure(explain.named(f"t{next(serial)}")) if draw(st.booleans()) else step

    kind = draw(st.sampled_from(["task", "then", "parallel", "choice", "deep", "loop", "around"]))
    if depth == 0 or kind == "task":
        return one()

    def inner() -> Step[str, str]:
        return draw(steps(serial, depth - 1))

    match kind:
        case "then":
            return inner().then(inner())
        case "parallel":
            behind = give_two.named(f"t{next(serial)}")
            return parallel(inner(), inner()).then(behind)
        case "choice":
            way = draw(st.sampled_from(["text == 'word'", "text != 'word'"]))
            return one().then(when(way, inner()).when("text == ''", end).otherwise(inner()))
        case "deep":
            made = process(f"p{next(serial)}", Variable("text", str)).then(inner()).build()
            return subprocess(made)
        case "around":
            return one().then(repeat(give.named(f"t{next(serial)}"), until="text != ''"))
        case _:
            return one().then(repeat(inner().then(inner()), until="text != ''"))


@task(run_in="inline")
def give_two(a: str, b: str) -> str:
    return max(a, b)


@generated(steps())
def test_every_process_gives_what_its_steps_give_and_is_the_same_in_yaml(step):
    made = process("generated", text).then(step).build()
    again = weft.loads(made.source.text.decode())
    assert net_hash(again) == net_hash(made)
    assert completed(made, "word") == "word"


# ── values between steps ─────────────────────────────────────────────────────────────────────


def test_a_tuple_is_several_parameters():
    made = process("x", claim).then(parallel(give_claim, assess)).then(book).build()
    assert completed(made, A_CLAIM) == 43


@task(run_in="inline")
def give_claim(claim: Claim) -> Claim:
    return claim


def test_several_inputs_are_a_tuple():
    made = process("x", claim, Variable("assessment", Assessment)).then(book).build()
    assert completed(made, (A_CLAIM, Assessment(1))) == 4
    with pytest.raises(weft.UsageError, match="takes claim, assessment; 1 values"):
        made.data((A_CLAIM,))


def test_three_inputs_and_a_tuple_as_one_list():
    a, b, c = (Variable(name, int) for name in "abc")
    made = process("x", a, b, c).then(three).build()
    assert completed(made, (1, 2, 3)) == 123


@task(run_in="inline")
def pair(text: str) -> tuple[str, int]:
    return text, 5


@task(run_in="inline")
def whole(both: tuple[str, int]) -> str:
    return both[0] * both[1]


def test_a_task_may_give_a_tuple_and_take_one():
    made = process("x", text).then(pair).then(give_times).build()
    assert completed(made, "ab") == "ababababab"
    made = process("x", text).then(parallel(give, length)).then(whole).build()
    assert completed(made, "ab") == "abab"


@task(run_in="inline")
def give_times(text: str, times: int) -> str:
    return text * times


@task(run_in="inline")
def length(text: str) -> int:
    return len(text)


def test_given_values():
    expression = together(constant(1), count, cel("count + 1", int))
    made = process("x", count).then(three.given(expression)).build()
    assert completed(made, 4) == 145
    made = process("x").then(give.given(constant("a 'quoted' \" text"))).build()
    assert completed(made) == "a 'quoted' \" text"
    made = process("x").then(assess.given(constant(Claim("é", 3.0)))).build()
    assert completed(made) == Assessment(3)
    made = process("x").then(count_up.given(constant(3))).build()
    assert completed(made) == 4
    assert made.nets["net"].tasks["count_up"].inputs == {"count": 3}


def test_a_result_is_read_wherever_the_process_goes_on():
    made = (
        process("x", claim)
        .then(assess)
        .then(refuse)
        .then(book.given(together(claim, assess.result)))
        .build()
    )
    assert completed(made, A_CLAIM) == 43


def test_a_value_of_several_branches_has_a_variable_only_if_it_is_read():
    way = when("claim.amount > 10.0", refuse).otherwise(pay)
    unread = process("x", claim).then(way).then(assess.given(claim)).build()
    assert set(unread.nets["net"].variables) == {"claim"}
    read = process("x", claim).then(way).then(give).build()
    assert set(read.nets["net"].variables) == {"claim", "choice_1"}
    assert completed(read, A_CLAIM) == "refused"
    assert completed(read, Claim("c", 1.0)) == "paid c, attempt 1"


def test_a_branch_result_that_is_also_read_by_name_is_kept_in_both():
    way = when("claim.amount > 10.0", refuse).otherwise(pay)
    step = give_two.given(together(refuse.result, cel("string(choice_1)", str)))
    made = process("x", claim).then(way).then(give).then(step).build()
    assert completed(made, A_CLAIM) == "refused"


def test_into_a_variable():
    kept = Variable("kept", str, default="none", description="what was said")
    made = (
        process("x", claim)
        .then(refuse.into(kept))
        .then(assess.given(claim))
        .then(give.given(kept))
        .build()
    )
    assert completed(made, A_CLAIM) == "refused"
    assert made.nets["net"].tasks["refuse"].outputs == {"kept": "result"}
    assert made.nets["net"].variables["kept"].description == "what was said"
    way = when("claim.amount > 10.0", refuse).otherwise(pay).into(kept)
    made = process("x", claim).then(way).then(give).build()
    assert completed(made, A_CLAIM) == "refused"


def test_a_process_whose_value_may_be_none_gives_none():
    way = when("claim.amount > 10.0", refuse).otherwise(skip)
    assert completed(process("x", claim).then(way).build(), A_CLAIM) is None
    assert completed(process("x", claim).then(skip).then(truth).build(), A_CLAIM) is True
    assert completed(process("x", claim).then(parallel(truth, skip)).build(), A_CLAIM)[0] is True


def test_the_arguments_of_a_command_may_be_computed():
    step = shell("t", "echo", text, claim.map(lambda c: c.id), "end")
    made = process("x", text, claim).then(step).build()
    result = completed(made, ("a b", A_CLAIM))
    assert (result.exit_code, result.stdout, result.truncated) == (0, "a b c-1 end\n", False)
    assert made.nets["net"].tasks["t"].inputs == {"text": "text", "argument_2": "claim.id"}


def test_an_event_is_put_on_the_bus_with_its_key_and_data():
    waiting = weft.loads("""
weft: 1
name: waits
net: {start: got, tasks: {got: {persistent-trigger: {trigger: claim-filed, key: "'c-1'"}}}}
""")
    step = emit("t", "claim-filed", key=claim.map(lambda c: c.id), data={"key": text})
    made = process("x", text, claim).then(step).build()
    (use,) = made.nets["net"].tasks["t"].uses
    assert (use.name, use.argument) == ("emit", {"event": "claim-filed", "key": "${key_}"})
    with weft.open(seed=1) as engine:
        other = engine.run(waiting)
        told = made.output(engine.run(made, made.data(("a b", A_CLAIM))).data)
        assert told == Told([other.id], [], [])
        assert (other.status, other.data["claim_filed"]) == ("completed", {"key": "a b"})


@pytest.mark.parametrize("to", ["all", "one", "case"])
def test_whom_an_event_is_for(to):
    said = {} if to == "all" else {"to": to}
    assert emit("t", "x", key="7", to=to)._action().config == {"event": "x", "key": "7", **said}


def test_what_a_person_is_asked():
    step = person("t", "Really?", Assessment, text="Think twice.")
    assert step._action().config == {
        "title": "Really?",
        "text": "Think twice.",
        "form": {"score": {"type": "integer", "required": True}},
    }
    assert person("t", "Really?", dict)._action().config == {"title": "Really?"}


# ── loops, races, ends, failures ─────────────────────────────────────────────────────────────


def test_loops():
    body = count_up.into(count)
    made = process("x", count).then(repeat(body, until="count >= 10")).build()
    assert completed(made, 4) == 10
    assert "structured-loop" in {u.name for u in made.nets["net"].tasks["count_up"].uses}
    made = process("x", count).then(repeat(body, while_="count < 10")).build()
    assert completed(made, 14) == 14
    two = count_up.named("one").then(count_up.named("two")).into(count)
    made = process("x", count).then(repeat(two, until="count >= 10")).build()
    assert completed(made, 1) == 11
    made = process("x", count).then(repeat(two, while_="count < 10")).then(count_up).build()
    assert completed(made, 1) == 12
    made = process("x", count).then(repeat(two, while_="count < 10")).build()
    assert completed(made, 30) == 30


def test_a_loop_over_a_result_keeps_it_by_itself():
    first = count_up.named("first")
    loop = repeat(count_up, until=count_up.result.map(lambda n: n > 5))
    made = process("x", count).then(first).then(loop).build()
    assert completed(made, 0) == 6
    assert set(made.nets["net"].variables) == {"count", "loop_1", "count_up"}
    way = when("count > 0", count_up.named("up")).otherwise(first)
    made = process("x", count).then(way).then(loop).then(count_up.named("last")).build()
    assert completed(made, 0) == 7
    inner = repeat(loop.then(count_up.named("more")), until="more > 15")
    made = process("x", count).then(first).then(inner).then(length_of).build()
    assert completed(made, 0) == 17
    counted = repeat(count_up.given(count).into(count), until="count > 5")
    made = process("x", count).then(counted).then(give.given(constant("a"))).build()
    assert completed(made, 0) == "a"


@task(run_in="inline")
def length_of(number: int) -> int:
    return number


def test_a_loop_leaves_what_others_read_alone():
    loop = repeat(count_up, until=count_up.result.map(lambda n: n > 5))
    step = parallel(loop, length_of).then(
        three.given(together(length_of.result, cel("first", int), count_up.result))
    )
    made = process("x", count).then(count_up.named("first")).then(step).build()
    assert completed(made, 0) == 116


def test_the_value_of_a_loop_is_one_like_any_other():
    loop = repeat(count_up.into(count), while_="count < 10")
    first = count_up.named("first")
    another = repeat(count_up.named("a").then(count_up.named("b")), while_="b == null || b < 9")
    way = when("count > 100", first).otherwise(first.named("second").then(another))
    made = process("x", count).then(way).then(length_of).build()
    assert completed(made, 101) == 102
    assert completed(made, 0) == 9
    found = faults(process("x", count).then(when("true", loop).otherwise(first)).then(length_of))
    assert "let a task on each branch give it" in found[0][2]


def test_a_loop_needs_one_condition():
    with pytest.raises(TypeError, match="until"):
        repeat(count_up)
    with pytest.raises(TypeError, match="until"):
        repeat(count_up, until="true", while_="true")


def test_a_race_is_won_by_the_first_to_start():
    made = process("x", claim).then(race(decide, decide.named("other"))).build()
    with weft.open() as engine:
        now = made.run(engine, A_CLAIM)
        assert isinstance(now, IdleCase)
        assert len(now.items) == 2
        (item,) = now.items_of(decide)
        ended = now.complete(item, Decision("pay", "well")).settle()
        assert isinstance(ended, CompletedCase)
        assert ended.output == Decision("pay", "well")


def test_ends():
    made = process("x", claim).then(when("claim.amount > 10.0", cancel).otherwise(refuse)).build()
    with weft.open() as engine:
        assert isinstance(made.run(engine, A_CLAIM), CancelledCase)
        ended = made.run(engine, Claim("c"))
        assert isinstance(ended, CompletedCase)
        assert ended.output == "refused"
    made = process("x", claim).then(when("claim.amount > 10.0", end).otherwise(refuse))
    with weft.open() as engine:
        ended = made.then(give).build().run(engine, A_CLAIM)
        assert isinstance(ended, CompletedCase)
        assert ended.output is None
    with weft.open() as engine:
        assert isinstance(process("x").then(cancel).build().run(engine), CancelledCase)


def test_failures():
    made = process("x").then(fail.retry(2).on_failure(explain)).then(give).build()
    assert completed(made) == "sorry: out of stock (stock)"
    made = process("x").then(fail.on_failure(skip)).then(refuse).build()
    assert completed(made) == "refused"
    made = process("x").then(fail.on_failure(skip)).build()
    assert completed(made) is None
    made = process("x").then(fail.on_failure(cancel)).then(give).build()
    with weft.open() as engine:
        assert isinstance(made.run(engine), CancelledCase)


put_backs: list[str] = []


@task
def pick(work: weft.Work) -> str:
    return f"picked {work.item}"


@task
def put_back(what: str) -> None:
    put_backs.append(what)


def test_a_saga():
    put_backs.clear()
    booked = pick.named("one").compensated_by(put_back.named("undo-one"))
    again = pick.named("two").compensated_by(put_back.named("undo-two"))
    made = process("x").then(booked).then(again).then(fail.or_compensate()).build()
    assert made.nets["net"].tasks["one"].compensate == "undo-one"
    with weft.open() as engine:
        ended = made.run(engine)
    assert isinstance(ended, CancelledCase)
    assert put_backs == ["picked two/1", "picked one/1"]


def test_asking_a_person_when_work_has_failed():
    made = process("x").then(fail.or_ask()).then(give).build()
    with weft.open() as engine:
        now = made.run(engine)
        assert isinstance(now, IdleCase)
        case = engine.open(now.id)
        case.complete("fail/1", "done by hand")
        assert case.wait() is weft.CaseStatus.COMPLETED
    made = graph("x")
    a, b = made.task(fail), made.task(refuse)
    made.then(a, b)
    made.on_failure(a, "skip")
    with weft.open() as engine:
        assert isinstance(made.start(a).build().run(engine), CompletedCase)


def test_empty_tasks_stand_where_two_patterns_would_have_to():
    both = parallel(refuse, truth)
    more = parallel(fail.named("f").on_failure(skip), refuse.named("r2"))
    made = process("x").then(both).then(more).then(refuse.named("r3")).build()
    assert completed(made) == "refused"
    assert {"split-1", "join-1"} <= set(made.nets["net"].tasks)
    looped = repeat(refuse.named("a").then(refuse.named("b")), until="true")
    made = process("x").then(both).then(looped).build()
    assert made.nets["net"].tasks["join-1"].join.name == "synchronization"
    assert completed(made, unverified=True) == "refused"  # nothing goes round in this loop
    choose = when("true", both).otherwise(refuse.named("r2"))
    made = process("x").then(choose).then(refuse.named("r3")).build()
    assert completed(made, unverified=True) == "refused"


def test_a_sequence_of_any_length():
    step: Step[int, int] = count_up.named("c0")
    for i in range(1, 1500):
        step = step.then(count_up.named(f"c{i}"))
    made = process("long", count).then(step).build()
    assert len(made.nets["net"].tasks) == 1500


def test_a_process_in_a_process():
    inner = process("inner", claim).then(parallel(assess, refuse)).build()
    outer = process("outer", claim).then(subprocess(inner, "both")).then(second).build()
    assert completed(outer, A_CLAIM) == "refused 40"
    assert net_hash(weft.loads(outer.source.text.decode())) == net_hash(outer)
    once_more = process("most", claim).then(subprocess(outer).retry(2)).build()
    assert completed(once_more, A_CLAIM) == "refused 40"
    nothing = process("nothing").then(skip).then(notify).build()
    assert completed(process("x").then(subprocess(nothing)).build()) is None


@task(run_in="inline")
def second(assessment: Assessment, said: str) -> str:
    return f"{said} {assessment.score}"


@task(run_in="inline")
def notify() -> None:
    pass


def test_graphs():
    kept = Variable("kept", int)
    made = graph("x", count, keeps=[kept], termination="explicit")
    entry = made.point("entry")
    up = made.task(count_up.given(count))
    ready = made.place("ready")
    made.then(entry, up)
    made.then(up, ready)
    made.then(ready, by("explicit-termination"))
    made.around(up, by("structured-loop", {"until": "true"}))
    built = made.start(entry).build(count_up.result)
    assert completed(built, 4) == 5
    assert built.nets["net"].termination.value == "explicit"


# ── declarations and expressions ─────────────────────────────────────────────────────────────


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Number(Enum):
    ONE = 1


@attrs.frozen
class Tree:
    children: list[Tree]


@attrs.frozen
class Empty:
    pass


@attrs.frozen
class Strange:
    field: Nowhere  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("kind", "declared"),
    [
        (str, "string"),
        (int, "integer"),
        (float, "number"),
        (bool, "boolean"),
        (dict, "object"),
        (dict[str, int], "object"),
        (list, "array"),
        (list[int], {"type": "array", "items": "integer"}),
        (str | None, {"type": "string", "nullable": True}),
        (int | str, "any"),
        (Path | None, "any"),
        (Any, "any"),
        (Path, "any"),
        (Colour, {"type": "string", "enum": ["red", "blue"]}),
        (Number, "any"),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal[1], "any"),
        (
            Tree,
            {
                "type": "object",
                "fields": {"children": {"type": "array", "items": "object", "required": True}},
            },
        ),
        (Empty, "object"),
        (Strange, "object"),
        (
            Decision,
            {
                "type": "object",
                "fields": {
                    "choice": {"type": "string", "enum": ["pay", "refuse"], "required": True},
                    "comment": "string",
                },
            },
        ),
    ],
)
def test_declared_types(kind, declared):
    assert declared_type(kind).as_json() == declared


def test_what_functions_of_values_become():
    c: Any = claim
    assert c.map(lambda x: x.amount > 10).text == "claim.amount > 10"
    assert c.map(lambda x: x.a[0].b["k"] == "it's").text == 'claim.a[0].b["k"] == "it\'s"'
    assert c.map(lambda x: (x.a != 1) & ~(x.b <= 2)).text == "(claim.a != 1) && (!(claim.b <= 2))"
    assert c.map(lambda x: (x.a < 1) | (x.b >= x.c)).text == "(claim.a < 1) || (claim.b >= claim.c)"
    assert c.map(lambda x: 5).text == "5"
    assert repr(claim) == "<Variable claim>"
    with pytest.raises(TypeError, match="say & for and"):
        c.map(lambda x: x.a and x.b)
    with pytest.raises(AttributeError):
        c.map(lambda x: x.__private__)
    with pytest.raises(TypeError):
        c.map(lambda x: x.a + 1)


def test_a_condition_may_be_a_tasks_result():
    made = process("x").then(truth).then(when(truth.result, refuse).otherwise(cancel)).build()
    assert completed(made) == "refused"


# ── what is wrong ────────────────────────────────────────────────────────────────────────────


def faults(builder: Any) -> list[tuple[str, int | None, str]]:
    with pytest.raises(weft.DefinitionErrors) as caught:
        builder.build()
    assert all(f.file == __file__ for f in caught.value.faults), caught.value
    return [(f.code, f.line, f.message) for f in caught.value.faults]


def test_all_faults_come_at_once_with_their_lines():
    me = test_all_faults_come_at_once_with_their_lines

    def local(count: int) -> int:
        return count

    found = faults(
        process("x", claim)
        .then(assess)  # first
        .then(task(local).given(count))  # local
        .then(task(lambda: 1).named("anonymous"))  # lambda
        .then(refuse.into(Variable("claim", str)))  # variable
        .then(assess.given(claim))  # second
    )
    assert [(code, line) for code, line, _ in found] == [
        ("function", line_of(me, "# local")),
        ("function", line_of(me, "# lambda")),
        ("duplicate-name", line_of(me, "# variable")),
        ("duplicate-name", line_of(me, "# second")),
    ]
    assert "move it to the top of its module" in found[0][2]
    assert "a lambda has no name" in found[1][2]
    assert str(line_of(me, "# first")) in found[3][2]


def test_faults_of_the_compiler_come_with_the_others():
    me = test_faults_of_the_compiler_come_with_the_others
    found = faults(
        process("x", claim)
        .then(assess)
        .then(assess)  # twice
        .then(when("nothing > 1", refuse).otherwise(skip))  # name
    )
    assert [line for _, line, _ in found] == [line_of(me, "# twice"), line_of(me, "# name")]


def test_faults_of_the_compiler_have_lines_too():
    me = test_faults_of_the_compiler_have_lines_too
    found = faults(
        process("x", claim)
        .then(assess.around(by("unheard-of")))  # around
        .then(when("claim.amuont >", refuse).otherwise(skip))  # syntax
        .then(when("clam.amount > 1", pay.given(claim))  # name
              .otherwise(skip))
    )  # fmt: skip
    assert [line for _, line, _ in found] == [
        line_of(me, f"# {mark}") for mark in ("around", "syntax", "name")
    ]
    assert "task 'assess', unheard-of: " in found[0][2]


def test_faults_outside_of_tasks():
    me = test_faults_outside_of_tasks
    made = graph("x")
    made.across(by("critical-section", [["nobody"], ["else"]]))  # across
    made.place("p")
    made.place("p")  # twice
    made.then("ghost", "p")  # ghost
    with pytest.raises(weft.DefinitionErrors) as caught:
        made.start().build(cel("1 + 1", int))  # start
    lines = [fault.line for fault in caught.value.faults]
    assert lines == [line_of(me, f"# {m}") for m in ("twice", "ghost", "start", "start")]
    made = graph("x")
    point = made.point("a")
    made.across(by("critical-section", [["nobody"], ["a"]]))  # section
    with pytest.raises(weft.DefinitionErrors, match="no task 'nobody'") as caught:
        made.start(point).build()
    assert caught.value.faults[0].line == line_of(me, "# section")


def test_values_that_are_not_there():
    assert faults(process("x").then(assess))[0][0] == "value"
    (fault,) = faults(process("x", claim).then(when("true", refuse).otherwise(skip)).then(give))
    assert "say which one to read" in fault[2]
    (fault,) = faults(process("x", claim).then(skip.into(Variable("kept", str))))
    assert fault[0] == "value"
    (fault,) = faults(process("x", claim).then(parallel(refuse, truth)).then(three))
    assert "takes 3 values (a, b, c), and 2 are given" in fault[2]
    branch = when("true", parallel(refuse, truth)).otherwise(parallel(truth, skip))
    found = faults(process("x", claim).then(branch).then(give))
    assert {"value", "duplicate-name"} == {code for code, *_ in found}
    found = faults(process("x", count).then(repeat(count_up, until="count > 1")))
    assert "the second round would read the first value of 'count'" in found[0][2]


def test_ways_that_end():
    assert faults(process("x").then(cancel).then(refuse))[0][0] == "unreachable"
    found = faults(process("x").then(parallel(cancel, refuse)).then(truth))
    assert "in vain" in found[0][2]
    never = when("true", cancel).otherwise(end)
    with weft.open() as engine:
        assert isinstance(process("x").then(never).build().run(engine), CancelledCase)
    assert faults(process("x").then(never).then(refuse))[0][0] == "unreachable"
    found = faults(process("x").then(repeat(refuse.then(end), until="true")))
    assert found[0][0] == "loop"


def test_names():
    inner = process("inner", claim).then(assess).build()
    other = process("inner", claim).then(refuse).build()
    found = faults(
        process("x", claim).then(subprocess(inner, "a")).then(subprocess(other, "b").given(claim))
    )
    assert "two processes are called 'inner'" in found[0][2]
    wrong: Any = Variable("count", int, default="none")
    found = faults(process("x", wrong).then(refuse))
    assert found[0][0] == "declaration"
    assert "count" in found[0][2]


def test_what_is_no_step():
    with pytest.raises(TypeError, match="is no step"):
        process("x", claim).then(plain).build()  # type: ignore[arg-type]


def test_a_process_without_steps_is_not_built():
    with pytest.raises(weft.DefinitionError, match="has no steps yet") as caught:
        process("x", claim).build()  # here
    assert caught.value.line == line_of(test_a_process_without_steps_is_not_built, "# here")
    assert caught.value.code == "unfinished"


def test_functions_that_would_not_be_found_again(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "plain", None)
    hidden = process("x", count).then(task(_plain))
    assert "holds something else as 'plain'" in faults(hidden)[0][2]
    unheld = task(len)
    unheld.func.__class__  # noqa: B018  # a builtin
    with pytest.raises(weft.DefinitionErrors):
        process("x", text).then(task(Held())).build()


_plain = plain


def test_a_function_typed_at_a_prompt_is_refused(monkeypatch):
    def typed(count: int) -> int:
        return count

    typed.__module__, typed.__qualname__ = "__main__", "typed"
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "typed", typed, raising=False)
    monkeypatch.delattr(main, "__file__", raising=False)
    assert "typed at a prompt" in faults(process("x", count).then(task(typed)))[0][2]


class Held:
    def __call__(self, text: str) -> str:
        return text


def test_a_function_without_the_mark_is_made_a_task_on_the_spot():
    assert completed(process("x", count).then(task(plain)).build(), 3) == 3


def test_custom_patterns_and_connectors_are_known_when_told():
    connector = builtin_connectors()["shell"]
    step = connect("t", "mine", ["x"], dict)
    with pytest.raises(weft.DefinitionErrors, match="mine"):
        process("x").then(step).build()
    assert process("x").then(step).build(connectors={"mine": connector}).name == "x"

    @weft.pattern(None, "Own End", family=weft.Family.TERMINATION, attaches=Attachment.THEN)
    def own_end(input: weft.engine.fragment.Place) -> weft.Fragment:
        """Mine."""
        from weft.engine.net import immediate

        return weft.Fragment([immediate("done", take=[input])])

    own_end.__annotations__["input"] = weft.engine.fragment.Place
    made = graph("x")
    point = made.point("a")
    made.then(point, by("own-end"))
    assert made.start(point).build(patterns=[own_end]).name == "x"


def test_names_that_are_none():
    me = test_names_that_are_none
    found = faults(process("a name").then(refuse.named("with spaces")))  # task
    assert [line for _, line, _ in found] == [line_of(me, "# task")]
    (found, *_) = faults(process("a name").then(refuse))  # process
    assert found[1] == line_of(me, "# process")


# ── data in and out ──────────────────────────────────────────────────────────────────────────


def test_data_that_do_not_fit():
    made = process("x", claim).then(assess).build()
    assert made.data(A_CLAIM) == {"claim": {"id": "c-1", "amount": 40.0}}
    with pytest.raises(weft.UsageError):
        made.data(object())  # type: ignore[arg-type]
    with pytest.raises(weft.UsageError, match="not what x gives"):
        made.output({"assess": {"points": 3}})
    with pytest.raises(weft.UsageError, match="colour"), weft.open() as engine:
        engine.start(made, {"colour": "red"})


# ── handles ──────────────────────────────────────────────────────────────────────────────────


def test_handles_of_work():
    made = process("x", claim).then(decide).build()
    with weft.open() as engine:
        now = made.run(engine, A_CLAIM, case="one")
        assert isinstance(now, IdleCase)
        (item,) = now.items_of(decide)
        assert (item.id, item.task, item.status.value) == ("decide/1", "decide", "offered")
        assert now.claim(item, "ada").items[0].claimed_by == "ada"
        assert now.delegate(item, "bob").items[0].claimed_by == "bob"
        assert now.release(item).items[0].claimed_by is None
        assert now.begin(item).items[0].status.value == "started"
        suspended = now.suspend("lunch")
        assert isinstance(suspended, SuspendedCase)
        assert isinstance(made.open(engine, now.id), SuspendedCase)
        idle = suspended.resume().settle()
        assert isinstance(idle, IdleCase)
        failed = idle.fail(item, "no idea").settle()
        assert isinstance(failed, FailedCase)
        assert failed.error.message == "no idea"
        again = failed.resume().settle()
        assert isinstance(again, IdleCase)
        assert isinstance(again.cancel("enough"), CancelledCase)
        assert again.data["claim"] == {"id": "c-1", "amount": 40.0}


def test_handles_of_cases_that_run():
    made = process("x", claim).then(decide).build()
    with weft.open() as engine:
        running = made.start(engine, A_CLAIM)
        assert isinstance(running, RunningCase)
        assert isinstance(running.suspend(), SuspendedCase)
        other = process("other").then(refuse).build()
        with pytest.raises(weft.UsageError, match="one of 'x', not of 'other'"):
            other.open(engine, running.id)
        with pytest.raises(weft.UsageError, match="nowhere"):
            other.open(engine, CaseId("nowhere"))


def test_handles_of_cases_that_are_stuck():
    made = graph("stuck")
    a, b = made.task(refuse), made.task(truth)
    never = made.place("never")
    made.then(never, b)
    made.then(a, b)
    made.join(b, by("synchronization"))
    with weft.open(unverified=True) as engine:
        now = made.start(a).build().run(engine)
        assert isinstance(now, DeadlockedCase)
        assert now.marking[0] == {"refuse>truth": 1}


@pytest.mark.anyio
async def test_handles_over_an_asynchronous_engine():
    made = process("x", claim).then(decide).build()
    async with weft.open(unverified=True) as engine:
        now = await made.run(engine, A_CLAIM, case="one")
        assert isinstance(now, AsyncIdleCase)
        (item,) = now.items_of(decide)
        assert (await now.claim(item, "ada")).items[0].claimed_by == "ada"
        assert (await now.delegate(item, "bob")).items[0].claimed_by == "bob"
        assert (await now.release(item)).items[0].claimed_by is None
        assert (await now.begin(item)).items[0].status.value == "started"
        suspended = await now.suspend("lunch")
        assert isinstance(suspended, AsyncSuspendedCase)
        assert isinstance(await made.open(engine, now.id), AsyncSuspendedCase)
        idle = await (await suspended.resume()).settle()
        assert isinstance(idle, AsyncIdleCase)
        failed = await (await idle.fail(item, "no idea")).settle()
        assert isinstance(failed, AsyncFailedCase)
        assert failed.error.message == "no idea"
        again = await (await failed.resume()).settle()
        assert isinstance(again, AsyncIdleCase)
        done = await (await again.complete(item, Decision("pay"))).settle()
        assert isinstance(done, CompletedCase)
        assert done.output == Decision("pay")
        assert done.data["claim"] == {"id": "c-1", "amount": 40.0}
        running = await made.start(engine, A_CLAIM)
        assert isinstance(running, AsyncRunningCase)
        assert isinstance(await (await running.suspend()).cancel("enough"), CancelledCase)
        other = process("other").then(refuse).build()
        with pytest.raises(weft.UsageError, match="one of 'x', not of 'other'"):
            await other.open(engine, running.id)


def test_both_kinds_of_handles_can_do_the_same():
    for name in ("Running", "Idle", "Failed", "Deadlocked", "Suspended"):
        plain_case, async_case = (
            getattr(weft.handles, f"{prefix}{name}Case") for prefix in ("", "Async")
        )
        assert set(dir(plain_case)) == set(dir(async_case)), name


# ── after a crash ────────────────────────────────────────────────────────────────────────────

ORDERS = """\
import os

import weft
from weft.flow import Variable, process, task


@task
def reserve(order: str) -> str:
    return f"{order} reserved"


@task
def ship(reserved: str) -> str:
    if "CRASH" in os.environ:
        os._exit(9)
    return f"{reserved} and shipped"


handle = process("order", Variable("order", str)).then(reserve).then(ship).build()

if __name__ == "__main__":
    with weft.open("sqlite:///../orders.db") as engine:
        handle.run(engine, "lamp", case="lamp-1")
"""

AGAIN = """\
import weft

with weft.open("sqlite:///orders.db") as engine:
    for case in engine.recover():
        case.wait()
    print(engine.open("lamp-1").data["ship"])
"""


IMPORTED = """\
import orders
import weft

with weft.open("sqlite:///../orders.db") as engine:
    orders.handle.run(engine, "lamp", case="lamp-1")
"""


@pytest.mark.parametrize("script", [True, False], ids=["script", "module"])
def test_a_case_goes_on_in_another_process(tmp_path, script):
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "orders.py").write_text(ORDERS, "utf-8")
    way = ["orders.py"] if script else ["-c", IMPORTED]
    options: dict[str, Any] = {"text": True, "capture_output": True, "timeout": 60}
    path = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONPATH": path}
    crashed = processes.run(
        [sys.executable, *way],
        check=False,
        cwd=folder,
        env={**environment, "CRASH": "1"},
        **options,
    )
    assert crashed.returncode == 9, crashed.stderr
    again = {**environment}
    if not script:  # a script is found where it was; a module where modules are
        again["PYTHONPATH"] = os.pathsep.join([str(folder), path])
    done = processes.run(
        [sys.executable, "-c", AGAIN], check=False, cwd=tmp_path, env=again, **options
    )
    assert done.stdout == "lamp reserved and shipped\n", done.stderr


def test_expressions_are_told_by_their_class():
    assert isinstance(assess.result, Expression)


def test_a_module_of_tasks_does_without_the_compiler():
    code = "import sys, weft; weft.task; print('weft.engine.compile' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    told = processes.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout == "False\n"


def test_every_name_of_the_package_is_there():
    for name in weft.flow.__all__:
        assert getattr(weft.flow, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        weft.flow.nothing  # noqa: B018


# ── the example ──────────────────────────────────────────────────────────────────────────────


def test_the_example_in_python_is_the_one_in_yaml(repository, monkeypatch):
    folder = repository / "docs" / "examples"
    monkeypatch.syspath_prepend(str(folder))
    import importlib

    made = importlib.import_module("claim").handle
    written = weft.load(folder / "claim.yaml")
    assert made.nets == written.nets
    assert net_hash(made) == net_hash(written)


def test_the_example_runs(repository):
    done = processes.run(
        [sys.executable, str(repository / "docs" / "examples" / "claim.py")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "About your claim C-17 (no. 4)\n", done.stderr


# ── deadlines, and instances that come later ─────────────────────────────────────────────────

decide_any = person("decide", "Pay?", Decision)
texts = Variable("texts", list[str])


def test_deadlines_remind_and_end():
    asked = decide.due("1d").on_due(refuse).timeout("3d").on_timeout(explain)
    made = process("x", claim).then(asked).build()
    task = made.nets["net"].tasks["decide"]
    assert (task.due, task.timeout_seconds) == ("1d", 259_200.0)
    assert (task.on_due.argument, task.on_timeout.argument) == ("refuse", "explain")
    assert net_hash(weft.loads(made.source.text.decode())) == net_hash(made)
    with weft.open(seed=1) as engine:
        now = made.run(engine, A_CLAIM)
        assert isinstance(now, IdleCase)
        done = now.wait()
        assert isinstance(done, CompletedCase), done
        assert done.data["refuse"] == "refused"
        assert str(done.output).endswith("(timeout)")
        (item,) = (now := made.run(engine, A_CLAIM)).items_of(decide)
        done = now.complete(item, Decision("pay")).settle()
        assert isinstance(done, CompletedCase)
        assert done.data.get("refuse") is None


def test_a_task_may_have_a_handler_of_its_timeout_and_one_of_other_failures():
    late, lost = explain.named("late"), explain.named("lost")
    for asked in (
        decide.timeout("3d").on_timeout(late).on_failure(lost),
        decide.timeout("3d").on_failure(lost).on_timeout(late),
    ):
        made = process("x", claim).then(asked).build()
        task = made.nets["net"].tasks["decide"]
        assert (task.on_timeout.argument, task.on_failure.argument) == ("late", "lost")
        assert net_hash(weft.loads(made.source.text.decode())) == net_hash(made)
    with weft.open(seed=1) as engine:
        now = made.run(engine, A_CLAIM)
        assert isinstance(now, IdleCase)
        done = now.wait()
        assert isinstance(done, CompletedCase), done
        assert str(done.output).endswith("(timeout)")
        (item,) = (now := made.run(engine, A_CLAIM)).items_of(decide)
        done = now.complete(item, Decision("pay")).settle()
        assert isinstance(done, CompletedCase)


def test_a_handler_is_said_once():
    with pytest.raises(weft.DefinitionErrors) as caught:
        process("x", claim).then(decide.on_failure(explain).on_failure(skip)).build()
    assert "'decide' says on_failure twice" in str(caught.value)


def test_deadlines_in_a_graph_are_the_same_net():
    made = graph("x", claim)
    asked = made.task(decide.due({"for": "1d"}).timeout("3d"))
    reminded, late = made.task(refuse), made.task(truth)
    made.on_due(asked, reminded)
    made.on_timeout(asked, late)
    built = made.start(asked).build()
    task = built.nets["net"].tasks["decide"]
    assert (task.due, task.on_due.argument, task.on_timeout.argument) == (
        {"for": "1d"}, "refuse", "truth",
    )  # fmt: skip
    assert net_hash(weft.loads(built.source.text.decode())) == net_hash(built)


def test_a_deadline_that_is_no_time_is_told_with_its_line():
    with pytest.raises(weft.DefinitionError, match="soon") as caught:
        process("x", claim).then(decide.due("soon")).build()
    at = line_of(test_a_deadline_that_is_no_time_is_told_with_its_line, 'soon")).build()')
    assert (Path(caught.value.faults[0].file).name, caught.value.faults[0].line) == (
        "test_flow.py", at,
    )  # fmt: skip


def test_handles_add_instances_and_seal():
    many = for_each(decide_any, open=True)
    made = process("x", texts).then(many.given(texts)).build()
    with weft.open() as engine:
        now = made.run(engine, ["a"])
        assert isinstance(now, IdleCase)
        now = now.add(many, "b", by="ada").settle()
        assert isinstance(now, IdleCase)
        assert len(now.items_of(many)) == 2
        for item in now.items:
            now = now.complete(item, Decision("pay")).settle()
            assert isinstance(now, IdleCase)
        done = now.seal(many).settle()
        assert isinstance(done, CompletedCase)
        assert done.data["decide"] == 2 * [{"choice": "pay", "comment": ""}]


async def test_asynchronous_handles_add_instances_and_seal():
    many = for_each(decide_any, open=True)
    made = process("x", texts).then(many.given(texts)).build()
    async with weft.open() as engine:
        now = await made.run(engine, [])
        assert isinstance(now, AsyncIdleCase)
        now = await (await now.add(many, "b")).settle()
        assert isinstance(now, AsyncIdleCase)
        now = await (await now.complete(now.items[0], Decision("pay"))).settle()
        assert isinstance(now, AsyncIdleCase)
        done = await (await now.seal(many)).settle()
        assert isinstance(done, CompletedCase)
