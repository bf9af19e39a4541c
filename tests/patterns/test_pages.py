"""The pages of the catalogue say what the patterns say."""

from __future__ import annotations

from pathlib import Path

from weft.cli.pages import page_name, pattern_pages
from weft.patterns import builtin

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "patterns"


def test_the_pages_are_up_to_date() -> None:
    written = {page.name: page.read_text("utf-8") for page in FOLDER.iterdir()}
    assert written == pattern_pages(list(builtin())), "run `make patterns`"


def test_each_page_has_a_net_an_example_and_what_was_shown() -> None:
    pages = pattern_pages(list(builtin()))
    for pattern in builtin():
        page = pages[page_name(pattern)]
        assert f"]({page_name(pattern)})" in pages["README.md"]
        assert "─▶" in page or "[" in page
        if pattern.id is not None:
            assert "Rating: **full**" in page
            assert "```yaml file=" in page
            assert page.count("```mermaid") == 2
