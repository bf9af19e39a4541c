"""Registries written for a test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from weft.weaver.check import CheckReport, check

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files below a fresh folder: ``write("registry", {"a.yaml": "…"})``."""

    def write_files(name: str, files: dict[str, str | bytes]) -> Path:
        root = tmp_path / name
        for file, content in files.items():
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                path.write_text(dedent(content), encoding="utf-8")
        root.mkdir(parents=True, exist_ok=True)
        return root

    return write_files


@pytest.fixture
def checked(write: Write) -> Callable[..., CheckReport]:
    """Check a registry of one file, written in the test."""

    def run(text: str | bytes, **options: object) -> CheckReport:
        return check(write("registry", {"a.yaml": text}), **options)  # type: ignore[arg-type]

    return run


def ids(report: CheckReport) -> dict[str, int]:
    """How often each id was found; the word about the unstable format is left out."""
    return {
        name: count
        for name, count in Counter(finding.id for finding in report.findings).items()
        if name != "UnstableFileFormat"
    }
