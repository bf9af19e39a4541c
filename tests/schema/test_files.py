"""Reading files: what is refused before it is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from weft.schema.errors import DefinitionError
from weft.schema.files import read_file


def refused(path: Path | str, **bounds: int) -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        read_file(path, **bounds)
    assert caught.value.file == str(path)
    return caught.value


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"weft: 1\r\n\xff")
    assert read_file(path) == b"weft: 1\r\n\xff"
    assert read_file(str(path), max_bytes=10) == b"weft: 1\r\n\xff"


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.touch()
    os.truncate(path, 100 << 20)  # 100 MB that take no room on the disk
    fault = refused(path)
    assert fault.code == "file-too-large"
    assert fault.message == "the file has 104,857,600 bytes; at most 16,777,216 are read"


def test_a_file_that_grows_while_it_is_read_is_still_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "growing.yaml"
    path.write_bytes(b"1234")
    small = path.stat()
    path.write_bytes(b"1234567")
    monkeypatch.setattr(Path, "stat", lambda self: small)
    assert refused(path, max_bytes=5).message == "the file has more than 5 bytes"


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    assert refused(tmp_path).message == "cannot read: this is a folder; a file is wanted"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # opening it would wait for a writer for ever
    assert "not a regular file" in refused(pipe).message


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    fault = refused(tmp_path / "missing.yaml")
    assert fault.code == "file-unreadable"
    assert "No such file" in fault.message
    assert "null" in refused("a\0b").message


def test_faults_carry_the_name_that_the_reader_knows(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_file(tmp_path / "missing.yaml", file="orders.yaml")
    assert str(caught.value).startswith("orders.yaml: cannot read:")
