"""What is wrong in a registry is told by its id, at its file and its line.

The registries below are wrong in many ways at once. Where something is to be found, the ids stand
behind ``#!`` on the line that it is to be found at; nothing else may be found anywhere.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.weaver.conftest import Write
from weft.weaver.check import check
from weft.weaver.findings import WARNING_IDS

SHAPES_V1 = """\
file_format: definition/1
groups:
- id: t.attributes
  type: attribute_group
  brief: Attributes.
  stability: stable
  attributes:
  - {id: t.good, type: int, brief: b., stability: stable}
  - {type: int, brief: b., stability: stable}                          #! DeserializationError
  - {id: t.no.type, brief: b., stability: stable}                      #! DeserializationError
  - id: t.text.of.no.type
    type: text                                                         #! InvalidSemConvSpec
    brief: b.
    stability: stable
  - id: t.map
    type: {values: [a]}                                                #! DeserializationError
    brief: b.
    stability: stable
  - id: t.member
    brief: b.
    stability: stable
    type:
      members:
      - {id: a, value: 1, brief: b., stability: stable}
      - {value: 2, brief: b., stability: stable}                       #! DeserializationError
      - {id: c, value: [1], brief: b., stability: stable}              #! DeserializationError
  - id: t.level
    type: int
    brief: b.
    stability: stable
    requirement_level: must                                            #! InvalidSemConvSpec
  - id: t.level.of.two
    type: int
    brief: b.
    stability: stable
    requirement_level:
      recommended: If.                                                 #! InvalidSemConvSpec
      opt_in: Else.
  - id: t.renamed
    type: int
    brief: b.
    stability: stable
    deprecated: {reason: renamed}                                      #! DeserializationError
  - id: t.stability
    type: int
    brief: b.
    stability: finished                                                #! InvalidSemConvSpec
  - id: t.flag
    type: int
    brief: b.
    stability: stable
    sampling_relevant: "yes"                                           #! DeserializationError
  - id: t.brief
    type: int
    brief: [b.]                                                        #! DeserializationError
    stability: stable
  - id: t.example
    type: int
    brief: b.
    stability: stable
    examples: {one: 1}                                                 #! DeserializationError
  - id: t.extra
    type: int
    brief: b.
    stability: stable
    brif: b.                                                           #! DeserializationError
- type: span                                                           #! DeserializationError
  brief: No id.
- {id: t.no.brief, type: attribute_group}                              #! DeserializationError
- id: t.kind
  type: trace                                                          #! InvalidSemConvSpec
  brief: b.
- id: t.instrument
  type: metric
  brief: b.
  instrument: timer                                                    #! InvalidSemConvSpec
- id: t.associated
  type: span
  brief: b.
  entity_associations:
  - {any_of: [t]}                                                      #! DeserializationError
- id: t.body
  type: event
  name: t.body
  brief: b.
  body:
    id: b                                                              #! DeserializationError
    type: string
- not a group                                                          #! DeserializationError
imports: {metrics: t.*}                                                #! DeserializationError
attributes: []                                                         #! DeserializationError
"""


RULES_V1 = """\
groups:
- id: t.attributes
  type: attribute_group
  brief: Attributes.
  stability: stable
  attributes:
  - {id: t.good, type: int, brief: b., stability: stable}
  - {id: t.twice, type: int, brief: b., stability: stable}
  - {id: t.no.brief, type: int, stability: stable}                     #! InvalidAttribute
  - {id: t.no.stability, type: int, brief: b.}                         #! InvalidAttributeWarning
  - {id: t.retired, type: int, brief: b., stability: deprecated}       #! InvalidAttributeWarning
  - {id: t.bare, type: int, brief: b., stability: stable, deprecated: Old.}  #! UnstructuredDeprecatedProperty
  - {id: t.no.example, type: string, brief: b., stability: stable}     #! InvalidExampleWarning
  - {id: t.flat, type: "int[]", brief: b., stability: stable, examples: [1, 2]}  #! InvalidExampleWarning
  - {id: t.wrong, type: int, brief: b., stability: stable, examples: [one]}  #! InvalidExampleError
  - {id: t.on, type: boolean, brief: b., stability: stable, examples: [on]}  #! InvalidExampleError
  - {id: t.mixed, type: double, brief: b., stability: stable, examples: [1, yes]}  #! InvalidExampleError
  - id: t.member                                                       #! InvalidAttributeWarning
    type: {members: [{id: a, value: a, brief: b.}]}
    brief: b.
    stability: stable
- id: t.more
  type: attribute_group
  brief: More.
  stability: stable
  attributes:
  - {id: t.twice, type: int, brief: b., stability: stable}             #! DuplicateAttributeId
  - {ref: t.good}
  - {ref: t.good}                                                      #! InvalidGroupDuplicateAttributeRef
  - {ref: t.nothing}                                                   #! UnresolvedAttributeRef
- {id: t.untyped, brief: b., stability: stable, attributes: [{ref: t.good}]}  #! InvalidGroupMissingType
- {id: t.empty, type: attribute_group, brief: b., stability: stable}   #! InvalidGroupMissingExtendsOrAttributes
- id: t.prefixed                                                       #! InvalidGroupUsesPrefix
  type: attribute_group
  prefix: p
  brief: b.
  stability: stable
  attributes: [{id: a, type: int, brief: b., stability: stable}]
- {id: t.unstable, type: span, span_kind: client, brief: b., extends: t.untyped}  #! InvalidGroupStability
- {id: t.lost, type: attribute_group, brief: b., stability: stable, extends: t.gone}  #! UnresolvedExtendsRef
- {id: t.hen, type: attribute_group, brief: b., stability: stable, extends: t.egg}  #! UnresolvedExtendsRef
- {id: t.egg, type: attribute_group, brief: b., stability: stable, extends: t.hen}  #! UnresolvedExtendsRef
- {id: t.span, type: span, brief: b., stability: stable, extends: t.attributes}  #! InvalidSpanMissingSpanKind
- {id: t.m, type: metric, metric_name: t.m, instrument: counter, brief: b., stability: stable}  #! InvalidMetric
- {id: t.n, type: metric, metric_name: t.n, unit: s, brief: b., stability: stable}  #! InvalidMetric
- {id: t.o, type: metric, instrument: gauge, unit: s, brief: b., stability: stable}  #! InvalidMetric
- id: t.p                                                              #! InvalidGroup
  type: metric
  metric_name: t.p
  instrument: gauge
  unit: s
  brief: b.
  stability: stable
  span_kind: client
- id: t.p.again                                                        #! DuplicateMetricName
  type: metric
  metric_name: t.p
  instrument: gauge
  unit: s
  brief: b.
  stability: stable
- {id: t.event, type: event, brief: b., stability: stable}             #! InvalidGroup
- {id: t.event.two, type: event, name: t.happened, brief: b., stability: stable}
- {id: t.event.three, type: event, name: t.happened, brief: b., stability: stable}  #! DuplicateGroupName
- {id: t.event.three, type: event, name: t.other, brief: b., stability: stable}  #! DuplicateGroupId
- id: t.bodied                                                         #! InvalidGroup
  type: span
  span_kind: client
  brief: b.
  stability: stable
  extends: t.prefixed
  body: {id: b, type: int, requirement_level: required, stability: stable}
- id: t.far
  type: event
  name: t.far
  brief: b.
  stability: stable
  body:
    id: b
    type: map
    requirement_level: required
    stability: stable
    fields:
    - {id: one, type: int, requirement_level: required, stability: stable, examples: [x]}  #! InvalidAnyValueExampleError
    - {id: two, type: int, requirement_level: required}                #! InvalidAnyValue
- id: t.about                                                          #! UnresolvedEntityAssociation
  type: event
  name: t.about
  brief: b.
  stability: stable
  entity_associations: [t.nobody]
- id: t.about.nothing                                                  #! InvalidGroup
  type: event
  name: t.about.nothing
  brief: b.
  stability: stable
  entity_associations: [{one_of: []}]
"""

RULES_V2 = {
    "r/manifest.yaml": """\
semconv_version: 1.0.0                                                 #! DeprecatedSyntaxInRegistryManifest
schema_base_url: https://x.test/r                                      #! DeprecatedSyntaxInRegistryManifest
dependencies:
- {schema_url: https://x.test/one/1.0.0, registry_path: ../one}
- {schema_url: https://x.test/two/1.0.0, registry_path: ../two}
- {name: three, registry_path: ../three}                               #! DeprecatedSyntaxInRegistryManifest
""",
    "r/a.yaml": """\
file_format: definition/2                                              #! UnstableFileFormat
imports:
  metrics:
  - one.m
  - nothing.*                                                          #! UnmatchedImport
  - "one.[m"                                                           #! InvalidWildcard
  spans:
  - one.hidden                                                         #! ExcludedFromDependencyResolution
attributes:
- {key: t.a, type: int, brief: b., stability: stable}
- {key: t.b, type: int, brief: b., stability: stable}
- {key: t.b, type: int, brief: b., stability: stable}                  #! DuplicateAttributeId
attribute_groups:
- {id: t.g, visibility: internal, attributes: [{ref: t.a}]}
- {id: t.h, visibility: internal, attributes: [{ref: t.a}]}
- {id: t.i, visibility: internal, attributes: [{ref: t.nothing}]}      #! UnresolvedAttributeRef
entities:
- {type: t.e, brief: b., stability: stable, requirement_level: opt_in, identity: [{ref: t.a}], description: [{ref: t.b}]}
- {type: t.none, brief: b., stability: stable, requirement_level: opt_in, identity: []}  #! EntityMissingIdentity
- type: t.both
  brief: b.
  stability: stable
  requirement_level: opt_in
  identity: [{ref: t.a}]
  description:
  - {ref: t.a}                                                         #! AttributeInIdentityAndDescription
entity_refinements:
- id: t.e.more
  ref: t.e
  identity:
  - {ref: t.b}                                                         #! EntityRefinementChangedIdentity
events:
- {name: t.event, brief: b., stability: stable}                        #! MissingRequirementLevelWarning
- {name: t.shared, brief: b., stability: stable, requirement_level: opt_in, attributes: [{ref: both.a}]}  #! AmbiguousReference
- {name: t.secret, brief: b., stability: stable, requirement_level: opt_in, attributes: [{ref: one.secret}]}  #! ExcludedFromDependencyResolution
event_refinements:
- {id: t.r, ref: t.nothing}                                            #! UnresolvedExtendsRef
- {id: t.s, ref: t.m}                                                  #! InvalidRefinement
- {id: t.t, ref: t.u}                                                  #! UnresolvedExtendsRef
- {id: t.u, ref: t.t}                                                  #! UnresolvedExtendsRef
metrics:
- name: t.m                                                            #! UnresolvedIncludeRef
  instrument: counter
  unit: "1"
  brief: b.
  stability: stable
  requirement_level: opt_in
  attributes: [{ref_group: t.nothing}]
- name: t.n                                                            #! DuplicateAttributeId
  instrument: counter
  unit: "1"
  brief: b.
  stability: stable
  requirement_level: opt_in
  attributes: [{ref_group: t.g}, {ref_group: t.h}]
- {name: t.o, instrument: gauge, unit: s, brief: b., stability: stable, requirement_level: opt_in}
- {name: t.o, instrument: gauge, unit: s, brief: b., stability: stable, requirement_level: opt_in}  #! DuplicateGroupId, DuplicateMetricName
spans:
- type: t.s                                                            #! UnresolvedEntityAssociation
  kind: client
  name: {note: n}
  brief: b.
  stability: stable
  requirement_level: opt_in
  entity_associations: [t.nobody]
- type: t.two                                                          #! AmbiguousEntityAssociation
  kind: client
  name: {note: n}
  brief: b.
  stability: stable
  requirement_level: opt_in
  entity_associations: [{one_of: [t.e, both]}]
- type: t.linked
  kind: client
  name: {note: n}
  brief: b.
  stability: stable
  requirement_level: opt_in
  links:
  - {ref: t.s}
  - {ref: one.hidden}                                                  #! SpanLinkTargetNotFound
""",
    "one/registry_manifest.yaml": "schema_url: https://x.test/one/1.0.0\n",
    "one/a.yaml": """\
version: "2"                                                           #! DeprecatedVersionField, UnstableFileFormat
attributes:
- {key: both.a, type: int, brief: b., stability: stable}
- {key: one.secret, type: int, brief: b., stability: stable, annotations: {dependency_resolution: {exclude: true}}}
metrics: [{name: one.m, instrument: gauge, unit: s, brief: b., stability: stable, requirement_level: opt_in}]
entities: [{type: both, brief: b., stability: stable, requirement_level: opt_in, identity: [{ref: both.a}]}]
spans:
- type: one.hidden
  kind: client
  name: {note: n}
  brief: b.
  stability: stable
  requirement_level: opt_in
  annotations: {dependency_resolution: {exclude: true}}
""",
    "two/manifest.yaml": "schema_url: https://x.test/two/1.0.0\n",
    "two/a.yaml": """\
file_format: definition/2                                              #! UnstableFileFormat
attributes: [{key: both.a, type: int, brief: b., stability: stable}]
entities: [{type: both, brief: b., stability: stable, requirement_level: opt_in, identity: [{ref: both.a}]}]
""",
    "three/manifest.yaml": "schema_url: https://x.test/three/1.0.0\n",
}

SHAPES_V2 = {
    "r/manifest.yaml": """\
schema_url: https://x.test/r/1.0.0
dependencies:
- {schema_url: https://x.test/gone/1.0.0, registry_path: ../gone}      #! RegistryManifestNotFound
- {schema_url: https://x.test/far/1.0.0, registry_path: https://x.test/far.zip}  #! RegistryManifestNotFound
- {schema_url: https://x.test/bad/1.0.0, registry_path: ../bad}
- {schema_url: https://x.test/one/1.0.0, registry_path: ../one}
- {schema_url: https://x.test/two/1.0.0, registry_path: ../two}
""",
    "bad/manifest.yaml": "description: Nameless.                       #! InvalidRegistryManifest\n",
    "one/manifest.yaml": """\
schema_url: https://x.test/one/1.0.0
dependencies:
- {schema_url: https://x.test/r/1.0.0, registry_path: ../r}            #! CircularDependency
- {schema_url: https://x.test/three/1.0.0, registry_path: ../three}
- {schema_url: https://x.test/four/first, registry_path: ../four}
""",
    "two/manifest.yaml": """\
schema_url: https://x.test/two/1.0.0
dependencies:
- {schema_url: https://x.test/three/2.0.0, registry_path: ../three-2}  #! IncompatibleDependencyVersions
- {schema_url: https://x.test/four/second, registry_path: ../four-2}   #! InvalidSemVer
""",
    "three/manifest.yaml": "schema_url: https://x.test/three/1.0.0\n",
    "three-2/manifest.yaml": "schema_url: https://x.test/three/2.0.0\n",
    "four/manifest.yaml": "schema_url: https://x.test/four/first\n",
    "four-2/manifest.yaml": "schema_url: https://x.test/four/second\n",
    "r/format.yaml": "file_format: definition/3                         #! InvalidFileFormat\n",
    "r/syntax.yaml": """\
groups:
- id: t.a
  brief: b: c                                                          #! DeserializationError
""",
    "r/twice.yaml": """\
groups: []
groups: []                                                             #! DeserializationError
""",
    "r/list.yaml": "- groups                                            #! DeserializationError\n",
    "r/a.yaml": """\
file_format: definition/2                                              #! UnstableFileFormat
attributes:
- {id: t.a, type: int, brief: b., stability: stable}                   #! DeserializationError, DeserializationError
- {key: t.b, brief: b., stability: stable}                             #! DeserializationError
- {key: t.c, type: int, stability: stable}                             #! DeserializationError
- {key: t.d, type: int, brief: b.}                                     #! DeserializationError
- {key: t.e, type: "template[text]", brief: b., stability: stable}     #! InvalidSemConvSpec
- {key: t.f, type: int, brief: b., stability: stable, deprecated: Old.}  #! DeserializationError
- {key: t.g, type: int, brief: b., stability: stable, deprecated: {reason: obsoleted}}  #! DeserializationError
- {key: t.h, type: int, brief: b., stability: stable, requirement_level: opt_in}  #! DeserializationError
attribute_groups:
- {id: t.g}                                                            #! DeserializationError
- {id: t.h, visibility: hidden}                                        #! InvalidSemConvSpec
- {id: t.i, visibility: internal, brief: b.}                           #! DeserializationError
- {id: t.j, visibility: public, brief: b.}                             #! DeserializationError
entities:
- {type: t.e, brief: b., stability: stable}                            #! DeserializationError
- {type: t.f, brief: b., stability: stable, identity: [{ref: t.a}], attributes: []}  #! DeserializationError
events:
- {name: t.e, brief: b., stability: stable, body: {}}                  #! DeserializationError
- {name: t.f, brief: b., stability: stable, attributes: [{id: t.x, type: int}]}  #! DeserializationError
- {name: t.g, brief: b., stability: stable, requirement_level: required}  #! InvalidSemConvSpec
metrics:
- {name: t.m, unit: s, brief: b., stability: stable}                   #! DeserializationError
- {name: t.n, instrument: gauge, brief: b., stability: stable}         #! DeserializationError
- {name: t.o, instrument: summary, unit: s, brief: b., stability: stable}  #! InvalidSemConvSpec
- {metric_name: t.p, instrument: gauge, unit: s, brief: b., stability: stable}  #! DeserializationError, DeserializationError
spans:
- {type: t.s, name: {note: n}, brief: b., stability: stable}           #! DeserializationError
- {type: t.t, kind: client, brief: b., stability: stable}              #! DeserializationError
- {type: t.u, kind: clients, name: {note: n}, brief: b., stability: stable}  #! InvalidSemConvSpec
- {type: t.v, kind: client, name: "{a}", brief: b., stability: stable}  #! DeserializationError
span_refinements:
- {id: t.r}                                                            #! DeserializationError
- {ref: t.s}                                                           #! DeserializationError
groups: []                                                             #! DeserializationError
""",
}


def marked(root: Path) -> Counter[tuple[str, int, str]]:
    """What is to be found: file, line and id."""
    return Counter(
        (str(path.relative_to(root)), number, name)
        for path in root.rglob("*.yaml")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        for name in re.findall(r"\w+", line.partition("#!")[2])
    )


@pytest.mark.parametrize(
    ("files", "least"),
    [
        pytest.param({"r/a.yaml": SHAPES_V1}, 23, id="shapes of format v1"),
        pytest.param({"r/a.yaml": RULES_V1}, 34, id="rules of format v1"),
        pytest.param(SHAPES_V2, 40, id="shapes of format v2"),
        pytest.param(RULES_V2, 29, id="rules of format v2"),
    ],
)
def test_what_is_wrong_is_told_at_its_line(files: dict[str, str], least: int, write: Write) -> None:
    root = write("all", files)
    report = check(root / "r")
    found = Counter(
        (str(Path(each.file or "").resolve().relative_to(root.resolve())), each.line or 0, each.id)
        for each in report.findings
        if each.id != "LegacyRegistryManifest"  # that a file has a name is nowhere in it
    )
    expected = marked(root)
    assert found == expected
    assert expected.total() >= least


def test_every_warning_is_among_them() -> None:
    texts = [SHAPES_V1, RULES_V1, *SHAPES_V2.values(), *RULES_V2.values()]
    shown = set(re.findall(r"\w+", " ".join(re.findall("#!(.*)", "\n".join(texts)))))
    assert shown >= WARNING_IDS - {"LegacyRegistryManifest"}
