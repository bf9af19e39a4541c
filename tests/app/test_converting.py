"""weft convert: the same process in another format, or all that the other format cannot say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import weft as package
from weft.formats import Format, Formats, formats
from weft.schema.errors import DefinitionErrors
from weft.steps_inverse import same_net
from weft.steps_writer import write_steps

NATIVE = """\
weft: 1
name: pick
version: "2"
description: One of two ways
triggers: [{event: asked}]
data: {who: string, mood: {type: string, default: "it's"}, days: {type: integer, default: 3}}
net:
  start: begin
  tasks:
    begin: {then: greet}
    greet:
      action: {module: tale, action: tell, outputs: {words: string}}
      in: {words: "'Hello {{' + who + ' ' + text(days)", mood: mood, list: [1]}
      retry: {attempts: 2, delay: 10ms}
      timeout: 5s
      then: {exclusive-choice: [
        {when: "days > 2 && (greet.words == 'x' || who != 'Bob')", to: fork}, {to: last}]}
      on-failure: sorry
    fork: {then: {exclusive-choice: [{when: "!(mood == 'bad')", to: ask}, {to: last}]}}
    ask: {person: {title: Go on?, text: Really, choices: [yes, no], role: host}, then: tell}
    tell:
      action: tale.tell
      in: {words: ask.choice, mood: "greet.words != null ? greet.words : 'none'"}
      then: last
    last: {action: tale.tell, in: {words: "days == 3 || days == 4"}}
    sorry: {action: tale.tell, in: {words: error.message}}
"""


@pytest.fixture
def told():
    """What the action was given, in order."""
    return []


def run(specification, told, data, answer="yes"):
    """Run a case with a module that notes what it is given; its end."""

    def tell(words, mood=None, list=None):
        told.append((words, mood, list))
        if mood == "bad":
            raise package.WorkFailed("no", retryable=False)
        return {"words": str(words)}

    with package.open(modules={"tale": {"tell": tell}}) as engine:
        case = engine.run(specification, data)
        for item in case.work_items:
            case.complete(item.id, {"choice": answer})
            case.wait()
        return case.status


@pytest.mark.parametrize(
    "data",
    [{"who": "Ada"}, {"who": "Bob"}, {"who": "A", "days": 1}, {"who": "x", "mood": "bad"}],
    ids=str,
)
def test_a_process_does_the_same_in_both_formats(told, data):
    native = package.loads(NATIVE)
    steps = package.loads(write_steps(native))
    assert steps.source.format == "steps"
    first = run(native, told, data)
    before, told[:] = list(told), []
    assert run(steps, told, {"trigger": data}) is first
    assert told == before
    assert [t.event for t in steps.triggers] == ["asked"]


def test_what_the_steps_format_cannot_say_is_told_at_once():
    text = """\
weft: 1
name: x
triggers: [{event: e, when: event.data}]
data: {n: {type: integer, merge: add}, t: string}
net:
  start: [a, b]
  places: {p: {then: c}}
  tasks:
    a: {shell: ["true"], then: p}
    b: {action: m.x, in: {v: n * 2}, out: {n: result}, retry: {attempts: 2, factor: 2}, then: {parallel-split: [c, d]}}
    c: {person: {title: T, form: {x: string}}, join: synchronization}
    d: {action: m.x, in: {v: c.x, w: "n == 1 == true", u: nobody.z}, retry: {attempts: 2}, then: d2}
    d2: {join: synchronization, then: d}
"""
    with pytest.raises(DefinitionErrors) as caught:
        write_steps(package.loads(text))
    told = str(caught.value)
    for part in (
        "no places: p",
        "begins with one step",
        "parameters are not merged",
        "without conditions or mappings",
    ):
        assert part in told
    one = text.replace("[a, b]", "a").replace("then: p}", "then: b}")
    with pytest.raises(DefinitionErrors) as caught:
        write_steps(package.loads(one))
    told = str(caught.value)
    for part in (
        "this is shell",
        "not by 'parallel-split'",
        "'out' cannot be said",
        "templates do not calculate: '*'",
        "waits are all of one length",
        "a form cannot be said",
        "a comparison of a comparison",
        "neither a variable nor the result",
        "a decision gives its choice",
        "no join 'synchronization'",
        "it can be come back to",
        "does more than to pass the flow on",
    ):
        assert part in told, part
    assert all(f.line for f in caught.value.faults)


def test_every_workflow_of_the_corpus_is_the_same_net_in_the_native_format(corpus, weft, folder):
    for path in sorted((corpus / "steps").glob("*.yaml")):
        assert weft("convert", path, "out.yaml").code == 0
        assert package.load("out.yaml").nets == package.load(path).nets
        assert weft("convert", path, "same.steps.yaml").code == 0
        assert package.load("same.steps.yaml").nets == package.load(path).nets


# ── the command ──────────────────────────────────────────────────────────────────────────────


def test_the_suffix_tells_the_format(weft, write):
    write("pick.yaml", NATIVE)
    done = weft("convert", "pick.yaml", "pick.steps.yaml", "--json")
    assert done.json == {"file": "pick.steps.yaml", "format": "steps", "lost": []}
    back = weft("convert", "pick.steps.yaml", "back.yaml")
    assert (back.code, back.err) == (0, "")
    shown = weft("convert", "pick.yaml", "-", "--to", "native")
    assert package.loads(shown.out).nets == package.loads(NATIVE).nets
    assert weft("convert", "pick.yaml", "-", "--to", "native", "--json").json["text"] == shown.out


def test_what_an_author_says_besides_is_kept(weft, write):
    write("pick.yaml", NATIVE)
    assert weft("convert", "pick.yaml", "pick.steps.yaml").code == 0
    text = Path("pick.steps.yaml").read_text()
    title = "Pick, of many: *these*"
    text = re.sub(r"(?m)^name: .*", f"name: {title!r}\ncategory: [a]\nmetadata: {{team: 7}}", text)
    Path("told.steps.yaml").write_text(text)
    assert weft("convert", "told.steps.yaml", "told.yaml").err == ""
    kept = package.load("told.yaml").metadata
    assert kept == package.load("told.steps.yaml").metadata
    assert (kept["name"], kept["category"], kept["metadata"]) == (title, ["a"], {"team": 7})
    assert weft("convert", "told.yaml", "again.steps.yaml").err == ""
    assert package.load("again.steps.yaml").metadata == kept
    # What is of no format but the native one is told.
    native = Path("pick.yaml").read_text().replace("weft: 1", "weft: 1\nmetadata: {own: 1}")
    write("own.yaml", native)
    assert "'own' of the file" in weft("convert", "own.yaml", "own.steps.yaml").err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["pick.yaml", "out.txt"], "format"),
        (["pick.yaml", "out.yaml", "--to", "nothing"], "format"),
        (["pick.yaml", "-"], "format"),
        (["pick.yaml", "pick.yaml"], "same"),
        (["gone.yaml", "out.yaml"], "file-unreadable"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else v,
)
def test_what_cannot_be_converted(weft, write, words, code):
    write("pick.yaml", NATIVE)
    done = weft("convert", *words, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, code)


def test_a_format_that_is_only_read_or_only_written():
    only = Formats((Format("r", "one format", (".r",), read=lambda *_: package.loads(NATIVE)),))
    with pytest.raises(package.UsageError, match="one format is read, not written"):
        only.write(package.loads(NATIVE), only.named("r"))
    assert formats().named("native").suffixes[0] == ".yaml"


# ── back again ───────────────────────────────────────────────────────────────────────────────

EVERY_WORD = """\
name: Every Word
version: "2.1"
description: "All of it"
triggers:
  - type: cli
    params:
      - {name: feature, type: string, required: true, description: What}
      - {name: mode, type: string, default: fast, enum: [fast, slow]}
      - {name: days, type: number, default: 7}
      - {name: tags, type: array, items: {type: string}}
      - {name: conf, type: object, properties: {deep: {type: boolean}}, default: {deep: true}}
      - name: anything
  - {type: event, event: saved}
steps:
  - id: v1.2
    module: system
    action: log
    inputs:
      message: "{{ trigger.feature }} in {{ trigger.mode || 'none' }} by {{ workflow.name }} {{ '{{' }} {{ workflow.error }}"
      level: "{{ trigger.conf.deep && trigger.tags[0] === 'x' || 'info' }}"
    retryDelay: 2
    maxRetries: 2
    timeout: 30s
    onSuccess:
      condition: "{{ trigger.days >= 3 && steps['v1.2'].outputs.message !== 'a' }}"
      then:
        condition: "!{{ trigger.tags }} || ({{ trigger.mode }} === 'fast' && {{ trigger.days }} < 9)"
        then: ask
        else: {condition: "{{ steps.ask.status }} == 'failed'", then: ask, else: 2nd}
      else: {condition: true, then: 2nd, else: bad}
    onFailure: bad
  - id: ask
    module: system
    action: wait-for-decision
    description: Decide
    inputs:
      title: "Shall we, {{ trigger.feature }}?"
      description: really
      role: boss
      proposals: [{id: a, label: "{{ trigger.mode }}"}, b]
      extra: {list: ["{{ workflow.executionId }}", 3, null], plain: 5}
    onSuccess: {condition: "{{ steps.ask.outputs.decision }} === 'a'", then: 2nd}
  - id: free
    module: system
    action: wait-for-decision
    onSuccess: 2nd
  - id: 2nd
    module: system
    action: notify-completion
    inputs: {status: "{{ workflow.status }}", duration: "{{ workflow.duration }}", message: "{{ workflow.state }} {{ workflow.currentStep }} {{ workflow.cwd }}", n: 5, deep: {a: "it's {{ trigger.days > 3 }}"}}
    onFailure: {condition: "{{ workflow.error.code }} === 'x'", then: free, else: v1.2}
  - id: bad
    module: system
    action: handle-error
    inputs: {error: "{{ workflow.error }}", step: "{{ workflow.currentStep }}"}
    outputs: [{name: handled, type: boolean}, {name: message, type: string, enum: [a, b]}]
    onSuccess: {condition: "{{ trigger.anything || trigger.days }}", then: ask, else: free}
"""
LONG = "x" * 3000
PLAIN = f"""\
name: Plain
triggers: [{{type: webhook, path: /x, params: [{{name: days, type: number, default: 2}}]}}]
steps:
  - id: one
    module: system
    action: log
    inputs: {{message: "{LONG} {{{{ trigger.other }}}} {LONG} {{{{ trigger }}}}"}}
    onSuccess: {{condition: false, then: one, else: two}}
  - {{id: two, module: system, action: log, inputs: {{message: "{{{{ steps.one.outputs }}}}"}}}}
"""


def there_and_back(text):
    """A workflow in the native format, and back; what both were read as."""
    known = formats()
    native = known.write(package.loads(text), known.named("native")).text.decode()
    read = package.loads(native)
    again = package.loads(write_steps(read))
    assert again.source.format == "steps"
    return read, again


@pytest.mark.parametrize("text", [EVERY_WORD, PLAIN])
def test_a_workflow_in_the_native_format_goes_back_to_the_same_net(text):
    read, again = there_and_back(text)
    assert same_net(read, again)
    assert again.nets[again.root].tasks.keys() == read.nets[read.root].tasks.keys()


def test_every_workflow_of_the_corpus_comes_back(corpus):
    for path in sorted((corpus / "steps").glob("*.yaml")):
        read, again = there_and_back(path.read_text())
        assert same_net(read, again), path.name


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("{'two': {'status': 'completed', 'outputs': result}}", "{'two': result}"),
        ("steps.get('one').get('outputs')", "size(steps)"),
        ("retry: {attempts: 3}", "retry: {attempts: 2}"),
        ("action: {module: system, action: log}", "python: act"),
    ],
)
def test_what_was_changed_in_between_is_never_written_as_something_else(was, becomes):
    known = formats()
    text = PLAIN.replace(LONG, "x").replace("action: log, in", "action: log, maxRetries: 2, in")
    native = known.write(package.loads(text), known.named("native")).text.decode()
    assert was in native
    changed = package.loads(native.replace(was, becomes))
    with pytest.raises(DefinitionErrors) as caught:
        write_steps(changed)
    assert {fault.code for fault in caught.value.faults} == {"not-in-steps"}
