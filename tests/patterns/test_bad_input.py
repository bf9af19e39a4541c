"""What each of the 43 patterns says of input that it cannot take, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import weft
from weft.patterns import builtin

HEAD = "weft: 1\nname: wrong\ndata:\n  n: {type: integer, default: 2}\n  xs: {type: array, items: string, default: [p, q]}\nnet:\n"
"""Above each of the texts below; the sign § stands before what is wrong, and is taken out."""


def after(then: str, more: str = "") -> str:
    """A net whose first task goes on like this; what is wrong with it is told of its `then`."""
    at = "" if "§" in then else "§"
    return f"  start: a\n  tasks:\n    a: {{shell: [x], {at}then: {then}}}\n    b: {{shell: [x]}}\n    c: {{shell: [x]}}\n{more}"


def of(keys: str) -> str:
    """A net whose first task has these keys."""
    return f"  start: a\n  tasks:\n    a: {{{keys}, shell: [x], then: b}}\n    b: {{shell: [x]}}\n"


def met(join: str, branches: str = "[b, c]") -> str:
    """A net in which branches meet like this."""
    return (
        f"  start: a\n  tasks:\n    a: {{shell: [x], then: {{parallel-split: {branches}}}}}\n"
        "    b: {shell: [x], then: j}\n    c: {shell: [x], then: j}\n"
        f"    j: {{{join}, shell: [x]}}\n"
    )


def alone(join: str) -> str:
    """A net in which only one flow leads to a join."""
    return f"  start: a\n  tasks:\n    a: {{shell: [x], then: j}}\n    j: {{{join}, shell: [x]}}\n"


def across(pattern: str) -> str:
    """A net with a pattern over its tasks."""
    return (
        f"  start: a\n  patterns: [{pattern}]\n  tasks:\n"
        "    a: {shell: [x], then: {parallel-split: [b, c]}}\n"
        "    b: {shell: [x]}\n    c: {shell: [x]}\n"
    )


def beside(keys: str) -> str:
    """A net in which a task stands beside one of many instances."""
    return (
        "  start: a\n  tasks:\n    a: {shell: [x], then: {parallel-split: [b, c]}}\n"
        f"    b: {{for-each: {{in: xs}}, shell: [x]}}\n    c: {{{keys}, shell: [x]}}\n"
    )


WRONG: Sequence[tuple[int, str, str]] = [
    (1, after("§d"), "there is no task or place 'd'"),
    (1, after("{sequence: 7}"), "expected the name of a task or place, found 7"),
    (2, after("{parallel-split: [b]}"), "expected a list of two or more"),
    (2, after("{parallel-split: [b, b]}"), "b stands twice in the list"),
    (2, after("{parallel-split: b}"), "expected a list of two or more"),
    (3, alone("join: §synchronization"), "only one leads to 'j'"),
    (3, met("§join: {synchronization: 2}"), "synchronization takes no parameters"),
    (4, after("{exclusive-choice: [{to: b}, {when: n > 1, to: c}]}"), "has to stand last"),
    (4, after("{exclusive-choice: [{to: b}]}"), "at least one branch with a condition"),
    (
        4,
        after("{exclusive-choice: [{when: §n, to: b}, {to: c}]}"),
        "of type boolean; 'n' is integer",
    ),
    (5, met("§join: {simple-merge: 2}"), "simple-merge takes no parameters"),
    (6, after("{multi-choice: []}"), "expected a list of branches"),
    (6, after("{multi-choice: [{when: §m > 1, to: b}, {to: c}]}"), "'m'"),
    (7, met("join: §structured-synchronizing-merge"), "multi-choice"),
    (7, alone("join: §structured-synchronizing-merge"), "only one leads to 'j'"),
    (8, met("§join: {multi-merge: {n: 2}}"), "multi-merge takes no parameters"),
    (9, alone("join: §structured-discriminator"), "only one leads to 'j'"),
    (9, met("§join: {structured-discriminator: {n: 2}}"), "takes no parameters"),
    (10, met("§join: {arbitrary-cycles: {times: 2}}"), "takes no parameters"),
    (11, after("{implicit-termination: b}"), "takes no parameters"),
    (12, of("§for-each: {times: 0, wait: false}"), "number from 1"),
    (12, of("§for-each: {in: xs, times: 2, wait: false}"), "either in, a list"),
    (13, of("§for-each: {times: -1}"), "number"),
    (13, of("§for-each: {times: 3, as: x}"), "instances that are only counted have none"),
    (14, of("for-each: {in: §n}"), "of type array; 'n' is integer"),
    (14, of("§for-each: {in: xs, at-most: 0}"), "at-most: expected a whole number from 1"),
    (15, of("§for-each: {in: xs, open: false}"), "open: expected true"),
    (16, after("{deferred-choice: [b]}"), "expected a list of two or more"),
    (
        16,
        after("{deferred-choice: §[b, c]}", "").replace("c: {shell: [x]}", "c: {}"),
        "'c' cannot be an alternative",
    ),
    (17, across("interleaved-parallel-routing: §[a]"), "two or more tasks"),
    (17, across("interleaved-parallel-routing: [a, §d]"), "'d'"),
    (18, of("milestone: §m"), "there is no place 'm'; there are: none, declare it in `places`"),
    (18, of("milestone: §b"), "no place 'b', only a task of that name"),
    (19, of("cancel-task: §d"), "no task or place 'd'"),
    (20, after("{cancel-case: b}"), "takes no parameters"),
    (21, of("§structured-loop: {while: n > 1, until: n > 2}"), "either while"),
    (21, of("structured-loop: {until: §n}"), "of type boolean; 'n' is integer"),
    (22, of("recursion: §0"), "whole number from 1"),
    (
        22,
        "  start: a\n  tasks:\n    a: {shell: [x], then: b}\n    b: {recursion: 3, net: §net}\n",
        "runs itself again",
    ),
    (23, of("transient-trigger: §''"), "name"),
    (23, of("§transient-trigger: {}"), "trigger"),
    (24, of("§persistent-trigger: {trigger: t, into: 3}"), "into: expected the name of a variable"),
    (24, of("§persistent-trigger: {trigger: t, key: k, always: true}"), "key"),
    (25, of("cancel-region: §[]"), "a list"),
    (25, of("cancel-region: [b, §d]"), "no task or place 'd'"),
    (26, beside("cancel-multiple-instance-task: §a"), "'a' has one instance"),
    (26, beside("cancel-multiple-instance-task: §d"), "'d'"),
    (27, beside("complete-multiple-instance-task: §a"), "'a' has one instance"),
    (
        27,
        beside("complete-multiple-instance-task: §b").replace("in: xs", "in: xs, wait: false"),
        "nothing to complete",
    ),
    (28, alone("join: §blocking-discriminator"), "only one leads to 'j'"),
    (29, alone("§join: {cancelling-discriminator: [a]}"), "only one leads to 'j'"),
    (29, met("join: {cancelling-discriminator: [b, §d]}"), "no task or place 'd'"),
    (30, met("§join: {structured-partial-join: {n: 3}}"), "n is 1 to 2"),
    (30, met("§join: {structured-partial-join: {n: 0}}"), "whole number from 1"),
    (31, met("§join: {blocking-partial-join: {n: 3}}"), "n is 1 to 2"),
    (31, met("§join: {blocking-partial-join: {n: true}}"), "whole number from 1"),
    (32, met("§join: {cancelling-partial-join: {n: 3, cancels: [b]}}"), "n is 1 to 2"),
    (32, met("§join: {cancelling-partial-join: {n: 1}}"), "needs 'cancels'"),
    (32, met("join: {cancelling-partial-join: {n: 1, cancels: [§d]}}"), "no task or place 'd'"),
    (33, alone("join: §generalised-and-join"), "only one leads to 'j'"),
    (34, of("§for-each: {times: 3, enough: 4}"), "enough is 4, and there are 3 instances"),
    (34, of("§for-each: {times: 3, enough: 0}"), "1"),
    (35, of("§for-each: {times: 3, enough: 4, rest: cancel}"), "enough is 4, and there are 3"),
    (35, of("§for-each: {times: 3, enough: 2, rest: keep}"), "rest: expected cancel, found 'keep'"),
    (36, of("for-each: {in: xs, until: §n}"), "of type boolean; 'n' is integer"),
    (36, of("§for-each: {in: xs, until: completed > 1, rest: drop}"), "rest: expected cancel"),
    (37, alone("join: §local-synchronizing-merge"), "only one leads to 'j'"),
    (
        37,
        "  start: a\n  tasks:\n    a: {shell: [x], then: {multi-choice: [{when: n > 1, to: b}, {to: j}]}}\n    b: {shell: [x], then: {exclusive-choice: [{when: n > 3, to: b2}, {to: j}]}}\n    b2: {shell: [x], then: b}\n    j: {join: §local-synchronizing-merge, shell: [x]}\n",
        "38",
    ),
    (38, alone("join: §general-synchronizing-merge"), "only one leads to 'j'"),
    (
        38,
        met("§join: {general-synchronizing-merge: {rule: strict}}"),
        "expected general or structural",
    ),
    (39, across("critical-section: §[[a]]"), "two or more lists"),
    (39, across("critical-section: §[[a, b], [b]]"), "in two of the lists"),
    (39, across("critical-section: [[a], [§d]]"), "'d'"),
    (40, across("interleaved-routing: §[]"), "expected a list of two or more tasks, found []"),
    (40, across("interleaved-routing: [b, §d]"), "'d'"),
    (41, of("thread-merge: §0"), "number from 1"),
    (41, of("thread-merge: §xs"), "of type integer; 'xs' is array"),
    (42, after("{thread-split: {to: b, n: 0}}"), "number from 1"),
    (42, after("{thread-split: {n: 2}}"), "needs 'to'"),
    (43, after("{explicit-termination: {code: 1}}"), "takes no parameters"),
]


def test_there_is_something_wrong_with_each_pattern() -> None:
    assert {number for number, _, _ in WRONG} == {p.id for p in builtin() if p.id is not None}


def refused(text: str) -> list[Any]:
    """The faults of a specification."""
    with pytest.raises(weft.DefinitionErrors) as caught, weft.open() as engine:
        engine.add(weft.loads(text))
    return list(caught.value.exceptions)


@pytest.mark.parametrize(("number", "net", "words"), WRONG)
def test_what_cannot_be_is_refused_where_it_stands(number: int, net: str, words: str) -> None:
    text = HEAD + net
    before, _, _ = text.partition("§")
    line, column = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
    faults = refused(text.replace("§", ""))
    told = [f"{f.line}:{f.column} {f.message}" for f in faults]
    assert any(
        words in fault.message and (fault.line, fault.column) == (line, column) for fault in faults
    ), f"wanted at {line}:{column}: {words}; told: {told}"


# ── patterns outside their context: the net is sound in form, and not in what it does ────────

OUTSIDE = {
    "a simple merge that two threads reach": (
        met("join: simple-merge"),
        "say `join: multi-merge`",
    ),
    "a structured discriminator that a branch overtakes": (
        (
            "  start: a\n  tasks:\n    a: {join: arbitrary-cycles, shell: [x], "
            "then: {parallel-split: [b, c]}}\n    b: {shell: [x], then: j}\n    c: {shell: [x], then: j}\n"
            "    j: {join: structured-discriminator, shell: [x], "
            "then: {exclusive-choice: [{when: n > 2, to: a}, {to: d}]}}\n    d: {shell: [x]}\n"
        ),
        "say blocking-discriminator (28)",
    ),
    "a structured partial join that a branch overtakes": (
        (
            "  start: a\n  tasks:\n    a: {join: arbitrary-cycles, shell: [x], "
            "then: {parallel-split: [b, c, e]}}\n    b: {shell: [x], then: j}\n"
            "    c: {shell: [x], then: j}\n    e: {shell: [x], then: j}\n"
            "    j: {join: {structured-partial-join: {n: 2}}, shell: [x], "
            "then: {exclusive-choice: [{when: n > 2, to: a}, {to: d}]}}\n    d: {shell: [x]}\n"
        ),
        "blocking-partial-join (31)",
    ),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_pattern_outside_its_context_is_refused_and_another_named(name: str) -> None:
    net, words = OUTSIDE[name]
    verdict = weft.verify(weft.loads(HEAD + net))
    found = [d for d in verdict.diagnostics if words in d.message]
    assert found, [d.message for d in verdict.diagnostics]
    assert verdict.sound is False
