"""The YAML loader: what scalars mean, where nodes stand, and what is refused."""

from __future__ import annotations

import gc
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from weft.schema import yaml
from weft.schema.errors import DefinitionError, DefinitionErrors
from weft.schema.yaml import MappingNode, ScalarNode, SequenceNode, load_yaml, plain, read_yaml

PARSERS = {"pure": pyyaml.SafeLoader}
if pyyaml.__with_libyaml__:
    PARSERS["libyaml"] = pyyaml.CSafeLoader


@pytest.fixture(autouse=True, params=sorted(PARSERS))
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test holds for libyaml and for its stand-in."""
    monkeypatch.setattr(yaml, "_event_source", PARSERS[request.param])
    return str(request.param)


def read(text: str | bytes) -> Any:
    return plain(load_yaml(text))


def refused(text: str | bytes, **bounds: int) -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        load_yaml(text, file="f.yaml", **bounds)
    assert caught.value.file == "f.yaml"
    return caught.value


def at(fault: DefinitionError) -> tuple[int | None, int | None]:
    return fault.line, fault.column


# --- scalars --------------------------------------------------------------------------------


LOOKALIKES = (
    "on off yes no y n On NO Yes 1:30 190:20:30 2026-01-01 2026-01-01T10:00:00Z 1_000 0b1 0o8 "
    "0xg +0x1 -0o7 1e 1.2.3 . + .e1 +. e5 nUll tRUE .Inf. .iNF .nAN inf nan infinity = "
    "0x --1 1e5e 1,000 ٣ 1٣"
)


@pytest.mark.parametrize("text", LOOKALIKES.split())
def test_what_only_looks_like_a_value_is_text(text: str) -> None:
    assert read(f"a: {text}") == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("false", False),
        ("False", False),
        ("FALSE", False),
        ("0", 0),
        ("-0", 0),
        ("+12", 12),
        ("012", 12),
        ("0o14", 12),
        ("0xC", 12),
        ("0xfF", 255),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-.5", -0.5),
        ("3.", 3.0),
        ("+1e3", 1000.0),
        ("1E-2", 0.01),
        ("012e03", 12000.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("+.Inf", math.inf),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    got = read(f"a: {text}")["a"]
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_not_a_number(text: str) -> None:
    assert math.isnan(read(f"a: {text}")["a"])


@pytest.mark.parametrize("text", ["'1'", '"1"', "|-\n 1", ">-\n 1"])
def test_quoted_and_block_scalars_are_text(text: str) -> None:
    node = load_yaml(f"a: {text}")
    assert isinstance(node, MappingNode)
    assert node.get("a") == ScalarNode("1", "1", 1, 4, quoted=True)


def test_a_scalar_keeps_its_text() -> None:
    assert load_yaml("0x1F") == ScalarNode(31, "0x1F", 1, 1)


def test_an_integer_too_long_to_convert_is_refused() -> None:
    fault = refused("a: " + "9" * 5000)
    assert (fault.code, at(fault)) == ("yaml-number", (1, 4))
    assert "5000 digits" in fault.message


@given(st.integers())
def test_integers_come_back(number: int) -> None:
    assert read(f"[{number}]") == [number]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_come_back(number: float) -> None:
    assert read(f"[{number!r}]") == [number]


JSON_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | JSON_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(JSON_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_pyyaml_writes_is_read_back(value: Any) -> None:
    # Quoting everything takes the differences of the two schemas out of the comparison; keys of
    # over 128 characters would be written as explicit ones, which is fine as well.
    text = pyyaml.safe_dump(value, default_style='"', allow_unicode=True)
    assert read(
        text.replace('!!null "null"', "null").replace("!!bool ", "").replace("!!int ", "")
    ) == _as_text(value)


def _as_text(value: Any) -> Any:
    """What is left of a value when its numbers and booleans are quoted."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items()}
    return value


# --- positions and shape --------------------------------------------------------------------


def test_every_node_and_key_knows_its_place() -> None:
    root = load_yaml("# c\né: [1, {b: x}]\n\nlist:\n  - k: v\n")
    assert isinstance(root, MappingNode)
    assert (root.line, root.column) == (2, 1)
    assert [(k.text, k.line, k.column) for k, _ in root] == [("é", 2, 1), ("list", 4, 1)]
    first, second = root.get("é"), root.get("list")
    assert isinstance(first, SequenceNode)
    assert isinstance(second, SequenceNode)
    assert (first.line, first.column) == (2, 4)
    one, inner = first
    assert (one.line, one.column, inner.line, inner.column) == (2, 5, 2, 8)
    assert isinstance(inner, MappingNode)
    key = inner.key("b")
    assert key is not None
    assert (key.line, key.column) == (2, 9)
    item = second.items[0]
    assert (item.line, item.column) == (5, 5)


def test_a_mapping_is_asked_by_name() -> None:
    root = load_yaml("{a: 1, b: 2}")
    assert isinstance(root, MappingNode)
    assert len(root) == 2
    assert "a" in root
    assert "c" not in root
    assert root.get("c") is None
    assert root.key("c") is None
    assert plain(root) == {"a": 1, "b": 2}


def test_sequences_have_a_length() -> None:
    root = load_yaml("[a, b]")
    assert isinstance(root, SequenceNode)
    assert len(root) == 2


def test_plain_gives_fresh_values() -> None:
    root = load_yaml("{a: &x [1], b: *x}")
    value = plain(root)
    value["a"].append(2)
    assert value["b"] == [1]
    assert plain(root) == {"a": [1], "b": [1]}


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b"\xef\xbb\xbfa: 1") == {"a": 1}


def test_the_document_may_be_marked() -> None:
    assert read("%YAML 1.2\n---\na: 1\n...\n") == {"a": 1}


def test_the_collector_is_left_as_it_was() -> None:
    load_yaml("a: 1")
    assert gc.isenabled()
    gc.disable()
    try:
        load_yaml("a: 1")
        assert not gc.isenabled()
    finally:
        gc.enable()


# --- aliases --------------------------------------------------------------------------------


def test_aliases_stand_for_their_anchor() -> None:
    assert read("{a: &x {k: 1}, b: *x, c: [*x]}") == {"a": {"k": 1}, "b": {"k": 1}, "c": [{"k": 1}]}


def test_an_anchor_may_be_set_again() -> None:
    assert read("[&x 1, *x, &x [2], *x]") == [1, 1, [2], [2]]


def test_an_alias_may_be_a_key() -> None:
    root = load_yaml("a: &x k\n*x : 1\n")
    assert isinstance(root, MappingNode)
    key = root.key("k")
    assert key is not None
    assert (key.line, key.column) == (2, 1)


@pytest.mark.parametrize(
    ("text", "place"),
    [("a: &x [1, *x]", (1, 11)), ("&x a: *x", (1, 7)), ("&x {k: *x}", (1, 8))],
)
def test_an_anchor_cannot_contain_itself(text: str, place: tuple[int, int]) -> None:
    if text == "&x a: *x":  # here the anchor is on the key, which is no cycle
        assert read(text) == {"a": "a"}
        return
    fault = refused(text)
    assert (fault.code, at(fault)) == ("yaml-alias", place)
    assert "inside its own anchor" in fault.message


def test_a_name_set_again_does_not_mean_its_old_value_while_it_is_read() -> None:
    assert "inside its own anchor" in refused("[&x 1, &x [*x]]").message


def test_an_alias_needs_its_anchor_before_it() -> None:
    fault = refused("[*x, &x 1]")
    assert (fault.code, at(fault)) == ("yaml-alias", (1, 2))


def test_an_alias_bomb_is_refused_at_its_fuse() -> None:
    levels = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))
    fault = refused("a0: &a0 lol\n" + levels)
    assert fault.code == "yaml-alias-bomb"
    assert "100,000 nodes" in fault.message
    assert fault.line is not None
    assert 4 < fault.line < 9


def test_the_bound_on_aliases_is_exact() -> None:
    assert len(read("[&x [1, 2], *x, *x]")) == 3
    load_yaml("[&x [1, 2], *x, *x]", max_aliased_nodes=6)
    assert refused("[&x [1, 2], *x, *x]", max_aliased_nodes=5).code == "yaml-alias-bomb"


def test_aliases_do_not_smuggle_depth() -> None:
    lines = ["a0: &a0 [1]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 120)]
    fault = refused("\n".join(lines))
    assert (fault.code, fault.line) == ("yaml-too-deep", 100)


# --- refusals -------------------------------------------------------------------------------


def test_a_duplicate_key_names_both_lines() -> None:
    fault = refused("a: 1\nb: 2\n'a': 3\n")
    assert (fault.code, at(fault)) == ("yaml-duplicate-key", (3, 1))
    assert "line 1" in fault.message
    assert "line 3" in fault.message


def test_faults_that_keep_the_shape_come_together() -> None:
    fault = refused("a: !!str 1\na: 2\n3: x\n? [k]\n: y\n? {k: 1}\n: z\n")
    assert isinstance(fault, DefinitionErrors)
    assert [(f.code, f.line) for f in fault.exceptions] == [
        ("yaml-tag", 1),
        ("yaml-duplicate-key", 2),
        ("yaml-key", 3),
        ("yaml-key", 4),
        ("yaml-key", 6),
    ]
    assert "!!str" in fault.exceptions[0].message


def test_broken_syntax_comes_with_the_faults_before_it() -> None:
    fault = refused("a: !x 1\nb: [\n")
    assert isinstance(fault, DefinitionErrors)
    assert [f.code for f in fault.exceptions] == ["yaml-tag", "yaml-syntax"]


def test_faults_are_bounded() -> None:
    fault = refused("\n".join(f"{i}: x" for i in range(1000)))
    assert isinstance(fault, DefinitionErrors)
    assert len(fault.exceptions) == 101
    assert fault.exceptions[-1].code == "yaml-faults"


@pytest.mark.parametrize("text", ["!!python/object:os.system x", "!t [1]", "! x", "a: !!map {}"])
def test_tags_are_refused(text: str) -> None:
    assert refused(text).code == "yaml-tag"


@pytest.mark.parametrize(
    ("key", "kind"),
    [("1", "a number"), ("1.5", "a number"), ("true", "a boolean"), ("null", "null")],
)
def test_keys_are_text(key: str, kind: str) -> None:
    fault = refused(f"{key}: x")
    assert (fault.code, at(fault)) == ("yaml-key", (1, 1))
    assert kind in fault.message
    assert f'"{key}"' in fault.message


@pytest.mark.parametrize("key", ["on", "no", "y", "1:30", "2026-01-01", "'1'", '"<<"'])
def test_keys_that_yaml_1_1_would_convert_are_text(key: str) -> None:
    assert read(f"{key}: x") == {key.strip("'\""): "x"}


def test_merge_keys_are_refused_with_advice() -> None:
    fault = refused("a: &x {k: 1}\nb:\n  <<: *x\n")
    assert at(fault) == (3, 3)
    assert "merge keys" in fault.message


def test_a_second_document_is_refused() -> None:
    fault = refused("a: 1\n---\nb: 2\n")
    assert (fault.code, at(fault)) == ("yaml-documents", (2, 1))


@pytest.mark.parametrize(
    "text", ["", " \n", "# only a comment\n", "---\n", "---\n...\n", b"\xef\xbb\xbf"]
)
def test_an_empty_document_is_refused(text: str | bytes) -> None:
    fault = refused(text)
    assert fault.code == "yaml-empty"
    assert "empty" in fault.message


def test_an_explicit_null_is_a_document() -> None:
    assert read("null") is None
    assert read("''") == ""


def test_yaml_1_1_cannot_be_asked_for() -> None:
    assert refused("%YAML 1.1\n---\na: on\n").code == "yaml-directive"


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_depth_is_bounded(opening: str) -> None:
    fault = refused(opening * 50_000)
    assert fault.code == "yaml-too-deep"
    assert "100 levels" in fault.message


def test_the_bound_on_depth_is_exact() -> None:
    load_yaml("[" * 100 + "]" * 100)
    assert refused("[" * 101 + "]" * 101).code == "yaml-too-deep"
    load_yaml("[[1]]", max_depth=2)
    assert at(refused("[[[1]]]", max_depth=2)) == (1, 3)


@pytest.mark.parametrize("text", ["a: ééé", "a: ééé".encode()])
def test_size_is_counted_in_bytes(text: str | bytes) -> None:
    load_yaml(text, max_bytes=9)
    fault = refused(text, max_bytes=8)
    assert (fault.code, fault.message) == (
        "yaml-too-large",
        "the text has 9 bytes; at most 8 are read",
    )


def test_what_is_not_utf_8_is_refused_at_its_byte() -> None:
    fault = refused("é: 1\nb: é\xe9".encode("latin-1").replace(b"\xe9:", "é:".encode(), 1))
    assert (fault.code, at(fault)) == ("yaml-encoding", (2, 4))
    assert "0xE9" in fault.message


def test_utf_16_is_refused() -> None:
    assert refused("a: 1".encode("utf-16")).code == "yaml-encoding"


@pytest.mark.parametrize(
    ("text", "place"), [("a: 1\r\nb: \x00", (2, 4)), ("\x1b", (1, 1)), ("a\rb\x7f", (2, 2))]
)
def test_control_characters_are_refused(text: str, place: tuple[int, int]) -> None:
    fault = refused(text)
    assert (fault.code, at(fault)) == ("yaml-control-character", place)
    assert f"U+{ord(text[-1]):04X}" in fault.message


def test_half_a_character_is_refused() -> None:
    assert refused("\ud800").code == "yaml-control-character"
    assert refused(r'a: "\ud800"').code == "yaml-syntax"


def test_binary_junk_is_refused() -> None:
    assert refused(bytes(range(256))).code == "yaml-encoding"
    assert refused(bytes(range(128))).code == "yaml-control-character"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a:\n\tb: 1", 2, "tab"),
        ("a: b: c", 1, "': ' cannot stand here"),
        ("a: @x", 1, "'@'; quote it"),
        ("a: `x", 1, "'`'; quote it"),
        ("a: %x", 1, "'%'; quote it"),
        ('a: "\\q"', 1, "escape"),
        ("key: - a", 1, "a list cannot begin here"),
        ("}", 1, "a value is missing"),
        ("%YAML 3.0\n---\na", 1, "version"),
        ("a: 'x\n", None, "never closed"),
        ("[1, 2", None, "']' is missing"),
        ("{a", None, "'}' is missing"),
        ("- a\nb: c", 2, "began on line 1"),
        ("a: 1\n  b: 2", 2, "': ' cannot stand here"),
        ("b: 1\nc", None, "a key without"),
        ('a: "b" c', 1, "indent"),
    ],
)
def test_syntax_errors_say_it_plainly(text: str, line: int | None, words: str) -> None:
    fault = refused(text)
    assert fault.code == "yaml-syntax"
    assert fault.line is not None
    assert fault.column is not None
    if line is not None:  # the two parsers disagree on where the end of a text is
        assert fault.line == line
    assert words in fault.message


def test_an_unknown_complaint_is_passed_on() -> None:
    assert "expected" in refused("a: *").message


@given(st.text(max_size=60) | st.text("[]{}-:?,&*!|>'\"%@#\t\n ab1~<", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(DefinitionError):
        plain(load_yaml(text))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(DefinitionError):
        plain(load_yaml(data))


# --- files ----------------------------------------------------------------------------------


def test_a_file_is_read_under_its_path(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\na: 2\n")
    with pytest.raises(DefinitionError) as caught:
        read_yaml(path)
    assert caught.value.where == f"{path}:2:1"
    with pytest.raises(DefinitionError) as caught:
        read_yaml(path, file="shown.yaml")
    assert caught.value.where == "shown.yaml:2:1"
    path.write_text("a: 1\n")
    assert plain(read_yaml(path)) == {"a": 1}


def test_the_size_of_a_file_is_checked_first(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as stream:
        stream.truncate(yaml.MAX_BYTES + 1)
    with pytest.raises(DefinitionError, match="16,777,217 bytes; at most 16,777,216") as caught:
        read_yaml(path)
    assert caught.value.code == "yaml-too-large"


@pytest.mark.parametrize("name", ["missing.yaml", ".", "a\0b"])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_yaml(tmp_path / name)
    assert caught.value.code == "file-unreadable"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(DefinitionError, match="not a regular file"):
        read_yaml(path)


def test_nodes_are_values() -> None:
    text = "{a: [1, {b: x}]}"
    assert load_yaml(text) == load_yaml(text)
    assert hash(load_yaml(text)) == hash(load_yaml(text))
    key = ScalarNode("a", "a", 1, 2)
    made = MappingNode(((key, ScalarNode(1, "1", 1, 5)),), 1, 1)
    assert made == load_yaml("{a: 1}")
    assert made.get("a") == ScalarNode(1, "1", 1, 5)
