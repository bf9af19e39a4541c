"""The fenced code blocks of a Markdown file, and running them.

A block's language says what is done with it; the words after it change that:

    ```python               runs; blocks of one page share a namespace and a folder
    ```python file=shop.py  is written to that file in the folder, not run
    ```yaml                 loads and compiles as a specification
    ```yaml file=order.yaml … and is written to that file
    ```yaml task|net|data   loads as that part of a specification
    ```console              commands after "$ ", each followed by its output
    ```json                 parses
    ```text, ```mermaid     nothing
    no-run                  the block is only checked for its syntax

The output of a command is compared without regard to spacing, numbers, times and ids; a line
that is only "…" stands for any lines.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import ModuleType

import attrs

from weft.connectors import builtin as builtin_connectors
from weft.engine.compile import compile_specification
from weft.loading import loads
from weft.patterns import builtin as builtin_patterns

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
KNOWN = ("python", "yaml", "console", "json", "text", "mermaid")


@attrs.frozen
class Block:
    """A fenced block: its language, the words after that, its text, and its first line."""

    page: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        return next((w.removeprefix("file=") for w in self.words if w.startswith("file=")), None)


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in their order."""
    lines = iter(enumerate(page.read_text("utf-8").splitlines(), 1))
    for number, line in lines:
        opening = FENCE.match(line)
        if opening is None:
            continue
        indent, fence = len(opening["indent"]), opening["fence"]
        inside: list[str] = []
        for _, text in lines:
            closing = FENCE.match(text)
            if closing is not None and closing["fence"].startswith(fence) and not closing["info"]:
                break
            inside.append(text[indent:])
        language, *words = opening["info"].split() or [""]
        yield Block(page, number, language, tuple(words), "\n".join(inside) + "\n")


class Failed(AssertionError):
    """A block does not do what the page says."""

    def __init__(self, block: Block, message: str) -> None:
        super().__init__(f"{block.where}: {message}")


class Page:
    """Runs the blocks of one page in a folder."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder = folder
        self.repository = repository
        self.module = ModuleType("page")
        self.status = 0

    def run(self, block: Block) -> None:
        """Run a block.

        Raises:
            Failed: It does not do what the page says.
        """
        if block.language not in KNOWN:
            raise Failed(
                block,
                f"a block is marked as one of {', '.join(KNOWN)}, not {block.language!r}; "
                "text is for what nobody can run",
            )
        getattr(self, block.language)(block)

    def text(self, block: Block) -> None:
        """Nothing to do."""

    mermaid = text

    def json(self, block: Block) -> None:
        json.loads(block.text)

    def python(self, block: Block) -> None:
        if block.file is not None:
            self.write(block)
        # Blank lines before it, so that a traceback names the line of the page.
        code = compile("\n" * block.line + block.text, str(block.page), "exec", dont_inherit=True)
        if block.file is None and "no-run" not in block.words:
            exec(code, vars(self.module))

    def yaml(self, block: Block) -> None:
        if block.file is not None:
            self.write(block)
        indented = block.text.replace("\n", "\n    ")
        if "task" in block.words:
            text = f"weft: 1\nname: x\nnet:\n  start: t\n  tasks:\n   t:\n    {indented}"
        elif "net" in block.words:
            text = f"weft: 1\nname: x\nnet:\n    {indented}"
        elif "data" in block.words:
            text = f"weft: 1\nname: x\nsequence: [{{}}]\ndata:\n    {indented}"
        else:
            text = block.text
        specification = loads(text, origin=self.folder)
        if text == block.text and "no-run" not in block.words:
            compile_specification(
                specification, registry=builtin_patterns(), connectors=builtin_connectors()
            )

    def write(self, block: Block) -> None:
        assert block.file is not None
        file = self.folder / block.file
        assert file.resolve().is_relative_to(self.folder.resolve())
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, "utf-8")

    def console(self, block: Block) -> None:
        if "no-run" in block.words:
            return
        for command, expected in commands(block):
            found = self.command(command)
            if not alike(expected, found):
                raise Failed(
                    block, f"$ {command}\n--- the page says\n{expected}--- it prints\n{found}"
                )

    def command(self, command: str) -> str:
        """Run a command with bash in the page's folder; what it prints, errors included."""
        environment = {
            # Not measured for coverage: what a page runs, the tests of the command line run too.
            **{k: v for k, v in os.environ.items() if not k.startswith(("WEFT_", "COVERAGE_"))},
            "PATH": os.pathsep.join([str(self.bin()), os.environ["PATH"]]),
            "COLUMNS": "100",
            "TZ": "UTC",
        }
        done = subprocess.run(
            ["bash", "-c", f"(exit {self.status})\n{command}"],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        self.status = done.returncode
        return done.stdout

    def bin(self) -> Path:
        """A folder with the command `weft`, as an installation makes it."""
        folder = self.folder / ".bin"
        script = folder / "weft"
        if not script.exists():
            folder.mkdir()
            script.write_text(
                f"#!{sys.executable}\nimport sys\nfrom weft.cli import main\nsys.exit(main())\n"
            )
            script.chmod(0o755)
            (folder / "python").symlink_to(sys.executable)
        return folder


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output that the page shows."""
    command: str | None = None
    output = ""
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if command is not None:
                yield command, output
            command, output = line[2:], ""
        elif command is None:
            raise Failed(block, "a console block begins with a command, after '$ '")
        elif command.endswith("\\"):
            command = f"{command}\n{line.removeprefix('> ')}"
        else:
            output += line + "\n"
    if command is not None:
        yield command, output


_ALIKE = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?"), "TIME"),
    (re.compile(r"\d\d:\d\d:\d\d(\.\d+)?"), "TIME"),
    (re.compile(r"\b[0-9a-f]{10,}\b"), "ID"),
    (re.compile(r"\d+(\.\d+)? (ms|s|min|h)\b( \d+ (s|min)\b)?"), "DURATION"),
    (re.compile(r"\b\d[\d.,]*\b"), "N"),
    (re.compile(r"/\S*/"), "/"),
    (re.compile(r"\s+"), " "),
)


def plain(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, instead in _ALIKE:
        line = pattern.sub(instead, line)
    return line.strip()


def lines_of(output: str) -> list[str]:
    """The lines of an output, plain; what a run tells of steps side by side is sorted."""
    lines = [plain(line) for line in output.splitlines() if line.strip()]
    return [
        line
        for steps, group in groupby(lines, key=lambda line: line.startswith("N "))
        for line in (sorted(group) if steps else group)
    ]


def alike(expected: str, found: str) -> bool:
    """Whether an output is the one that a page shows; "…" on a line of its own is any lines."""
    wanted, given = lines_of(expected), lines_of(found)
    pattern = "".join("(?:.*\n)*?" if w == "…" else re.escape(w) + "\n" for w in wanted)
    # A value that the page cuts with "…" at its end may go on.
    pattern = pattern.replace("…\n", "[^\n]*\n") if "…\n" in pattern else pattern
    return re.fullmatch(pattern, "".join(line + "\n" for line in given)) is not None
