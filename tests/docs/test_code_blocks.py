"""Every code block of the documentation does what its page says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import Block, Failed, Page, alike, blocks, commands

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_blocks_of(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEFT_STORE", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = set(sys.modules)
    running = Page(tmp_path, REPOSITORY)
    monkeypatch.setitem(sys.modules, "page", running.module)
    try:
        for block in blocks(page):
            running.run(block)
    finally:
        for name in set(sys.modules) - before:
            if getattr(sys.modules[name], "__file__", None) and str(
                sys.modules[name].__file__
            ).startswith(str(tmp_path)):
                del sys.modules[name]


def test_the_pages_are_found():
    assert REPOSITORY / "README.md" in PAGES
    assert REPOSITORY / "docs" / "quickstart.md" in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_links_of(page):
    gone = [
        link
        for link in re.findall(r"\]\(([^)#\s]+)[^)\s]*\)", page.read_text("utf-8"))
        if "://" not in link
        and not (page.parent / link).exists()
        # News fragments are read in CHANGELOG.md, at the root.
        and not (page.parent.name == "changes" and (REPOSITORY / link).exists())
    ]
    assert not gone, f"{page} leads to what is not there: {', '.join(gone)}"


# ── the harness itself: a block that is wrong fails ──────────────────────────────────────────


def block(language: str, text: str, *words: str) -> Block:
    return Block(Path("page.md"), 1, language, words, text)


@pytest.mark.parametrize(
    "wrong",
    [
        block("python", "assert 1 == 2\n"),
        block("python", "1 +\n", "no-run"),
        block("yaml", "weft: 1\nname: x\nsteps: []\n"),
        block("yaml", "retry: {attempts: 0}\n", "task"),
        block("yaml", "weft: 1\nname: x\nnet: {start: a, tasks: {a: {then: nowhere}}}\n"),
        block("console", "$ echo one\ntwo\n"),
        block("console", "no command\n"),
        block("json", "{,}\n"),
        block("ruby", "puts 1\n"),
        block("", "unmarked\n"),
    ],
    ids=lambda b: f"{b.language}:{b.text[:12]!r}",
)
def test_a_wrong_block_fails(wrong, tmp_path):
    with pytest.raises((Failed, AssertionError, SyntaxError, ValueError, ExceptionGroup)):
        Page(tmp_path, REPOSITORY).run(wrong)


def test_blocks_of_a_page_share_folder_and_namespace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = Page(tmp_path, REPOSITORY)
    page.run(block("python", "x = 1\n"))
    page.run(block("python", "y = 2\n", "file=shop.py"))
    page.run(block("python", "import pathlib; assert x == 1; assert pathlib.Path('shop.py')\n"))
    page.run(block("console", "$ cat shop.py\ny = 3\n$ false\n$ echo $?\n1\n"))
    assert not hasattr(page.module, "y")


def test_fences_within_fences_and_lists(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("- a\n\n  ```python file=a.py\n  x = 1\n  ```\n\n````text\n```python\n````\n")
    found = list(blocks(page))
    assert [(b.language, b.text, b.line) for b in found] == [
        ("python", "x = 1\n", 3),
        ("text", "```python\n", 7),
    ]
    assert found[0].file == "a.py"


def test_commands_go_on_after_a_backslash():
    text = "$ weft run \\\n>   a.yaml\nout\n$ ls\n"
    assert list(commands(block("console", text))) == [
        ("weft run \\\n  a.yaml", "out\n"),
        ("ls", ""),
    ]


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        ("a  1.5 s\n", "a 20 ms\n", True),
        ("case x-0123456789\n", "case x-fedcba9876\n", True),
        ("a\n…\nz\n", "a\nb\nc\nz\n", True),
        ("a\n…\nz\n", "a\nb\n", False),
        ("data x = {1, 2…\n", "data x = {1, 2, 3}\n", True),
        ("a\n", "b\n", False),
        ("a\n", "a\nb\n", False),
        ("2026-01-01 10:00:00\n", "2027-11-21 11:22:33\n", True),
    ],
)
def test_alike(expected, found, same):
    assert alike(expected, found) is same
