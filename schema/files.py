"""Reading a definition's file: bounded, and with refusals that name the file."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from weft.schema.errors import DefinitionError

__all__ = ["MAX_FILE_BYTES", "read_file"]

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
"""The largest file that is read."""


def read_file(
    path: str | os.PathLike[str], *, file: str | None = None, max_bytes: int = MAX_FILE_BYTES
) -> bytes:
    """The bytes of a regular file; ``file`` is its name in faults, if not ``path``.

    The kind and size are looked at before anything is read: a pipe would be waited on for ever.

    Raises:
        DefinitionError: There is no such file, it cannot be read, is no file, or is too large.
    """
    path = Path(path)
    name = file or str(path)

    def refusal(reason: str, code: str = "file-unreadable") -> DefinitionError:
        return DefinitionError(reason, code=code, file=name)

    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise refusal(f"cannot read: this is {kind}; a file is wanted")
        if status.st_size > max_bytes:
            raise refusal(
                f"the file has {status.st_size:,} bytes; at most {max_bytes:,} are read",
                "file-too-large",
            )
        with path.open("rb") as stream:
            # One byte more than allowed, in case the file grows while it is read.
            data = stream.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise refusal(f"cannot read: {reason}") from error
    if len(data) > max_bytes:
        raise refusal(f"the file has more than {max_bytes:,} bytes", "file-too-large")
    return data
