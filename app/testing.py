"""For the tests of projects that use Weft: every specification of a folder is sound.

    import pytest
    from weft.testing import assert_sound, specifications

    @pytest.mark.parametrize("file", specifications("workflows"), ids=str)
    def test_workflow(file):
        assert_sound(file)

A plain ``assert_sound("workflows")`` does the same for all of them at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weft.schema.errors import UsageError, WeftError

if TYPE_CHECKING:
    from weft.engine.registry import Registry

__all__ = ["assert_sound", "specifications"]

SUFFIXES = (".yaml", ".yml", ".json", ".pnml")


def specifications(folder: str | Path) -> Sequence[Path]:
    """The files in a folder and below that hold a specification or a PNML net, sorted.

    YAML and JSON files that are neither in the native nor in the steps format are passed over.

    Raises:
        UsageError: There is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {str(folder)!r}", code="no-folder")
    found = (p for p in sorted(folder.rglob("*")) if p.suffix.lower() in SUFFIXES and p.is_file())
    return [p for p in found if p.suffix.lower() == ".pnml" or _ours(p)]


def _ours(path: Path) -> bool:
    text = path.read_bytes()
    return any(line.lstrip(b" {\"'").startswith((b"weft", b"steps")) for line in text.splitlines())


def assert_sound(
    *paths: str | Path,
    undecided: bool = False,
    warnings: bool = True,
    max_states: int | None = None,
    registry: Registry | None = None,
) -> None:
    """Fail, with all findings, unless every specification is sound.

    Args:
        paths: Files, and folders of files (see `specifications`).
        undecided: Whether an undecided net passes.
        warnings: Whether a net with warnings passes.
        max_states: The bound on the states of each net.
        registry: The patterns, if they are not only those of Weft.

    Raises:
        AssertionError: One is not sound, cannot be read, or there is none at all.
    """
    from weft.verifying import verify

    files = [
        file
        for path in map(Path, paths)
        for file in (specifications(path) if path.is_dir() else [path])
    ]
    if not files:
        raise AssertionError(f"there is no specification in {', '.join(map(str, paths)) or '()'}")
    faults = []
    for file in files:
        try:
            report = verify(file, max_states=max_states, registry=registry)
        except WeftError as error:
            faults.append(f"{file}: {error}")
            continue
        told = [str(d) for d in report.diagnostics if d.level == "error" or not warnings]
        if report.sound is False:
            faults.append("\n  ".join([f"{file}: {report.name} is not sound", *told]))
        elif report.sound is None and not undecided:
            faults.append(
                f"{file}: whether {report.name} is sound is undecided: {report.undecided}"
            )
        elif told and not warnings:
            faults.append("\n  ".join([f"{file}: {report.name} has findings", *told]))
    if faults:
        raise AssertionError("\n".join(faults))
