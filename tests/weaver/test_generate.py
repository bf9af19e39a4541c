"""Numbers, differences and texts made from registries."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from tests.weaver.conftest import Write
from weft.schema.errors import DefinitionError, UsageError
from weft.weaver import generate
from weft.weaver.check import open_registry
from weft.weaver.diff import compare
from weft.weaver.generate import (
    FILTERS,
    markdown_pages,
    python_constants,
    render_templates,
    write_files,
)
from weft.weaver.registry import Registry
from weft.weaver.stats import registry_stats

EVERYTHING = """\
file_format: definition/2
attributes:
- {key: t.name, type: string, brief: "The \\"name\\". It says who.", stability: stable, examples: [a, b]}
- {key: t.old, type: string, brief: "", stability: stable, deprecated: {reason: renamed, renamed_to: t.name}}
- key: t.kind
  brief: 'Ends in a "quote"'
  stability: beta
  type:
    members:
    - {id: one, value: 1, brief: "First | one."}
    - {id: two, value: x}
    - {id: hidden, value: h, annotations: {code_generation: {exclude: true}}}
- {key: t.sizes, type: "double[]", brief: b, stability: stable, examples: 1.5}
- {key: t.header, type: "template[string]", brief: b, stability: stable}
- {key: 3d.any, type: any, brief: b, stability: stable}
- {key: t.hidden, type: int, brief: b, stability: stable, annotations: {code_generation: {exclude: true}}}
- {key: long.namespace.of.an.attribute.that.does.not.fit.into.a.line.of.one.hundred.characters, type: int, brief: b, stability: stable}
attribute_groups:
- {id: g, visibility: public, brief: b, stability: stable, attributes: [{ref: t.name}]}
entities:
- type: t.host
  brief: A host.
  stability: stable
  requirement_level: recommended
  identity: [{ref: t.name}]
  description: [{ref: t.kind}]
events:
- {name: t.happened, brief: It happened., note: Once., stability: stable, requirement_level: opt_in}
metrics:
- name: t.count
  instrument: counter
  unit: "{thing}"
  brief: Counts | things.
  stability: stable
  requirement_level: recommended
  attributes:
  - {ref: t.name, requirement_level: required}
  - {ref: t.kind, requirement_level: {conditionally_required: "If it | is."}}
  - {ref: t.sizes}
  - {ref: t.header}
  - {ref: 3d.any}
metric_refinements:
- {id: t.count.fine, ref: t.count, brief: Finer.}
spans:
- type: t.work
  kind: client
  name: {note: "{t.name}"}
  brief: Work.
  stability: development
  requirement_level: recommended
  deprecated: {reason: obsoleted, note: No more.}
  links:
  - {ref: t.work, brief: The one before., attributes: [{ref: t.kind, requirement_level: opt_in}]}
"""


@pytest.fixture
def registry(write: Write) -> Registry:
    return open_registry(
        write("r", {"manifest.yaml": "schema_url: https://x.test/r/1.0.0\n", "a.yaml": EVERYTHING})
    )


# --- numbers --------------------------------------------------------------------------------


def test_stats(registry: Registry) -> None:
    made = registry_stats(registry).as_json()
    breakdown = made.pop("breakdown")
    assert made == {
        "files": 1,
        "groups": 6,
        "attributes": 8,
        "metrics": 1,
        "spans": 1,
        "events": 1,
        "entities": 1,
        "attribute_groups": 1,
        "refinements": 1,
        "deprecated_attributes": 1,
        "enum_members": 3,
        "dependencies": 0,
    }
    assert breakdown["attribute_types"] == {
        "int": 2,
        "string": 2,
        "any": 1,
        "double[]": 1,
        "enum": 1,
        "template[string]": 1,
    }
    assert breakdown["instruments"] == {"counter": 1}
    assert breakdown["units"] == {"{thing}": 1}
    assert breakdown["span_kinds"] == {"client": 1}
    assert breakdown["stability"]["attribute"] == {"stable": 7, "beta": 1}


# --- differences ----------------------------------------------------------------------------


def test_a_registry_does_not_differ_from_itself(registry: Registry) -> None:
    assert compare(registry, registry).empty


def test_differences(registry: Registry, write: Write) -> None:
    text = EVERYTHING
    for old, new in (
        ("3d.any", "x.any"),
        ("stability: beta", "stability: stable\n  deprecated: {reason: obsoleted, note: Gone.}"),
        ('unit: "{thing}"', "unit: s"),
        ("{id: two, value: x}", "{id: two, value: y}"),
        ("{key: t.sizes,", "{key: t.sizes, deprecated: {reason: renamed, renamed_to: t.size},"),
        (
            "attribute_groups:",
            "- {key: t.size, type: int, brief: b, stability: stable}\nattribute_groups:",
        ),
        ("- {ref: t.header}", "- {ref: t.header, requirement_level: opt_in}"),
        ("- {ref: t.work,", "- {ref: t.work, requirement_level: required,"),
    ):
        assert old in text
        text = text.replace(old, new)
    head = open_registry(
        write("h", {"manifest.yaml": "schema_url: https://x.test/r/2.0.0\n", "a.yaml": text})
    )
    difference = compare(registry, head)
    assert not difference.empty
    made = difference.as_json()
    assert (made["baseline"], made["head"]) == ("https://x.test/r/1.0.0", "https://x.test/r/2.0.0")
    assert made["changes"]["attributes"] == [
        {"kind": "removed", "name": "3d.any"},
        {"kind": "obsoleted", "name": "t.kind", "note": "Gone."},
        {
            "kind": "updated",
            "name": "t.kind",
            "fields": [
                {
                    "field": "members.two",
                    "old": {"id": "two", "value": "x"},
                    "new": {"id": "two", "value": "y"},
                },
                {"field": "stability", "old": "beta", "new": "stable"},
            ],
        },
        {
            "kind": "renamed",
            "name": "t.sizes",
            "new_name": "t.size",
            "note": "Replaced by `t.size`.",
        },
        {"kind": "added", "name": "x.any"},
    ]
    assert [
        (each["kind"], [field["field"] for field in each["fields"]])
        for each in made["changes"]["metrics"]
    ] == [("updated", ["attributes.3d.any", "attributes.t.header", "attributes.x.any", "unit"])]
    (linked,) = made["changes"]["spans"][0]["fields"]
    assert (linked["field"], linked["new"]["requirement_level"]) == ("links.t.work", "required")
    assert made["changes"]["events"] == []
    back = compare(head, registry).as_json()
    assert {"kind": "added", "name": "3d.any"} in back["changes"]["attributes"]


# --- Python ---------------------------------------------------------------------------------


def load(text: str, tmp_path: Path) -> Any:
    path = tmp_path / "generated_names.py"
    path.write_text(text)
    specification = importlib.util.spec_from_file_location("generated_names", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["generated_names"] = module
    specification.loader.exec_module(module)
    return module


def test_python_constants(registry: Registry, tmp_path: Path) -> None:
    text = python_constants(registry)
    module = load(text, tmp_path)
    assert module.SCHEMA_URL == "https://x.test/r/1.0.0"
    assert module.T_NAME == "t.name"
    assert module._3D_ANY == "3d.any"
    assert module.METRIC_T_COUNT == "t.count"
    assert module.METRIC_T_COUNT_UNIT == "{thing}"
    assert module.SPAN_T_WORK == "t.work"
    assert module.EVENT_T_HAPPENED == "t.happened"
    assert module.ENTITY_T_HOST == "t.host"
    assert (module.TKindValues.ONE, module.TKindValues.TWO) == (1, "x")
    assert not hasattr(module, "T_HIDDEN")
    assert not hasattr(module.TKindValues, "HIDDEN")
    holder = module.TCountMetricAttributes
    assert holder.__required_keys__ == {"t.name"}
    assert holder.__optional_keys__ == {"t.kind", "t.sizes", "3d.any"}
    hints = get_type_hints(holder)
    assert hints["t.kind"] == int | str
    assert not hasattr(module, "TWorkSpanAttributes")  # it declares none
    tree = ast.parse(text)
    assert ast.get_docstring(tree) is not None
    assert '"""The "name". (string)"""' in text
    assert '"""(string) Deprecated: Replaced by `t.name`."""' in text


def test_an_empty_registry_gives_a_module(tmp_path: Path, write: Write) -> None:
    module = load(python_constants(open_registry(write("empty", {}))), tmp_path)
    assert module.SCHEMA_URL == "https://default/0.1.0"


@pytest.mark.parametrize(
    "text",
    [
        "attributes: [{key: a.b, %s}, {key: a_b, %s}]",
        "attributes: [{key: a.b, type: {members: [{id: x.y}, {id: x_y}]}, brief: b, stability: stable}]",
    ],
)
def test_names_that_would_be_one_are_refused(write: Write, text: str) -> None:
    text = text.replace("%s", "type: int, brief: b, stability: stable")
    root = write("r", {"a.yaml": f"file_format: definition/2\n{text}\n"})
    with pytest.raises(DefinitionError, match="would both be") as caught:
        python_constants(open_registry(root))
    assert caught.value.code == "generated-name-collision"


def test_awkward_texts_stay_texts(write: Write, tmp_path: Path) -> None:
    awkward = r'"back\\slash and \"quotes\" \"\"\" and \n lines."'
    text = f"""\
file_format: definition/2
attributes:
- {{key: a.b, brief: {awkward}, stability: stable, type: {{members: [{{id: class, value: {awkward}, brief: {awkward}}}]}}}}
"""
    module = load(python_constants(open_registry(write("r", {"a.yaml": text}))), tmp_path)
    assert module.ABValues.CLASS == 'back\\slash and "quotes" """ and \n lines.'


@pytest.mark.parametrize(
    ("filter", "text", "expected"),
    [
        ("snake_case", "http.requestMethod", "http_request_method"),
        ("snake_case", "K8sPod", "k8s_pod"),
        ("snake_case", "HTTPServer", "http_server"),
        ("snake_case", "...", "_"),
        ("screaming_snake_case", "a.b-c", "A_B_C"),
        ("kebab_case", "a.b_c", "a-b-c"),
        ("pascal_case", "http.request_method", "HttpRequestMethod"),
        ("camel_case", "http.request_method", "httpRequestMethod"),
        ("namespace", "a.b.c", "a"),
        ("comment", "a\n\nb", "# a\n#\n# b"),
        ("first_sentence", "One. Two.", "One."),
        ("first_sentence", "e.g. nothing\nmore", "e.g."),
        ("type_name", "int[]", "int[]"),
    ],
)
def test_filters(filter: str, text: str, expected: str) -> None:
    assert FILTERS[filter](text) == expected


# --- Markdown -------------------------------------------------------------------------------


def test_markdown(registry: Registry) -> None:
    pages = markdown_pages(registry)
    assert set(pages) == {
        "README.md",
        "attributes.md",
        "entities.md",
        "events.md",
        "metrics.md",
        "spans.md",
    }
    assert "- `t.count`: Counts | things.\n" in pages["README.md"]
    metrics = pages["metrics.md"]
    assert "- Unit: `{thing}`" in metrics
    assert "| `t.kind` | enum | conditionally required: If it \\| is. |" in metrics
    assert "fine" not in metrics
    assert "**Deprecated.** No more." in pages["spans.md"]
    linked = "- `t.work` (recommended): The one before. Attributes of the link: `t.kind` (opt in)."
    assert linked in pages["spans.md"]
    assert "(identifying)" in pages["entities.md"]
    assert "Once." in pages["events.md"]
    attributes = pages["attributes.md"]
    assert "## 3d\n" in attributes
    assert "`a`, `b`" in attributes
    assert "- `1`: First | one." in attributes
    assert "- `x`: two" in attributes
    assert "**Deprecated.** Replaced by `t.name`." in attributes
    for page in pages.values():
        rows = [line for line in page.splitlines() if line.startswith("|")]
        widths = {line.replace("\\|", "").count("|") for line in rows}
        assert widths <= {5, 6}


def test_markdown_of_nothing(write: Write) -> None:
    assert set(markdown_pages(open_registry(write("empty", {})))) == {"README.md"}


# --- templates ------------------------------------------------------------------------------


def test_templates(registry: Registry, write: Write) -> None:
    folder = write(
        "templates",
        {
            "names.txt.j2": "{% for m in registry.metrics %}{{ m.signal_name | pascal_case }}\n{% endfor %}"
            "{{ parameters.word }}{% include '_part.j2' %}",
            "_part.j2": "!",
            "by/{namespace}.md.j2": "{{ namespace }}: {{ attributes | length }}\n",
            "ignored.txt": "{{",
        },
    )
    assert render_templates(registry, folder, {"word": "x"}) == {
        "names.txt": "TCount\nx!",
        "by/3d.md": "3d: 1\n",
        "by/long.md": "long: 1\n",
        "by/t.md": "t: 6\n",
    }


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("\n{{ nothing }}", None),
        ("\n{% for %}", 2),
        ("{{ registry.name | unknown }}", 1),
        ("{{ registry.__class__.__mro__ }}", None),
        ("{{ registry.groups.append(1) }}", None),
        ("{% include '../secret' %}", None),
        ("{{ 'a' + 1 }}", None),
        ("{{ ''.__class__.__base__.__subclasses__() }}", None),
    ],
)
def test_templates_that_are_wrong(
    registry: Registry, write: Write, template: str, line: int | None
) -> None:
    write(".", {"secret": "s"})
    folder = write("templates", {"a.txt.j2": template})
    with pytest.raises(DefinitionError, match="cannot be rendered") as caught:
        render_templates(registry, folder)
    assert caught.value.line == line
    assert caught.value.file is not None


def test_a_folder_without_templates(registry: Registry, write: Write) -> None:
    with pytest.raises(DefinitionError, match="no templates"):
        render_templates(registry, write("templates", {"a.txt": "x"}))


def test_templates_need_jinja(
    registry: Registry, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match="extra 'templates'"):
        render_templates(registry, write("templates", {"a.j2": ""}))


# --- writing --------------------------------------------------------------------------------


def test_files_are_written(tmp_path: Path) -> None:
    written = write_files({"b/c.txt": "é", "a.txt": "x"}, tmp_path / "out")
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "out/a.txt",
        "out/b/c.txt",
    ]
    assert (tmp_path / "out/b/c.txt").read_bytes() == "é".encode()


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "", "a\0b"])
def test_names_do_not_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(DefinitionError, match="leads out"):
        write_files({"good.txt": "x", name: "x"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DefinitionError, match="cannot write"):
        write_files({"a.txt": "x"}, tmp_path / "out")


def test_what_is_public() -> None:
    public: list[Callable[..., Any]] = [getattr(generate, name) for name in generate.__all__]
    assert all(each.__doc__ for each in public)
