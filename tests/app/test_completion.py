"""Completion in the shell: what is proposed, and the scripts."""

from __future__ import annotations

import subprocess

import pytest

from tests.app.conftest import COMMAND


def proposed(spawn, *words: str) -> list[str]:
    env = {
        "_WEFT_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["weft", *words]),
        "COMP_CWORD": str(len(words)),
    }
    out, _ = spawn(env=env).communicate(timeout=60)
    return [line.partition(",")[2] for line in out.splitlines() if line]


def test_what_is_proposed(spawn, weft, asks):
    weft("run", asks, "--case", "order-1", "-q")
    weft("run", asks, "--case", "order-2", "-q")
    assert proposed(spawn, "sus") == ["suspend"]
    assert proposed(spawn, "status", "or") == ["order-2", "order-1"]
    assert proposed(spawn, "complete", "order-2") == ["order-2:ask/1"]
    assert "asks" in proposed(spawn, "run", "")
    assert proposed(spawn, "patterns", "exclusive") == ["exclusive-choice"]
    assert proposed(spawn, "actions", "sys") == ["system"]


def test_nothing_is_proposed_of_a_store_that_cannot_be_read(spawn, weft, folder):
    (folder / ".weft").mkdir()
    (folder / ".weft" / "weft.db").write_text("no database, and longer than a header has to be" * 9)
    assert proposed(spawn, "status", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(weft, shell):
    done = weft("completion", shell)
    assert done.code == 0
    assert "_WEFT_COMPLETE" in done.out
    assert weft("completion", shell, "--json").json["shell"] == shell
    if shell == "bash":
        assert (
            subprocess.run(["bash", "-n"], check=False, input=done.out, text=True).returncode == 0
        )


def test_a_shell_that_is_not_known(weft):
    assert weft("completion", "cmd", "--json").code == 2
    assert COMMAND
