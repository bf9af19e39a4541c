"""No fault of a file hides another: they are told together, whatever layer finds them."""

from __future__ import annotations

import pytest

import weft

STEPS = """\
name: x
steps:
  - id: a
    module: system
    action: log
    inputs: {message: "{{ nope }}"}
    onSuccess: {condition: [1], then: b, else: gone}
  - id: b
    module: system
    action: 5
    onSuccess: {condition: "{{ trigger.x", then: c}
  - {id: c, module: system, action: log, 7: x, onSucces: a}
"""
NATIVE = """\
weft: 1
name: x
name: y
data: {5: string, ok: strin}
net:
  start: a
  tasks:
    a: {shell: echo hi, 3: x, timeout: 5}
    7: {shell: [echo], [1]: x}
"""


@pytest.mark.parametrize(
    ("text", "lines", "parts"),
    [
        (
            STEPS,
            {6, 7, 10, 11, 12},
            ["no 'nope'", "expected a condition", "no step 'gone'", "the key 7 is a number", "onSucces"],
        ),
        (
            NATIVE,
            {3, 4, 8, 9},
            ["stands twice", "the key 5", "no type 'strin'", "the key 3", "a sequence cannot be a key", "timeout"],
        ),
    ],
    ids=["steps", "native"],
)  # fmt: skip
def test_all_faults_of_a_file_come_together(text, lines, parts):
    with pytest.raises(weft.DefinitionErrors) as caught:
        weft.loads(text)
    faults = caught.value.faults
    assert {fault.line for fault in faults} == lines
    for part in parts:
        assert any(part in fault.message for fault in faults), part
    assert [(f.line, f.column) for f in faults] == sorted((f.line, f.column) for f in faults)
    # Nothing is told that is no fault: the ways on of a condition that is none are still ways on.
    assert not any("nothing leads here" in fault.message for fault in faults)
