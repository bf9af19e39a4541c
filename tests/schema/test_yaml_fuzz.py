"""Damaged YAML of both formats: a specification or `DefinitionErrors` comes out, and nothing else.

Each seed damages a good file a few times: keys and values are altered, swapped, doubled, moved and
removed, or characters of the text are. What is still read has to compile, or be refused.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from weft.connectors import builtin as connectors
from weft.engine.compile import compile_specification
from weft.patterns import builtin as patterns
from weft.schema.errors import DefinitionError, DefinitionErrors
from weft.schema.native import read_native
from weft.schema.specification import Specification
from weft.schema.steps import read_steps
from weft.schema.yaml import load_yaml, plain

RUNS = 60
"""Files for each example."""

STEPS = """\
name: Ship it
version: "1.2"
description: Builds, asks, ships
triggers:
  - type: cli
    command: ship
    params:
      - {name: feature, type: string, required: true}
      - {name: retries, type: number, default: 2}
      - {name: where, type: string, enum: [here, there], default: here}
steps:
  - id: build
    module: testing
    action: run-tests
    inputs: {feature: "{{ trigger.feature }}", count: "{{ trigger.retries || 3 }}"}
    outputs: [{name: passed, type: boolean}, {name: notes, type: array}]
    maxRetries: 2
    retryDelay: 10
    timeout: 5000
    onSuccess: {condition: "{{ steps.build.outputs.passed }} === true && {{ trigger.retries }} >= 1",
      then: ask, else: {condition: "!{{ steps.build.outputs.passed }}", then: build, else: fix}}
    onFailure: fix
  - id: fix
    module: implementation
    action: implement-feature
    inputs: {why: "{{ workflow.error }}"}
    onSuccess: build
  - id: ask
    module: planning
    action: plan
    onSuccess: done
  - id: done
    module: git
    action: commit
"""

NATIVE = """\
weft: 1
name: rich
version: "2"
data:
  amount: {type: number, default: 3}
  people: {type: array, items: string, default: [a, b]}
  state: {type: object, fields: {n: {type: integer}}, default: {n: 1}}
net:
  start: [a]
  places: {ready: {tokens: 1, description: waiting}}
  tasks:
    a:
      title: First
      shell: [echo, "${amount}"]
      in: {amount: amount}
      retry: {attempts: 3, delay: 2s, factor: 2.0}
      timeout: 10m
      then: {exclusive-choice: [{when: "amount > 2", to: b}, {to: d}]}
      on-failure: compensate
      compensate: undo
    undo: {shell: [echo, undo]}
    b: {for-each: {in: people}, shell: [echo, quoted], then: {parallel-split: [c, f]}}
    c: {person: {title: Go on?, choices: [yes, no], role: host}, then: e}
    f: {wait: 5s, then: e, cancel-region: [c]}
    d: {net: inner, then: g}
    e: {join: structured-discriminator, shell: [echo], then: g}
    g: {join: simple-merge, milestone: ready}
nets:
  inner:
    start: x
    tasks: {x: {wait: 5s, then: w}, w: {}}
"""

ODD: tuple[Any, ...] = (
    *("", " ", "a", "x", "end", "error", "true", "null", "é", "\u202e", "{{", "{{ steps.a.b }}"),
    *("${", "${a}", "1 +", "a.b.c(", "'", '"', "\\", "a\nb", "a" * 3000, "1e9", "-1", "on", "1:30"),
    *("PT1H", "9999y", "* * * * *", -1, 0, 1, 2**31, 2**63, 10**30, 1.5, float("inf"), True, None),
    *([], {}, [[]], {"a": {}}, {1: 2}, {"net": []}, [None], ["a", "a"], "build", "b", "inner"),
)


def spots(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a tree with each of its keys."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    for key in keys:
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from spots(tree[key])


def damaged(text: str, draw: random.Random) -> str:
    tree = plain(load_yaml(text))
    for _ in range(draw.choice((1, 1, 2, 4))):
        places = list(spots(tree))
        if not places:
            break
        holder, key = draw.choice(places)
        other, there = draw.choice(places)
        what = draw.randrange(6)
        if what == 0:
            holder[key] = draw.choice(ODD)
        elif what == 1:
            del holder[key]
        elif what == 2:
            holder[key] = copy.deepcopy(other[there])
        elif what == 3 and isinstance(holder, dict):
            holder[draw.choice([*ODD[:8], there if isinstance(there, str) else "x"])] = holder.pop(
                key
            )
        elif what == 4 and isinstance(holder, list):
            holder.append(holder[key])
        else:
            holder[key] = [holder[key]]
    written: str = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    if draw.random() < 0.3:
        for _ in range(draw.choice((1, 3))):
            at = draw.randrange(len(written) + 1)
            cut = draw.choice((0, 1, 5))
            written = (
                written[:at]
                + draw.choice("{}[]:,-#&*!|>'\"%@` \n\t\x00\ufeff1a")
                + written[at + cut :]
            )
    return written


def outcome(read: Callable[..., Specification], text: str) -> bool:
    """Whether a text is read and compiles; False: it is refused, with something to say."""
    try:
        compile_specification(
            read(text, file="fuzz.yaml"), registry=patterns(), connectors=connectors()
        )
    except (DefinitionError, DefinitionErrors) as error:
        assert error.faults if isinstance(error, DefinitionErrors) else error.message
        return False
    return True


def held(read: Callable[..., Specification], text: str, runs: int = RUNS) -> int:
    """How many of so many damaged texts are refused; the others are good ones."""
    refused = 0
    for seed in range(runs):
        content = damaged(text, random.Random(seed))
        try:
            refused += not outcome(read, content)
        except Exception as error:
            error.add_note(f"seed {seed}: {content}")
            raise
    return refused


@pytest.mark.no_cover
@pytest.mark.parametrize(("read", "text"), [(read_native, NATIVE), (read_steps, STEPS)])
def test_damaged_files_are_read_or_refused(read: Callable[..., Specification], text: str) -> None:
    assert outcome(read, text)
    assert held(read, text) > 0


@pytest.mark.no_cover
def test_damaged_examples_are_read_or_refused(repository: Path) -> None:
    files = sorted(repository.glob("docs/examples/*.yaml"))
    assert len(files) > 8
    for path in files:
        text = path.read_text("utf-8")
        held(read_native if "\nsteps:" not in text else read_steps, text, runs=8)
