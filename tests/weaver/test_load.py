"""Reading registries: files, shapes, manifests, dependencies, and everything unpleasant."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.weaver.conftest import Write, ids
from weft.schema.errors import DefinitionError, DefinitionErrors
from weft.weaver import load
from weft.weaver.check import CheckReport, check, open_registry
from weft.weaver.findings import Findings, Level
from weft.weaver.manifest import SchemaUrl, read_manifest

Checked = Callable[..., CheckReport]

ATTRIBUTE = """\
file_format: definition/2
attributes:
- {key: t.a, type: int, brief: b, stability: stable}
"""
FIELDS = (
    "groups id type brief attributes ref examples members deprecated reason body name kind "
    "entity_associations one_of requirement_level metrics spans identity entities imports"
)


def manifest(name: str, version: str = "1.0.0", *dependencies: str) -> str:
    listed = "".join(
        f"\n- {{schema_url: 'https://x.test/{path.partition(':')[0]}', "
        f"registry_path: {path.partition(':')[2]}}}"
        for path in dependencies
    )
    return f"schema_url: https://x.test/{name}/{version}\n" + (
        f"dependencies:{listed}\n" if listed else ""
    )


# --- files ----------------------------------------------------------------------------------


def test_all_yaml_files_are_read_in_a_stable_order(write: Write) -> None:
    group = "groups: [{{id: {0}, type: attribute_group, brief: b, extends: base}}]"
    root = write(
        "r",
        {
            "base.yml": "groups: [{id: base, type: attribute_group, brief: b, "
            "attributes: [{id: t.a, type: int, brief: b, stability: stable}]}]",
            "z.yaml": group.format("z"),
            "deep/er/a.yaml": group.format("a"),
            ".hidden.yaml": "junk: [",
            ".git/a.yaml": "junk: [",
            "schema-next.yaml": "junk: [",
            "notes.txt": "junk: [",
        },
    )
    report = check(root)
    assert report.findings == ()
    assert report.registry is not None
    assert [group.id for group in report.registry.groups] == ["a", "base", "z"]
    assert report.registry.files == 3


def test_links_to_folders_are_not_followed(write: Write, tmp_path: Path) -> None:
    root = write("r", {"a.yaml": ATTRIBUTE})
    (root / "loop").symlink_to(root)
    outside = write("outside", {"b.yaml": ATTRIBUTE})
    (root / "away").symlink_to(outside)
    report = check(root)
    assert report.registry is not None
    assert report.registry.files == 1


@pytest.mark.parametrize("path", ["missing", "a\0b", "x" * 5000])
def test_a_path_that_is_not_there_is_an_error(tmp_path: Path, path: str) -> None:
    with pytest.raises(DefinitionError, match="no such file or folder") as caught:
        check(tmp_path / path)
    assert caught.value.code == "file-unreadable"


def test_an_empty_folder_is_an_empty_registry(write: Write) -> None:
    report = check(write("r", {}))
    assert report.accepted
    assert report.registry is not None
    assert report.registry.groups == ()


def test_what_is_not_a_file_is_reported_not_waited_for(write: Write) -> None:
    root = write("r", {"a.yaml": ATTRIBUTE})
    os.mkfifo(root / "pipe.yaml")
    report = check(root)
    assert ids(report) == {"SemConvSpecError": 1}
    assert report.registry is None


def test_the_number_of_files_is_bounded(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "MAX_FILES", 2)
    root = write("r", {f"{i}.yaml": "groups: []" for i in range(3)})
    assert ids(check(root)) == {"SemConvSpecError": 1}


# --- formats --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("file_format: definition/1", {}),
        ("", {}),
        ("version: '1'", {"DeprecatedVersionField": 1}),
        ("version: 1", {"DeprecatedVersionField": 1}),
        ("file_format: definition/3", {"InvalidFileFormat": 1}),
        ("file_format: definition/2.x", {"InvalidFileFormat": 1}),
        ("file_format: [definition/2]", {"InvalidFileFormat": 1}),
        ("version: '3'", {"DeprecatedVersionField": 1, "InvalidFileFormat": 1}),
    ],
)
def test_formats(checked: Checked, head: str, expected: dict[str, int]) -> None:
    assert ids(checked(f"{head}\ngroups: []\n")) == expected


@pytest.mark.parametrize(
    "head",
    ["file_format: definition/2", "file_format: definition/2.1", "file_format: definition/2.0.0"],
)
def test_the_second_format_is_said_to_be_unstable(checked: Checked, head: str) -> None:
    report = checked(f"{head}\nattributes: []\n")
    assert [finding.id for finding in report.findings] == ["UnstableFileFormat"]
    assert checked(f"{head}\nattributes: []\n", future=True).exit_code == 1


# --- what cannot be read --------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        b"\x00\x01\xff\xfe",
        bytes(range(256)),
        "groups: [\n",
        "a: 1\na: 2\n",
        "groups: !!python/object:os.system []",
        "groups: " + "[" * 500,
        "a: &a [x, x]\nb: &b [*a, *a]\n" + "c: *nowhere",
        "",
        "groups: []\n---\ngroups: []\n",
        "groups: 3",
        "groups: {}",
        "groups: [3, null, [], {}]",
        "- a",
        "text",
        "imports: 3",
        "imports: {metrics: x}",
        "imports: {metrics: [3]}",
        "imports: {unknown: []}",
        "groups: !!seq []\ngroups: []\n",
        "groups: [{id: g, type: attribute_group, brief: b, attributes: [x]}]",
    ],
)
def test_what_cannot_be_read_is_a_finding(checked: Checked, text: str | bytes) -> None:
    report = checked(text)
    assert set(ids(report)) == {"DeserializationError"}
    assert report.exit_code == 1
    assert report.registry is None
    assert all(finding.file and finding.file.endswith("a.yaml") for finding in report.findings)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["a", "t.a", "int"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(FIELDS.split()),
                inner,
                max_size=4,
            )
        ),
        max_leaves=25,
    ),
    st.sampled_from(["definition/1", "definition/2"]),
)
def test_any_shape_is_read_or_reported(checked: Checked, value: object, format: str) -> None:
    body = value if isinstance(value, dict) else {"groups": value}
    report = checked(json.dumps({"file_format": format, **body}))
    assert all(finding.line is not None for finding in report.findings)


def test_yaml_1_1_traps_are_text(checked: Checked) -> None:
    report = checked("""\
        groups:
        - id: registry.t
          type: attribute_group
          brief: no
          note: 1:30
          attributes:
          - id: t.a
            type: string
            brief: off
            stability: stable
            examples: [on, no, yes, 1:30, 2026-01-01, y]
          - id: t.b
            brief: b
            stability: stable
            type:
              members: [{id: on, stability: stable}, {id: no, value: no, stability: stable}]
        """)
    assert report.findings == ()
    assert report.registry is not None
    attribute = report.registry.attributes["t.a"]
    assert attribute.examples == ["on", "no", "yes", "1:30", "2026-01-01", "y"]
    assert [each.value for each in report.registry.attributes["t.b"].members] == ["on", "no"]


def test_ten_thousand_groups(checked: Checked) -> None:
    """In one chain, each extending the one before it."""
    lines = ["groups:", "- id: g0", "  type: attribute_group", "  brief: b", "  attributes:"]
    lines.append("  - {id: t.a, type: int, brief: b, stability: stable}")
    lines += [
        f"- {{id: g{i}, type: attribute_group, brief: b, extends: g{i - 1}}}"
        for i in range(1, 10_000)
    ]
    report = checked("\n".join(lines))
    assert report.findings == ()
    assert report.registry is not None
    last = report.registry.group("g9999")
    assert last is not None
    assert [each.name for each in last.attributes] == ["t.a"]
    assert last.lineage["t.a"].source_group == "g9998"


@pytest.mark.parametrize("order", [1, -1])
def test_a_circle_of_thousands_of_groups(checked: Checked, order: int) -> None:
    count = 1_500
    groups = [
        f"- {{id: g{i}, type: attribute_group, brief: b, extends: g{(i + 1) % count}}}"
        for i in range(count)
    ]
    report = checked("\n".join(["groups:", *groups[::order]]))
    assert ids(report) == {"UnresolvedExtendsRef": count}


# --- fields ---------------------------------------------------------------------------------

V1 = """\
groups:
- id: registry.t
  type: attribute_group
  brief: b
  attributes:
  - id: t.a
    type: int
    brief: b
    stability: stable
"""


def v1(attribute: str = "", group: str = "") -> str:
    text = V1 + "".join(f"    {line}\n" for line in attribute.splitlines())
    return text.replace("  brief: b\n", f"  brief: b\n  {group}\n", 1) if group else text


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ("colour: red", "unknown field 'colour'"),
        ("tags: x", "did you mean 'tag'?"),
        ("note: 3", "must be text, not the number 3; write it in quotes"),
        ("note: [x]", "must be text, not a list"),
        ("note: {x: y}", "must be text, not a mapping"),
        ("note: true", "must be text, not the boolean true"),
        ("sampling_relevant: maybe", "must be true or false, not the text 'maybe'"),
        ("role: main", "must be one of 'identifying', 'descriptive'"),
        ("requirement_level: needed", "the requirement level"),
        ("requirement_level: {required: x}", "the requirement level"),
        ("requirement_level: {recommended: 3}", "must be text"),
        ("requirement_level: {recommended: x, opt_in: y}", "the requirement level"),
        ("annotations: [x]", "must be a mapping"),
        ("annotations: {1: x}", "keys are text"),
        ("deprecated: [x]", "must be a mapping"),
        ("deprecated: {reason: gone}", "it must be one of 'renamed', 'obsoleted'"),
        ("deprecated: {note: gone}", "lacks the field 'reason'"),
        ("examples: {a: b}", "'examples' of the attribute 't.a'"),
        ("examples: [null]", "'examples' of the attribute 't.a'"),
        ("examples: [[a], [1]]", "'examples' of the attribute 't.a'"),
        ("examples: [[a], b]", "'examples' of the attribute 't.a'"),
    ],
)
def test_wrong_fields_are_named(checked: Checked, attribute: str, words: str) -> None:
    report = checked(v1(attribute))
    assert report.registry is None
    assert [finding.level for finding in report.findings] == [Level.ERROR]
    assert words in report.findings[0].message
    assert report.findings[0].line == 10


@pytest.mark.parametrize(
    ("type", "words"),
    [
        ("number", "it must be one of 'string', 'int'"),
        ("string[][]", "it must be one of"),
        ("template[enum]", "it must be one of"),
        ("[int]", "is a list"),
        ("{members: x}", "must be a list, not the text 'x'"),
        ("{}", "lacks the field 'members'"),
        ("{members: [x]}", "a member of the attribute 't.a' must be a mapping"),
        ("{members: [{value: 1}]}", "lacks the field 'id'"),
        ("{members: [{id: a, value: [1]}]}", "must be text, a number or a boolean"),
        (f"{{members: [{{id: a, value: {2**63}}}]}}", "64 bits"),
    ],
)
def test_wrong_types_are_named(checked: Checked, type: str, words: str) -> None:
    report = checked(V1.replace("type: int", f"type: {type}"))
    assert len(report.findings) == 1
    assert words in report.findings[0].message


def test_old_enumerations_may_say_that_they_are_open(checked: Checked) -> None:
    members = "{allow_custom_values: true, members: [{id: a, stability: stable}]}"
    assert checked(V1.replace("type: int", f"type: {members}")).findings == ()


def test_all_faults_of_a_file_are_reported(checked: Checked) -> None:
    report = checked(v1("colour: red\nnote: 3\ntag: [x]", group="shape: round"))
    assert len(report.findings) == 4
    assert [finding.line for finding in report.findings] == [11, 12, 13, 4] or len(
        {finding.line for finding in report.findings}
    ) == 4


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("events: x", "must be a list"),
        ("events: [1]", "an item of 'events'"),
        ("extends: 1", "must be text"),
        ("stability: solid", "must be one of 'stable'"),
        ("entity_associations: [{some_of: [a]}]", "an entity association"),
        ("entity_associations: [{one_of: [1]}]", "an entity association"),
        ("entity_associations: [{one_of: a}]", "must be a list"),
        ("body: x", "a body must be a mapping"),
        ("body: {id: x, type: map, requirement_level: required}", "lacks the field 'fields'"),
        ("body: {id: x, type: enum, requirement_level: required}", "lacks the field 'members'"),
        ("body: {id: x, type: int}", "lacks the field 'requirement_level'"),
        ("body: {id: x, type: what, requirement_level: required}", "must be one of"),
    ],
)
def test_wrong_groups_are_named(checked: Checked, group: str, words: str) -> None:
    report = checked(v1(group=group))
    assert words in report.findings[0].message
    assert report.registry is None


def test_a_null_counts_as_absent(checked: Checked) -> None:
    assert ids(checked(v1("note: ~\nexamples:\ndeprecated: null"))) == {}
    assert ids(checked(V1.replace("id: registry.t", "id: ~"))) == {"DeserializationError": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("attribute_groups: [{id: g}]", "lacks the field 'visibility'"),
        ("attribute_groups: [{id: g, visibility: public}]", "lacks the field 'brief'"),
        (
            "attribute_groups: [{id: g, visibility: internal, brief: b}]",
            "only public attribute groups have it",
        ),
        ("spans: [{type: s, kind: client, name: n, brief: b, stability: stable}]", "'name' of"),
        (
            "spans: [{type: s, kind: client, name: {note: n, x: y}, brief: b, stability: stable}]",
            "unknown field 'x'",
        ),
        (
            "spans: [{type: s, kind: client, name: {templates: []}, brief: b, stability: stable}]",
            "lacks the field 'note'",
        ),
        ("span_refinements: [{id: r, ref: s, name: {templates: ['{a b} c']}}]", "is no template"),
        ("span_refinements: [{id: r, ref: s, name: {templates: [' ']}}]", "is no template"),
        ("span_refinements: [{id: r, ref: s, name: n}]", "'name' of"),
        ("metric_refinements: [{id: r, ref: m, name: {note: n}}]", "unknown field 'name'"),
        ("attributes: [{id: t.a}]", "lacks the field 'key'"),
        ("metric_refinements: [{id: r}]", "lacks the field 'ref'"),
        ("metric_refinements: [x]", "must be a mapping"),
        ("entities: [x]", "must be a mapping"),
        ("metrics: [x]", "must be a mapping"),
        ("spans: [x]", "must be a mapping"),
        ("events: [x]", "must be a mapping"),
        ("attributes: [x]", "must be a mapping"),
        ("attribute_groups: [x]", "must be a mapping"),
        ("entities: [{type: e, brief: b, stability: stable}]", "lacks the field 'identity'"),
        (
            "events: [{name: e, brief: b, stability: stable, attributes: [{ref_group: [x]}]}]",
            "must be text",
        ),
        (
            "events: [{name: e, brief: b, stability: stable, attributes: [x]}]",
            "an attribute reference must be a mapping",
        ),
        (
            "events: [{name: e, brief: b, stability: stable, attributes: [{id: t.a, type: int}]}]",
            "attributes cannot be defined inline",
        ),
        (
            "events: [{name: e, brief: b, stability: stable, attributes: [{ref: a, type: int}]}]",
            "attributes cannot be defined inline",
        ),
        (
            "metrics: [{name: m, attributes: [{ref: a, sampling_relevant: true}]}]",
            "unknown field 'sampling_relevant'",
        ),
        ("spans: [{type: s, links: [x]}]", "a link of the span 's' must be a mapping"),
        ("spans: [{type: s, links: [{brief: b}]}]", "lacks the field 'ref'"),
        ("spans: [{type: s, links: [{ref: s, kind: parent}]}]", "unknown field 'kind'"),
        ("spans: [{type: s, links: [{ref: s, requirement_level: sometimes}]}]", "must be one of"),
        (
            "spans: [{type: s, links: [{ref: s, attributes: [{ref_group: g}]}]}]",
            "unknown field 'ref_group'",
        ),
        ("metrics: [{name: m, links: [{ref: s}]}]", "unknown field 'links'"),
        (
            "span_refinements: [{id: r, ref: s, links: [{ref: s}]}]",
            "a refinement has the links of the span that it refines",
        ),
        (
            "attributes: [{key: a, type: int, brief: b, stability: deprecated}]",
            "must be one of 'stable'",
        ),
        (
            "attributes: [{key: a, type: int, brief: b, stability: stable, deprecated: old}]",
            "must be a mapping",
        ),
    ],
)
def test_wrong_fields_of_the_second_format(checked: Checked, text: str, words: str) -> None:
    report = checked(f"file_format: definition/2\n{text}\n")
    errors = [finding for finding in report.findings if finding.level is Level.ERROR]
    assert any(words in finding.message for finding in errors), errors
    assert report.registry is None


def test_a_registry_in_use_may_have_no_errors(checked: Checked, write: Write) -> None:
    assert open_registry(write("good", {"a.yaml": ATTRIBUTE})).attributes["t.a"].type == "int"
    bad = write("bad", {"a.yaml": v1("colour: red\nnote: 3")})
    with pytest.raises(DefinitionError, match="unknown field") as caught:
        open_registry(bad)
    assert isinstance(caught.value, DefinitionErrors)
    assert len(caught.value.exceptions) == 2


# --- manifests ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("schema_url: https://x.test/a/1.0.0\ndescription: d\nstability: stable\n", {}),
        ("schema_url: https://x.test/a/1.0.0\nname: old\nwhatever: 1\n", {}),
        ("file_format: definition_manifest/2.0\nschema_url: https://x.test/a/1.0.0\n", {}),
        ("file_format: manifest/9\nschema_url: https://x.test/a/1.0.0\n", "bad"),
        ("description: d\n", "bad"),
        ("schema_url: not a url\n", "bad"),
        ("schema_url: ftp://x.test/1.0.0\n", "bad"),
        ("schema_url: https://x.test\n", "bad"),
        ("schema_url: 'https://[x/1.0.0'\n", "bad"),
        ("schema_url: 3\n", "bad"),
        ("- a\n", "bad"),
        ("a: [\n", "bad"),
        ("schema_url: https://x.test/a/1.0.0\ndependencies: [x]\n", "bad"),
        ("schema_url: https://x.test/a/1.0.0\ndependencies: [{registry_path: x}]\n", "bad"),
        ("schema_url: https://x.test/a/1.0.0\ndependencies: [{name: x}]\n", "bad"),
        (
            "schema_base_url: https://x.test/a\nsemconv_version: 1.0.0\nname: old\n",
            {"DeprecatedSyntaxInRegistryManifest": 2},
        ),
        (
            "schema_base_url: x.test/a/\nsemconv_version: 1.0.0\n",
            {"DeprecatedSyntaxInRegistryManifest": 2},
        ),
        ("schema_base_url: https://x.test/a\n", "bad"),
        ("schema_base_url: 'https://['\nsemconv_version: 1.0.0\n", "bad"),
    ],
)
def test_manifests(write: Write, text: str, expected: dict[str, int] | str) -> None:
    report = check(write("r", {"manifest.yaml": text, "a.yaml": ATTRIBUTE}))
    if expected == "bad":
        assert ids(report)["InvalidRegistryManifest"] == 1
        assert report.exit_code == 1
        assert report.registry is None
    else:
        assert ids(report) == expected
        assert report.registry is not None
        assert report.registry.name == "x.test/a"


def test_the_old_name_of_the_manifest_is_warned_of(write: Write) -> None:
    report = check(write("r", {"registry_manifest.yaml": manifest("a"), "a.yaml": ATTRIBUTE}))
    assert ids(report) == {"LegacyRegistryManifest": 1}
    assert report.registry is not None
    assert report.registry.schema_url == "https://x.test/a/1.0.0"


def test_a_manifest_that_vanishes(tmp_path: Path) -> None:
    findings = Findings()
    assert read_manifest(tmp_path / "manifest.yaml", "m", findings) is None
    assert findings.has("InvalidRegistryManifest")


@pytest.mark.parametrize(
    "versions",
    [["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-rc.1", "1.0.0", "1.0.1", "2.0.0"]],
)
def test_versions_sort_by_semantic_versioning(versions: list[str]) -> None:
    keys = [SchemaUrl(f"https://x.test/a/{version}").semver() for version in versions]
    assert None not in keys
    assert keys == sorted(keys)  # type: ignore[type-var]
    assert SchemaUrl("https://x.test/a/v1.2.3").semver() is not None
    assert SchemaUrl("https://x.test/a/1.0").semver() is None


# --- dependencies ---------------------------------------------------------------------------

USES = """\
file_format: definition/2
metrics:
- name: t.m
  instrument: counter
  unit: '1'
  brief: b.
  stability: stable
  requirement_level: recommended
  attributes: [{ref: t.a}]
"""


def test_references_reach_dependencies_of_dependencies(write: Write) -> None:
    write("c", {"manifest.yaml": manifest("c"), "a.yaml": ATTRIBUTE})
    write("b", {"manifest.yaml": manifest("b", "1.0.0", "c/1.0.0:../c")})
    root = write("a", {"manifest.yaml": manifest("a", "1.0.0", "b/1.0.0:../b"), "a.yaml": USES})
    report = check(root)
    assert ids(report) == {}
    assert report.registry is not None
    assert report.registry.metrics[0].attributes[0].type == "int"


def test_a_dependency_may_lie_below_the_working_directory(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("dependencies/b", {"manifest.yaml": manifest("b"), "a.yaml": ATTRIBUTE})
    root = write(
        "a", {"manifest.yaml": manifest("a", "1.0.0", "b/1.0.0:dependencies/b"), "a.yaml": USES}
    )
    monkeypatch.chdir(tmp_path)
    assert ids(check(root)) == {}


def test_a_dependency_by_name_is_deprecated(write: Write) -> None:
    write("b", {"manifest.yaml": manifest("b"), "a.yaml": ATTRIBUTE})
    text = manifest("a") + "dependencies: [{name: b, registry_path: ../b}]\n"
    report = check(write("a", {"manifest.yaml": text, "a.yaml": USES}))
    assert ids(report) == {"DeprecatedSyntaxInRegistryManifest": 1}


@pytest.mark.parametrize(
    "path",
    [
        "../missing",
        "../../../../../../../../etc",
        "/etc",
        "/",
        ".git",
        "../file.yaml",
        '"a\\0b"',
        "https://x.test/registry.zip",
        "git@x.test:registry.git",
        "file:///etc",
        "~",
        "'../b/../../..'",
        "x" * 5000,
    ],
)
def test_path_tricks_lead_nowhere(write: Write, path: str) -> None:
    write(".", {"file.yaml": ATTRIBUTE})
    root = write("a", {"manifest.yaml": manifest("a", "1.0.0", f"b/1.0.0:{path}"), "a.yaml": USES})
    report = check(root)
    # That the reference then leads nowhere is not worth a second word.
    assert ids(report) == {"RegistryManifestNotFound": 1}
    assert report.findings[0].line == 3
    assert report.registry is None


def test_nothing_is_fetched(write: Write) -> None:
    text = manifest("a") + "dependencies: [{schema_url: https://x.test/b/1.0.0}]\n"
    report = check(write("a", {"manifest.yaml": text}))
    assert ids(report) == {"RegistryManifestNotFound": 1}
    assert "nothing is fetched" in report.findings[0].message


def test_circular_dependencies(write: Write) -> None:
    write("b", {"manifest.yaml": manifest("b", "1.0.0", "c/1.0.0:../c")})
    write("c", {"manifest.yaml": manifest("c", "1.0.0", "a/2.0.0:../a")})
    root = write("a", {"manifest.yaml": manifest("a", "1.0.0", "b/1.0.0:../b")})
    report = check(root)
    assert ids(report) == {"CircularDependency": 1}
    assert "x.test/a → x.test/b → x.test/c → x.test/a" in report.findings[0].message


def test_a_folder_that_depends_on_itself_under_other_names(write: Write) -> None:
    root = write(
        "a",
        {
            "manifest.yaml": manifest("a", "1.0.0", "b/1.0.0:./link"),
            "a.yaml": ATTRIBUTE,
        },
    )
    (root / "link").symlink_to(root)
    report = check(root)
    assert set(ids(report)) == {"CircularDependency"}


def test_a_chain_of_dependencies_is_bounded(write: Write) -> None:
    for i in range(20):
        write(f"r{i}", {"manifest.yaml": manifest(f"r{i}", "1.0.0", f"r{i + 1}/1.0.0:../r{i + 1}")})
    report = check(write("r0", {}))
    assert ids(report) == {"MaximumDependencyDepth": 1}


def diamond(write: Write, first: str, second: str) -> CheckReport:
    """a needs b and c, which need two versions of d."""
    for folder, version in (("d1", first), ("d2", second)):
        text = ATTRIBUTE.replace("brief: b", f"brief: {folder}")
        write(folder, {"manifest.yaml": manifest("d", version), "a.yaml": text})
    write("b", {"manifest.yaml": manifest("b", "1.0.0", f"d/{first}:../d1")})
    write("c", {"manifest.yaml": manifest("c", "1.0.0", f"d/{second}:../d2")})
    return check(
        write(
            "a",
            {
                "manifest.yaml": manifest("a", "1.0.0", "b/1.0.0:../b", "c/1.0.0:../c"),
                "a.yaml": USES,
            },
        )
    )


@pytest.mark.parametrize(
    ("first", "second", "later"), [("1.1.0", "1.0.0", "d1"), ("1.0.0", "1.1.0", "d2")]
)
def test_the_later_of_two_compatible_versions_is_taken(
    write: Write, first: str, second: str, later: str
) -> None:
    report = diamond(write, first, second)
    assert ids(report) == {}
    assert report.registry is not None
    assert report.registry.metrics[0].attributes[0].brief == later


def test_a_registry_needed_twice_is_read_once(write: Write) -> None:
    write("d", {"manifest.yaml": manifest("d"), "a.yaml": ATTRIBUTE})
    write("b", {"manifest.yaml": manifest("b", "1.0.0", "d/1.0.0:../d")})
    root = write(
        "a",
        {
            "manifest.yaml": manifest("a", "1.0.0", "b/1.0.0:../b", "d/1.0.0:../d"),
            "a.yaml": USES,
        },
    )
    report = check(root)
    assert ids(report) == {}
    assert sum(finding.id == "UnstableFileFormat" for finding in report.findings) == 2


def test_versions_that_are_not_compatible(write: Write) -> None:
    assert ids(diamond(write, "1.0.0", "2.0.0")) == {"IncompatibleDependencyVersions": 1}


def test_versions_that_cannot_be_compared(write: Write) -> None:
    assert ids(diamond(write, "1.0.0", "latest")) == {"InvalidSemVer": 1}


def test_what_is_wrong_with_a_dependency_is_said(write: Write) -> None:
    write("b", {"manifest.yaml": manifest("b"), "a.yaml": v1("colour: red")})
    root = write("a", {"manifest.yaml": manifest("a", "1.0.0", "b/1.0.0:../b")})
    report = check(root)
    assert ids(report) == {"DeserializationError": 1}
    assert report.findings[0].file is not None
    assert "b/a.yaml" in report.findings[0].file


# --- what large registries are written in ---------------------------------------------------

LARGE = {
    "manifest.yaml": "schema_url: https://large.example/1.0.0\nstability: stable\n",
    "net/registry.yaml": """\
        groups:
          - id: registry.net
            type: attribute_group
            display_name: Net attributes
            brief: >
              What is said of
              [connections](https://net.example/#it).
            attributes:
              - id: net.size
                type: int
                brief: 'Bytes, without "headers".'
                examples: 3495
                stability: stable
              - id: net.header
                stability: stable
                type: template[string[]]
                brief: The header `<key>`.
                note: |
                  Lists of values:

                  - `net.header.a: ["b"]`
                examples: [["a"], ["1.2.3.4", "1.2.3.5"]]
              - id: net.method
                stability: stable
                type:
                  members:
                    - {id: get, value: "GET", brief: 'Read: it.', stability: stable}
                    - id: took
                      value: "TOOK"
                      brief: Read it.
                      stability: development
                      deprecated: {reason: renamed, renamed_to: get, note: Read.}
                    - {id: other, value: "_OTHER", stability: stable}
                brief: The method.
                examples: ["GET"]
              - {id: net.code, type: {members: [{id: ok, value: 0, brief: b, stability: stable}]},
                 stability: stable, brief: A number for a code.}
              - {id: net.version, type: string, stability: stable, brief: v, examples: ['1.1', '2']}
              - {id: net.ratios, type: "double[]", stability: stable, brief: v, examples: [[0.5, 1]]}
              - {id: net.flags, type: "boolean[]", stability: stable, brief: v}
              - {id: net.body, type: any, stability: development, brief: v}
              - id: net.old
                type: string
                stability: development
                brief: 'Replaced by `net.version`.'
                deprecated: {reason: renamed, renamed_to: net.version}
                examples: "1"
              - id: net.older
                type: string
                stability: development
                brief: Split.
                deprecated: {reason: uncategorized, note: "Split in `net.size` and `net.code`"}
                examples: ["1"]
    """,
    "net/signals.yaml": """\
        groups:
          - id: attributes.net.common
            type: attribute_group
            brief: What all have.
            attributes:
              - ref: net.method
                requirement_level: required
              - ref: net.code
                requirement_level:
                  conditionally_required: If, and only if, there was one.
              - ref: net.size
                requirement_level: {recommended: "If measured: always."}
          - id: span.net.client
            type: span
            extends: attributes.net.common
            span_kind: client
            brief: A request.
            note: |
              | Code | Status |
              |---|---|
              | 1xx | unset |
            stability: stable
            events: [event.net.lost]
            attributes:
              - ref: net.method
                sampling_relevant: true
                note: As it is written.
              - {ref: net.header, requirement_level: opt_in}
          - id: metric.net.duration
            type: metric
            metric_name: net.duration
            annotations: {code_generation: {metric_value_type: double}}
            brief: "How long it took."
            instrument: histogram
            unit: "s"
            stability: stable
            extends: attributes.net.common
            entity_associations: [net.host]
          - id: event.net.lost
            type: event
            name: net.lost
            stability: development
            brief: It was lost.
            deprecated: {reason: obsoleted, note: Nothing is lost any more.}
            extends: attributes.net.common
            body:
              id: net.lost
              type: map
              stability: development
              requirement_level: opt_in
              fields:
                - {id: content, type: undefined, stability: development, brief: c,
                   examples: ["It's"], requirement_level: opt_in}
                - id: calls
                  type: map[]
                  stability: development
                  brief: c
                  requirement_level: {conditionally_required: if there are some}
                  fields:
                    - id: kind
                      type: enum
                      stability: development
                      brief: k
                      requirement_level: required
                      members: [{id: f, value: 'f', brief: F, stability: development}]
          - id: entity.net.host
            type: resource
            name: net.host
            stability: development
            brief: A host.
            attributes:
              - {ref: net.version, role: identifying}
              - {ref: net.header, role: descriptive, requirement_level: opt_in}
    """,
    "store/all.yaml": """\
        file_format: definition/2
        attributes:
          - key: store.name
            type: string
            stability: stable
            brief: The name.
            examples: [a]
            annotations: {tags: [a, b]}
        attribute_groups:
          - id: store.common
            visibility: internal
            attributes: [{ref: store.name, requirement_level: required}, {ref_group: store.more}]
          - id: store.more
            visibility: public
            brief: More.
            stability: stable
            attributes: [{ref: net.size, requirement_level: {opt_in: when wanted}}]
        spans:
          - type: store.client
            kind: client
            name: {note: '`{store.name}`, in lower case'}
            brief: A call.
            stability: stable
            requirement_level: recommended
            entity_associations: [{one_of: [net.host, {all_of: [net.host]}]}]
            attributes: [{ref_group: store.common}]
        span_refinements:
          - id: store.sql.client
            ref: store.client
            name: {templates: ["{store.name} {net.method}", query], note: the first that can be}
            brief: A call of SQL.
            attributes: [{ref: store.name, note: A table.}]
        imports: {}
    """,
}


def test_what_large_registries_are_written_in(write: Write) -> None:
    report = check(write("large", LARGE), policies=["stability", "entity_associations"])
    assert ids(report) == {}
    assert report.registry is not None
    refined = report.registry.group("store.sql.client")
    assert refined is not None
    named = "`{store.name} {net.method}`, `query`: the first that can be"
    assert (refined.span_name_note, refined.span_kind) == (named, "client")
    base = report.registry.group("span.store.client")
    assert base is not None
    assert base.span_name_note == "`{store.name}`, in lower case"
    lost = report.registry.group("event.net.lost")
    assert lost is not None
    assert [each.name for each in lost.attributes] == ["net.code", "net.method", "net.size"]
