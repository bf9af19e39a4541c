"""YAWL files: what is read of them, and what their OR-joins say at given markings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.connectors import builtin as connectors
from weft.engine import commands as c
from weft.engine import orjoin
from weft.engine.case import CaseState
from weft.engine.compile import compile_specification
from weft.engine.decide import decide
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import CompiledSpecification
from weft.engine.ports import CaseId, ItemId, Microseconds
from weft.engine.runtime.clock import MILLENNIUM
from weft.patterns import builtin as patterns
from weft.schema.errors import CommandRejected, DefinitionError, DefinitionErrors
from weft.schema.specification import Specification, Use
from weft.schema.yawl import read_yawl

BETA = "http://www.citi.qut.edu.au/yawl"
LATER = "http://www.yawlfoundation.org/yawlschema"


def written(net: str, *, more: str = "", version: str | None = "4.0", uri: str = "case") -> bytes:
    """A YAWL file with one net, and whatever decompositions besides."""
    namespace = BETA if version is None or version.startswith("Beta") else LATER
    attribute = "" if version is None else f' version="{version}"'
    return f"""<specificationSet xmlns="{namespace}"{attribute}
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<specification uri="{uri}"><metaData><version>1.3</version></metaData>
<decomposition id="main" isRootNet="true" xsi:type="NetFactsType">
<processControlElements>{net}</processControlElements></decomposition>{more}
<decomposition id="work" xsi:type="WebServiceGatewayFactsType"/>
</specification></specificationSet>""".encode()


def condition(id_: str, *to: str, kind: str = "condition") -> str:
    return f'<{kind} id="{id_}">{"".join(map(flow, to))}</{kind}>'


def flow(to: str) -> str:
    return f'<flowsInto><nextElementRef id="{to}"/></flowsInto>'


def task(
    id_: str, *to: str, join: str = "xor", split: str = "and", extra: str = "", by: str = "work"
) -> str:
    performed = f'<decomposesTo id="{by}"/>' if by else ""
    flows = "".join(x if x.startswith("<") else flow(x) for x in to)
    return (
        f'<task id="{id_}">{flows}<join code="{join}"/><split code="{split}"/>{extra}{performed}'
        "</task>"
    )


def begins(*to: str) -> str:
    return condition("i", *to, kind="inputCondition") + '<outputCondition id="o"/>'


def compiled(specification: Specification) -> CompiledSpecification:
    return compile_specification(specification, registry=patterns(), connectors=connectors())


class Case:
    """A case that is driven by hand."""

    def __init__(self, specification: Specification, **data: Any) -> None:
        self.state: CaseState = decide(
            None,
            c.StartCase(CaseId("c"), compiled(specification), data),
            time=Microseconds(0),
        ).case

    @property
    def offered(self) -> list[str]:
        items = self.state.items.values()
        return sorted(i.task for i in items if i.status is ItemStatus.OFFERED)

    def item(self, task: str) -> ItemId:
        return ItemId(next(i.id for i in self.state.items.values() if i.task == task))

    def start(self, task: str) -> None:
        self.do(c.StartWorkItem(self.item(task)))

    def complete(self, task: str, result: Any = None) -> None:
        self.do(c.CompleteWorkItem(self.item(task), result))

    def do(self, command: c.Command) -> None:
        self.state = decide(self.state, command, time=Microseconds(0)).case


# ── what is read ─────────────────────────────────────────────────────────────────────────────


def test_nets_tasks_conditions_joins_and_splits() -> None:
    net = (
        begins("a")
        + task("a", "b", "c1")
        + task("b", "d", join="and")
        + condition("c1", "c", "e")
        + task("c", "d", by="sub")
        + task("e", "d", by="")
        + task("d", "o", join="or")
    )
    sub = f"""<decomposition id="sub" xsi:type="NetFactsType"><processControlElements>
    {begins("x")}{task("x", "o")}</processControlElements></decomposition>"""
    read = read_yawl(written(net.replace('by=""', ""), more=sub, uri="orders.yawl"))
    assert (read.name, read.version, read.root) == ("orders", "1.3", "main")
    assert list(read.nets) == ["main", "sub"]
    tasks = read.nets["main"].tasks
    assert tasks["a"].then == Use("parallel-split", ["b", "c1"])
    assert tasks["d"].join == Use("general-synchronizing-merge")
    assert tasks["b"].join is None, "one flow is no join"
    assert tasks["c"].uses == (Use("net", "sub"),)
    assert tasks["e"].uses == (Use("person", {"title": "e"}),), "somebody chooses it"
    assert read.nets["main"].places["c1"].then == Use("deferred-choice", ["c", "e"])
    assert read.nets["main"].places["o"].then == Use("explicit-termination")


@pytest.mark.parametrize("version", [None, "Beta 3", "Beta 7.1", "2.2", "3.0"])
def test_every_version_is_read_and_one_without_is_beta_2(version: str | None) -> None:
    read = read_yawl(written(begins("a") + task("a", "o"), version=version))
    told: Any = read.metadata["yawl"]
    assert told["version"] == (version or "Beta 2")


def test_a_busy_task_is_not_entered_again_and_the_output_condition_ends_the_case() -> None:
    net = begins("a") + task("a", "b", "c") + task("b", "m") + task("c", "m") + task("m", "o")
    case = Case(read_yawl(written(net)))
    case.complete("a")
    case.complete("b")
    case.complete("c")
    assert case.offered == ["m"]
    case.complete("m")
    assert case.state.status is CaseStatus.COMPLETED


def test_whoever_completes_a_task_says_where_its_split_leads() -> None:
    default = '<flowsInto><nextElementRef id="x"/><isDefaultFlow/></flowsInto>'
    guarded = (
        '<flowsInto><nextElementRef id="y"/><predicate ordering="1">/d/a</predicate></flowsInto>'
    )
    ends = task("x", "o") + task("y", "o")
    one = read_yawl(written(begins("a") + task("a", default, guarded, split="xor") + ends))
    for result, expected in (({"to": "y"}, ["y"]), (None, ["x"]), ({"to": "nowhere!"}, None)):
        case = Case(one)
        case.complete("a", result)
        if expected is not None:
            assert case.offered == expected
    several = read_yawl(written(begins("a") + task("a", default, guarded, split="or") + ends))
    for answer, expected in ((["x", "y"], ["x", "y"]), ("y", ["y"]), ([], ["x"])):
        case = Case(several)
        case.complete("a", {"to": answer})
        assert case.offered == expected
    told: Any = several.metadata["yawl"]
    (predicate,) = told["predicates"]
    assert (predicate["from"], predicate["to"], predicate["predicate"]) == ("a", "y", "/d/a")


def test_a_cancellation_set_clears_just_what_it_names() -> None:
    removes = (
        '<removesTokens id="b"/><removesTokens id="c1"/>'
        '<removesTokensFromFlow><flowSource id="a"/><flowDestination id="d"/></removesTokensFromFlow>'
    )
    net = (
        begins("a")
        + task("a", "b", "c1", "k", "d")
        + condition("c1", "c")
        + "".join(task(t, "o") for t in "bcd")
        + task("k", "o", extra=removes)
    )
    (k,) = (t for t in compiled(read_yawl(written(net))).net.transitions if t.name == "k.complete")
    assert set(k.clear) == {"b.run", "b.held", "c1", "a>d"}


def test_identifiers_that_are_no_names_get_names() -> None:
    net = begins("1 a") + task("1 a", "1_a") + task("1_a", "o")
    assert list(read_yawl(written(net)).nets["main"].tasks) == ["1_a", "1_a_"]


def test_what_is_not_acted_on_is_told_and_nets_that_nobody_runs_are_named() -> None:
    extra = "<resourcing><offer/></resourcing>"
    unused = """<decomposition id="idle" xsi:type="NetFactsType"><processControlElements>
    <inputCondition id="i"/><outputCondition id="o"/></processControlElements></decomposition>"""
    read = read_yawl(written(begins("a") + task("a", "o", extra=extra), more=unused))
    told: Any = read.metadata["yawl"]
    assert told["unused-nets"] == ["idle"]
    assert told["not-acted-on"] == {"offer": 1, "resourcing": 1}
    kept = [(p.construct, p.verdict.value) for p in read.imported if p.verdict.value == "kept"]
    assert kept == [("offer", "kept"), ("resourcing", "kept")]


# ── bad files ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"not XML", "this is not XML"),
        (b"<other/>", "begins with specificationSet"),
        (b'<specificationSet xmlns="urn:x"/>', "is not YAWL's"),
        (b'<specificationSet version="9"/>', "version '9' of YAWL is not known"),
        (b"<specificationSet/>", "the set holds 0 specifications"),
        (b"<specificationSet><specification/></specificationSet>", "there is no root net"),
        (
            b'<!DOCTYPE s [<!ENTITY e SYSTEM "file:///etc/hostname">]><specificationSet/>',
            "document type declaration",
        ),
    ],
)
def test_what_is_no_yawl_file_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        read_yawl(text, file="x.yawl")


def test_entities_do_not_explode() -> None:
    bomb = '<!DOCTYPE s [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(DefinitionError, match=r"document type declaration|not XML"):
        read_yawl(f"{bomb}]><specificationSet>&i;</specificationSet>".encode())


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (begins("nowhere"), "'i' flows into 'nowhere', which is not in its net"),
        (begins("a") + task("a", "o") + task("a", "o"), "two elements are called 'a'"),
        (begins("a") + task("a", "o", by="unknown"), "there is no decomposition 'unknown'"),
        (begins("a") + task("a", "o", join="maybe"), "join 'maybe' is not known"),
        (task("a"), "has 0 input conditions"),
        (begins("a") + task("a", "o", "o"), "flows into 'o' twice"),
        (begins("a") + task("a", "o", extra='<removesTokens id="z"/>'), "removesTokens names 'z'"),
        (
            begins("a")
            + task(
                "a",
                "o",
                extra='<removesTokensFromFlow><flowSource id="z"/></removesTokensFromFlow>',
            ),
            "removesTokensFromFlow names 'z'",
        ),
        (begins("a") + "<task>" + flow("o") + "</task>", "an element has no id"),
    ],
)
def test_faults_of_a_net_are_told_with_their_line(net: str, message: str) -> None:
    with pytest.raises(DefinitionErrors) as caught:
        read_yawl(written(net), file="x.yawl")
    found = [f for f in caught.value.exceptions if re.search(message, str(f))]
    assert found
    assert all(isinstance(f, DefinitionError) and f.line for f in found)


# ── outside files ────────────────────────────────────────────────────────────────────────────

MARKINGS = """
YAWLOrJoinTestSpecificationLongLoops.xml f: 2*d>f cC no
YAWLOrJoinTestSpecificationLongLoops.xml f: d>f cA yes
YAWLOrJoinTestSpecificationLongLoops.xml f: cC no
YAWLOrJoinTestSpecificationLongLoops.xml f: i-top d>f no
YAWLOrJoinTestSpecificationLongLoops.xml f: d>f >w yes
YAWLOrJoinTestSpecificationLongLoops.xml f: d.run d>f yes
YAWLOrJoinTestSpecificationLongLoops.xml f: cA cB q>f no
YAWLOrJoinTestSpecificationLongLoops.xml f: cA cB cC q>f no
ORjoinWorkedExample.xml 11_G: 5_ 6_ yes
ORjoinWorkedExample.xml 11_G: 5_ 3_ yes
ORjoinWorkedExample.xml 11_G: 5_ 9_ no
ORjoinWorkedExample.xml 11_G: 5_ 2_ 7_cBB no
ORjoinWorkedExample.xml 11_G: 2_ 5_ 6_ no
YAWLOrJoinTestSpecification.xml d: cB cC a>d no
"""


@pytest.mark.parametrize("line", MARKINGS.split("\n")[1:-1])
def test_or_joins_of_the_corpus(corpus: Path, line: str) -> None:
    """Markings as they are listed for these files; the place of a flow is named by its ends."""
    file, name, *tokens, answer = line.replace(":", "").split()
    net = compiled(weft.load(corpus / "yawl" / file)).net
    marked = dict(token.split("*")[::-1] if "*" in token else (token, "1") for token in tokens)
    assert set(marked) <= {p.name for p in net.places}
    cells = [int(marked.get(p.name, 0)) for p in net.places]
    joins = [t for t, join in net.or_joins.items() if join.task == name]
    assert len(joins) == 1
    assert orjoin.enabled(net, cells, joins[0], alone=True) == (answer == "yes")


def test_an_or_join_beside_a_loop(corpus: Path) -> None:
    case = Case(weft.load(corpus / "yawl" / "TestOrJoin.xml"))
    assert case.offered == ["A"]
    case.complete("A")
    assert case.offered == ["A", "B", "C", "F"]
    case.complete("F")
    assert case.offered == ["A", "B", "C"]
    case.complete("B")
    assert case.offered == ["A"]
    case.start("A")
    assert case.offered == []
    case.complete("A")
    assert case.offered == ["A", "B", "C", "F"]


def test_a_cancellation_set_of_the_corpus(corpus: Path) -> None:
    case = Case(weft.load(corpus / "yawl" / "CancellationTest.xml"))
    case.complete("4")
    assert case.offered == ["2", "3", "5"]
    case.complete("2")
    assert case.offered == ["5"]


def test_a_multi_merge_of_the_corpus(corpus: Path) -> None:
    case = Case(weft.load(corpus / "yawl" / "YAWL_Specification4.xml"))
    case.complete("b-top")
    assert case.offered == ["c-top", "d-top"]
    case.complete("c-top")
    assert case.offered == ["d-top", "e-top"]
    case.complete("d-top")
    assert case.offered == ["e-top"]
    case.complete("e-top")
    assert case.state.status is CaseStatus.COMPLETED


def test_a_case_of_the_corpus_that_is_stuck_at_once(corpus: Path) -> None:
    case = Case(weft.load(corpus / "yawl" / "DeadlockingSpecification.xml"))
    assert case.state.status is CaseStatus.DEADLOCKED


def test_all_files_of_the_corpus_are_read_or_refused(corpus: Path) -> None:
    read = {}
    for path in sorted((corpus / "yawl").iterdir()):
        if path.suffix in (".xml", ".yawl", ".ywl"):
            try:
                read[path.name] = weft.load(path)
            except DefinitionError as refused:
                why = {"Test1.ywl": "not XML", "duplicateDataSpecification.xml": "duplicate key"}
                assert why[path.name] in str(refused)
            else:
                compiled(read[path.name])
    assert len(read) >= 28
    order = read["orderfulfillment.yawl"]
    tasks = [name for net in order.nets.values() for name in net.tasks]
    begun = [name for name in tasks if name.endswith("_instances")]  # behind what chooses them
    assert (len(order.nets), len(tasks) - len(begun)) == (9, 66)
    constructs = [p.construct for p in order.imported]
    assert sum(c.startswith("timer") for c in constructs) == 3
    assert constructs.count("condition") - 2 * 9 == 15
    joins = [t.join for n in order.nets.values() for t in n.tasks.values()]
    assert sum(j == Use("general-synchronizing-merge") for j in joins) == 2


# ── data ─────────────────────────────────────────────────────────────────────────────────────

VARIABLES = """<localVariable name="ok"><type>xs:boolean</type></localVariable>
<localVariable name="time-left"><type>xs:int</type><initialValue>7</initialValue></localVariable>
<localVariable name="songs"><type>SongList</type>
<initialValue>&lt;song&gt;a&lt;/song&gt;&lt;song&gt;b&lt;/song&gt;&lt;song&gt;c&lt;/song&gt;</initialValue>
</localVariable>"""
WORK = """<decomposition id="fill" xsi:type="WebServiceGatewayFactsType">
<inputParam name="left"><type>xs:int</type></inputParam>
<inputParam name="song"><type>xs:string</type></inputParam>
<outputParam name="done"><type>xs:boolean</type></outputParam></decomposition>"""


def with_data(net: str, more: str = "") -> Specification:
    declared = (VARIABLES + more).encode()
    text = written(net, more=WORK).replace(
        b"<processControlElements>", declared + b"<processControlElements>", 1
    )
    return read_yawl(text, file="data.yawl")


def mapped(which: str, query: str, to: str) -> str:
    query = query.replace("<", "&lt;").replace(">", "&gt;")
    return (
        f'<{which}><mapping><expression query="{query}"/><mapsTo>{to}</mapsTo></mapping></{which}>'
    )


def ask(*to: str, split: str = "xor", extra: str = "", done: str = "/fill/done") -> str:
    mappings = mapped("startingMappings", "<left>{/main/time-left/text() + 1}</left>", "left")
    mappings += mapped("completedMappings", done, "ok")
    return task("a", *to, split=split, extra=mappings + extra, by="fill")


def way(to: str, predicate: str = "", ordering: int = 0) -> str:
    told = f'<predicate ordering="{ordering}">{predicate}</predicate>' if predicate else ""
    default = "" if predicate else "<isDefaultFlow/>"
    return f'<flowsInto><nextElementRef id="{to}"/>{told}{default}</flowsInto>'


def test_mappings_and_predicates_in_xpath_are_acted_on() -> None:
    read = with_data(
        begins("a")
        + ask(way("x", "/main/ok = 'true'", 1), way("y"))
        + task("x", "o")
        + task("y", "o")
    )
    (root,) = read.nets.values()
    assert root.variables["time_left"].default == 7
    assert root.variables["songs"].default == ["a", "b", "c"]
    for done, expected in ((True, ["x"]), (False, ["y"])):
        case = Case(read)
        case.start("a")
        (item,) = case.state.items.values()
        assert item.inputs == {"left": 8}
        case.complete("a", {"done": done})
        assert case.offered == expected
        assert case.state.data["ok"] is done


def test_what_is_beyond_is_told_with_its_reason_and_the_result_gives_the_variable() -> None:
    read = with_data(
        begins("a") + ask("o", split="and", done="for $d in /a/b return string-join($d)")
    )
    (told,) = [p for p in read.imported if p.construct.startswith("mapping, beyond")]
    assert "string-join" in told.note
    assert told.line is not None
    case = Case(read)
    case.start("a")
    case.complete("a", {"ok": True})
    assert case.state.data["ok"] is True


def several(extra: str = "", by: str = "fill") -> str:
    inner = f"""<minimum>1</minimum><maximum>5</maximum><threshold>2</threshold>
    <creationMode code="static"/><miDataInput><expression query="/main/songs"/>
    <splittingExpression query="for $s in /songs/* return $s"/>
    <formalInputParam>song</formalInputParam></miDataInput>
    <miDataOutput><formalOutputExpression query="/fill/done"/>
    <outputJoiningExpression query="x"/>
    <resultAppliedToLocalVariable>songs</resultAppliedToLocalVariable></miDataOutput>{extra}"""
    return task("m", "o", extra=inner, by=by).replace(
        "<task ", '<task xsi:type="MultipleInstanceExternalTaskFactsType" ', 1
    )


def test_an_instance_for_each_item_until_the_threshold() -> None:
    case = Case(with_data(begins("m") + several()))
    offered = [i for i in case.state.items.values() if i.task == "m"]
    assert len(offered) == 3
    for item in offered[:2]:
        case.do(c.StartWorkItem(item.id))
        assert case.state.items[item.id].inputs["song"] in ("a", "b", "c")
        case.do(c.CompleteWorkItem(item.id, {"done": True}))
    assert case.state.status is CaseStatus.COMPLETED
    assert case.state.data["songs"] == [True, True]


def test_many_instances_behind_a_choice_are_chosen_by_somebody() -> None:
    read = with_data(begins("k") + condition("k", "m", "b") + several() + task("b", "o"))
    case = Case(read)
    assert case.offered == ["b", "m"]
    case.start("m")
    case.complete("m")
    assert case.offered == ["m_instances"] * 3


@pytest.mark.parametrize(
    ("timer", "by", "found"),
    [
        ("<duration>PT2H</duration>", "", Use("wait", {"for": "PT2H"})),
        (
            "<durationparams><ticks>3</ticks><interval>MIN</interval></durationparams>",
            "",
            Use("wait", {"for": "3m"}),
        ),
        ("<expiry>1700000000000</expiry>", "", Use("wait", {"until": "2023-11-14T22:13:20+00:00"})),
        ("<netparam>time-left</netparam>", "", Use("wait", {"for": "time_left"})),
        (
            "<netparam>songs</netparam>",
            "",
            Use(
                "wait",
                {"for": "songs.get('expiry') != null ? songs.get('expiry') : songs"},
            ),
        ),
        ("<duration>PT2H</duration>", "fill", 7200.0),
        ("<duration>soon</duration>", "fill", None),
        ("<duration>P2M</duration>", "fill", {"for": "P2M"}),
        (
            "<expiry>1700000000000</expiry>",
            "fill",
            {"until": "2023-11-14T22:13:20+00:00"},
        ),
        ("<netparam>time-left</netparam>", "fill", {"for": "time_left"}),
    ],
)
def test_timers(timer: str, by: str, found: Any) -> None:
    extra = f"<timer><trigger>OnEnabled</trigger>{timer}</timer>"
    read = with_data(begins("a") + task("a", "o", extra=extra, by=by))
    compiled(read)
    made = read.nets["main"].tasks["a"]
    told = made.expires if isinstance(found, dict) else made.timeout_seconds
    assert found == told if by else made.uses == (found,)
    assert (made.on_failure == Use("sequence", "skip")) is bool(by and found)


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        ("PT90S", 90),
        ({"trigger": "OnEnabled", "expiry": "PT2M"}, 120),
        ({"trigger": "OnEnabled", "expiry": "2000-01-01T01:00:00Z"}, 3600),
        (None, None),
    ],
)
def test_the_data_say_when_time_is_up(limit: Any, seconds: int | None) -> None:
    """A timer whose time is a variable of the net, of YAWL's own type for it or a text."""
    extra = "<timer><trigger>OnExecuting</trigger><netparam>limit</netparam></timer>"
    variable = '<localVariable name="limit"><type>YTimerType</type></localVariable>'
    read = with_data(begins("a") + task("a", "o", extra=extra, by="fill"), variable)
    assert "timer of work, from its start on" in [part.construct for part in read.imported]
    with weft.open(seed=1) as engine:
        case = engine.start(read, {"limit": limit})
        (item,) = case.work_items
        assert item.expires is None, "the time counts from the start"
        case.begin(item.id)
        (item,) = case.work_items
        if seconds is None:
            assert item.expires is None
            return
        assert item.expires == MILLENNIUM + seconds * 1_000_000
        case.wait(timers=True)
        assert case.status == "completed"


def test_two_mappings_with_one_key_are_refused() -> None:
    twice = mapped("startingMappings", "/main/ok", "left")
    inner = twice.removesuffix("</startingMappings>") + twice.removeprefix("<startingMappings>")
    with pytest.raises(DefinitionErrors, match="duplicate key"):
        with_data(begins("a") + task("a", "o", extra=inner, by="fill"))


def test_the_page_and_the_reader_have_the_same_table() -> None:
    from weft.schema.yawl_constructs import as_markdown

    page = Path(__file__).parents[2] / "docs" / "yawl.md"
    assert as_markdown() in page.read_text(encoding="utf-8")


def test_a_threshold_of_the_corpus(corpus: Path) -> None:
    case = Case(weft.load(corpus / "yawl" / "YAWL_Specification2.xml"))
    assert case.offered == ["a-top"]
    case.start("a-top")
    case.complete("a-top")
    assert case.offered == ["b-top"] * 6
    for number in range(5):
        assert case.state.status is CaseStatus.RUNNING, number
        item = next(i.id for i in case.state.items.values() if i.status is ItemStatus.OFFERED)
        case.do(c.StartWorkItem(item))
        case.do(c.CompleteWorkItem(item, None))
    assert case.state.status is CaseStatus.COMPLETED


# ── many instances ───────────────────────────────────────────────────────────────────────────


def bounded(mode: str, songs: int, threshold: str = "9") -> Case:
    task = several().replace("<threshold>2<", f"<threshold>{threshold}<")
    task = task.replace('creationMode code="static"', f'creationMode code="{mode}"')
    return Case(with_data(begins("m") + task), songs=[f"s{n}" for n in range(songs)])


def finish(case: Case) -> None:
    item = next(i for i in case.state.items.values() if i.status is ItemStatus.OFFERED)
    case.do(c.StartWorkItem(item.id))
    case.do(c.CompleteWorkItem(item.id, {"done": True}))


@pytest.mark.parametrize("songs", [0, 6])
def test_fewer_instances_than_the_minimum_and_more_than_the_maximum_fail(songs: int) -> None:
    case = bounded("static", songs)
    assert case.state.status is CaseStatus.FAILED
    assert case.state.error is not None
    assert "at least 1 and at most 5 instances" in str(case.state.error)


def test_instances_are_added_up_to_the_maximum_while_one_is_not_done() -> None:
    case = bounded("dynamic", 3)
    case.do(c.AddInstance("m", "s3"))
    case.do(c.AddInstance("m", "s4"))
    assert len(case.offered) == 5
    with pytest.raises(CommandRejected):
        case.do(c.AddInstance("m", "one too many"))
    for _ in range(5):
        assert case.state.status is CaseStatus.RUNNING
        finish(case)
    assert case.state.status is CaseStatus.COMPLETED, "nobody has to say that none will come"


def test_what_is_added_counts_for_the_threshold_and_none_is_added_to_a_static_task() -> None:
    case = bounded("dynamic", 1, threshold="2")
    case.do(c.AddInstance("m", "s1"))
    case.do(c.AddInstance("m", "s2"))
    finish(case)
    finish(case)
    assert case.state.status is CaseStatus.COMPLETED
    with pytest.raises(CommandRejected):
        bounded("static", 1).do(c.AddInstance("m", "s1"))


def test_one_song_gives_one_instance(corpus: Path) -> None:
    case = Case(weft.load(corpus / "yawl" / "MakeRecordings(Beta4).xml"))
    for task, result in (
        ("decideName", {"nameOfRecord": "r"}),
        ("decideSongs", {"songlist": [{"songName": "a", "sequenceNumber": 1}]}),
    ):
        assert case.offered == [task]
        case.start(task)
        case.complete(task, result)
    assert case.offered == ["prepare"]


def test_a_completion_behind_the_threshold_is_rejected(corpus: Path) -> None:
    case = Case(weft.load(corpus / "yawl" / "YAWL_Specification2.xml"))
    case.start("a-top")
    case.complete("a-top")
    items = [i.id for i in case.state.items.values() if i.task == "b-top"]
    for item in items:
        case.do(c.StartWorkItem(item))
    for item in items[:5]:
        case.do(c.CompleteWorkItem(item, None))
    with pytest.raises(CommandRejected):
        case.do(c.CompleteWorkItem(items[5], None))


def test_what_is_not_enabled_cannot_be_started(corpus: Path) -> None:
    case = Case(weft.load(corpus / "yawl" / "ImproperCompletion.xml"))
    assert {*case.offered} == {"a-top"}
    assert {i.status for i in case.state.items.values()} == {ItemStatus.OFFERED}
    with pytest.raises(CommandRejected):
        case.do(c.StartWorkItem(ItemId("b-top/1")))
    case.start("a-top")
    assert case.state.items[case.item("a-top")].status is ItemStatus.STARTED


# ── the rules of the format ──────────────────────────────────────────────────────────────────


def found(net: str, **more: Any) -> list[tuple[str, str, str | None]]:
    read = read_yawl(written(net, **more), file="x.yawl")
    assert all(f.line for f in read.findings)
    return [(f.level, f.code, f.element) for f in read.findings]


def test_a_net_that_follows_the_rules_has_no_findings() -> None:
    assert found(begins("a") + task("a", "b") + task("b", "o")) == []


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (
            begins("a") + task("a", "o", "b") + task("b", "b"),
            [("error", "off-path", "b")],
        ),
        (begins("a") + task("a", "o") + task("b", "o"), [("error", "off-path", "b")]),
        (
            begins("a") + task("a", "o", "i"),
            [("error", "input-preset", "i"), ("error", "flow-into-input", "a")],
        ),
        (
            begins("a").replace('id="o"/>', 'id="o">' + flow("a") + "</outputCondition>")
            + task("a", "o"),
            [("error", "output-postset", "o")],
        ),
        (
            begins("c") + condition("c", "a") + task("a", "o"),
            [("error", "flow-between-conditions", "i")],
        ),
        (
            begins("a") + task("a", "o", "b", split="xor") + task("b", "o"),
            [("warning", "no-default", "a")],
        ),
        (
            begins("a") + task("a", "o", by=""),
            [("warning", "unused-decomposition", "work"), ("warning", "no-work", None)],
        ),
        (
            begins("a")
            + task(
                "a", "o", extra="<minimum>3</minimum><maximum>2</maximum><threshold>5</threshold>"
            ),
            [("error", "instances", "a"), ("warning", "instances", "a")],
        ),
    ],
)
def test_what_breaks_a_rule_is_found(net: str, expected: list[Any]) -> None:
    assert found(net) == expected


def test_a_net_whose_task_has_a_net_without_work_may_be_passed_without_work() -> None:
    sub = f"""<decomposition id="sub" xsi:type="NetFactsType"><processControlElements>
    {begins("x")}{task("x", "o", by="")}</processControlElements></decomposition>"""
    codes = [code for _, code, _ in found(begins("a") + task("a", "o", by="sub"), more=sub)]
    assert codes == ["unused-decomposition", "no-work", "no-work"]
    timed = sub.replace("<join", "<timer><duration>PT1S</duration></timer><join")
    codes = [code for _, code, _ in found(begins("a") + task("a", "o", by="sub"), more=timed)]
    assert codes == ["unused-decomposition"]


def test_five_faults_of_the_corpus(corpus: Path) -> None:
    report = weft.verify(corpus / "yawl" / "BadNetSpecification.xml")
    assert report.sound is False
    errors = sorted((d.code, d.element) for d in report.diagnostics if d.level == "error")
    assert errors == [
        ("flow-into-input", "h-leaf-c"),
        ("input-preset", "i-leaf-c"),
        *(("off-path", name) for name in ("c-top", "c1-top", "c2-top")),
    ]


def test_two_warnings_of_the_corpus(corpus: Path) -> None:
    report = weft.verify(corpus / "yawl" / "GoodNetSpecification.xml")
    told = [(d.level, d.code, d.element, d.net) for d in report.diagnostics]
    assert told == [
        ("warning", "unused-decomposition", "I", None),
        ("warning", "no-work", None, "leaf-d"),
    ]
