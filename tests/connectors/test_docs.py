"""The reference of the connectors says what is true: its blocks load and run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import weft
from weft.connectors import builtin
from weft.engine.ports import Connector

PAGE = (Path(__file__).parents[2] / "docs" / "connectors.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
YAML = [text for language, text in BLOCKS if language == "yaml"]
PYTHON = [text for language, text in BLOCKS if language == "python"]
OUTPUT = [text for language, text in BLOCKS if language == "text"]

SHOP = "def price(order): return {'boxes': 1}\ndef pack(order, boxes): return boxes"


@pytest.mark.parametrize("text", YAML)
def test_every_specification_loads_and_its_tasks_can_be_bound(text: str, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    specification = weft.loads(text, origin=tmp_path)
    connectors: dict[str, Connector] = dict(builtin())
    bound = 0
    for net in specification.nets.values():
        for task in net.tasks.values():
            for use in task.uses:
                connector = connectors[use.name]
                connector.bind(task.name, use.argument, origin=tmp_path, inputs=task.inputs)  # type: ignore[call-arg]
                bound += 1
    assert bound >= 1


@pytest.mark.parametrize("text", PYTHON)
def test_every_program_runs(text: str, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    if done.stdout:
        assert done.stdout in OUTPUT


def test_every_key_and_every_code_is_in_the_reference() -> None:
    for connector in builtin().values():
        schema = connector.json_schema()["anyOf"]  # type: ignore[attr-defined]
        for key in schema[1]["properties"]:
            assert f"| `{key}` |" in PAGE, key
    source = "".join(
        file.read_text() for file in (Path(__file__).parents[2] / "connectors").glob("*.py")
    )
    codes = set(re.findall(r'code="([a-z-]+)"', source)) | set(
        re.findall(r'errno\.\w+: \("([a-z-]+)"', source)
    )
    assert {"raised", "exit-code", "not-permitted"} <= codes
    for code in codes - {"choice"}:  # the caller's own
        assert f"`{code}`" in PAGE, code
