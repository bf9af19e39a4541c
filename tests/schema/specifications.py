"""Generated specifications, as far as the native format can say them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from weft.schema.datatypes import ABSENT, DataType, Variable
from weft.schema.durations import MAX_SECONDS
from weft.schema.native import KEYS
from weft.schema.specification import (
    EVENT_PATTERN,
    EventTrigger,
    NetDefinition,
    PlaceDefinition,
    Retry,
    Specification,
    TaskDefinition,
    Termination,
    Use,
)

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30) | st.sampled_from(
    ["a: b", "- a", "#", "on", "null", "1.10", "2s", "two\nlines\n", "two\nlines", "\n", " x", "'"]
)
NAMES = st.from_regex("[A-Za-z_][A-Za-z0-9_-]{0,9}", fullmatch=True)
VARIABLES = st.from_regex("[A-Za-z_][A-Za-z0-9_]{0,9}z", fullmatch=True)  # no reserved words
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.just(""),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXT | st.just(""), inner, max_size=4)
    ),
    max_leaves=12,
)
USES = st.builds(Use, TEXT, JSON)
KEY_USES = USES.filter(lambda use: use.name not in KEYS["task"])
THENS = st.builds(Use, st.just("sequence"), NAMES) | USES
SECONDS = st.integers(0, int(MAX_SECONDS) * 1_000_000).map(lambda us: us / 1_000_000)
ARGUMENTS = st.dictionaries(
    NAMES, JSON.filter(lambda value: not isinstance(value, str) or value.strip()), max_size=3
)


@st.composite
def retries(draw: st.DrawFn) -> Retry:
    """Policies; no wait is asked to be longer than the longest."""
    delay, longest = sorted(draw(st.tuples(SECONDS, SECONDS | st.just(86_400.0))))
    return Retry(
        attempts=draw(st.integers(1, 1_000_000)),
        delay_seconds=delay,
        factor=draw(st.floats(1, 1000) | st.just(2.0)),
        max_delay_seconds=longest,
        jitter=draw(st.sampled_from(["none", "full"])),
        crashes=draw(st.integers(0, 1_000_000) | st.just(10)),
    )


def tasks(name: str) -> st.SearchStrategy[TaskDefinition]:
    return st.builds(
        TaskDefinition,
        name=st.just(name),
        title=TEXT | st.just(""),
        description=TEXT | st.just(""),
        join=st.none() | USES,
        then=st.none() | THENS,
        on_failure=st.none() | THENS,
        compensate=st.none() | NAMES,
        inputs=ARGUMENTS,
        outputs=st.none() | ARGUMENTS,
        retry=st.none() | retries(),
        timeout_seconds=st.none() | SECONDS.filter(bool),
        due=st.none()
        | st.sampled_from(["2d", {"until": "x"}, {"next": "0 9 * * *", "zone": "UTC"}]),
        concurrency=st.none() | st.integers(1, 1_000_000),
        uses=st.lists(KEY_USES, max_size=3, unique_by=lambda use: use.name).map(tuple),
    )


def places(name: str) -> st.SearchStrategy[PlaceDefinition]:
    return st.builds(
        PlaceDefinition,
        name=st.just(name),
        tokens=st.integers(0, 1_000_000),
        then=st.none() | THENS,
        description=TEXT | st.just(""),
    )


@st.composite
def variables(draw: st.DrawFn, name: str) -> Variable:
    declared = DataType.from_declaration(
        draw(
            st.sampled_from(
                [
                    "any",
                    "string",
                    {"type": "array", "items": "integer", "nullable": True},
                    {"type": "object", "fields": {"sku": {"type": "string", "required": True}}},
                    {"type": "string", "enum": ["ship", "stop"]},
                ]
            )
        )
    )
    required = draw(st.booleans())
    default = ABSENT
    if not required and declared.type == "any":
        default = draw(st.just(ABSENT) | JSON)
    return Variable(
        name, declared, default=default, required=required, description=draw(TEXT | st.just(""))
    )


@st.composite
def nets(draw: st.DrawFn, name: str) -> NetDefinition:
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    cut = draw(st.integers(1, len(names)))
    return NetDefinition(
        name,
        start=tuple(draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))),
        tasks={task: draw(tasks(task)) for task in names[:cut]},
        places={place: draw(places(place)) for place in names[cut:]},
        variables={v: draw(variables(v)) for v in draw(st.lists(VARIABLES, max_size=3))},
        termination=draw(st.sampled_from(Termination)),
        uses=draw(st.lists(USES, max_size=3).map(tuple)),
    )


@st.composite
def sequences(draw: st.DrawFn) -> NetDefinition:
    """Nets whose tasks only follow each other."""
    names = [draw(st.just(f"step-{i + 1}") | NAMES) for i in range(draw(st.integers(1, 5)))]
    names = list(dict.fromkeys(names))
    steps = {}
    for name, following in zip(names, [*names[1:], None], strict=True):
        task = draw(tasks(name))
        steps[name] = TaskDefinition(
            name,
            title=task.title,
            inputs=task.inputs,
            on_failure=task.on_failure,
            uses=task.uses,
            then=None if following is None else Use("sequence", following),
        )
    return NetDefinition("net", start=(names[0],), tasks=steps)


TRIGGERS = st.builds(
    EventTrigger,
    event=st.from_regex(EVENT_PATTERN, fullmatch=True),
    data=st.none() | st.dictionaries(NAMES, st.integers(0, 9) | st.booleans(), max_size=2),
    when=st.none() | st.sampled_from(["event.data > 1", "event.key == 'a'"]),
)


@st.composite
def specifications(draw: st.DrawFn) -> Specification:
    others = draw(st.lists(NAMES.filter(lambda name: name != "net"), max_size=2, unique=True))
    return Specification(
        name=draw(st.from_regex("[A-Za-z0-9_][A-Za-z0-9._-]{0,9}", fullmatch=True)),
        version=draw(st.from_regex("[A-Za-z0-9_][A-Za-z0-9._+-]{0,9}", fullmatch=True)),
        nets={
            "net": draw(nets("net") | sequences()),
            **{name: draw(nets(name)) for name in others},
        },
        description=draw(TEXT | st.just("")),
        language=draw(st.sampled_from(["cel", "xpath"])),
        triggers=tuple(draw(st.lists(TRIGGERS, max_size=2))),
    )
