"""Images of nets as files: a net is compiled once, and mapped wherever it is wanted.

`write_image` puts a net into a file, as the kernel reads it, with the names of its places and
transitions; `open_image` maps that file, and the kernel uses it where it lies. Nothing is parsed
or copied between the two, so processes that map one file share its memory. The layout, and how a
file is judged, is in `weft.native.imagefile`.
"""

from __future__ import annotations

import mmap
import os
import stat
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import attrs
import msgspec

from weft.native import imagefile, kernel
from weft.native.imagefile import ImageError, StoredImage
from weft.schema.errors import DefinitionError, JournalError, UsageError

if TYPE_CHECKING:
    from weft.engine.net import Net

__all__ = ["SUFFIX", "MappedNet", "image_bytes", "open_image", "write_image"]

SUFFIX = ".weftnet"
"""How the names of such files end."""


class _Names(msgspec.Struct):
    """The text of a file, in JSON."""

    name: str
    places: list[str]
    transitions: list[str]


@attrs.frozen(eq=False)
class MappedNet:
    """A net in a file.

    Attributes:
        file: The file's name.
        stored: What the kernel uses; see `weft.native.imagefile.StoredImage`.
    """

    file: str
    stored: StoredImage

    def names(self) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """The name of the net, of its places and of its transitions, read when asked for.

        Raises:
            DefinitionError: They are damaged.
        """
        try:
            text = self.stored.text()
        except ImageError as error:
            raise _damaged(self.file, error) from error
        try:
            names = msgspec.json.decode(text, type=_Names)
            layout = self.stored.layout
            if (len(names.places), len(names.transitions)) != (layout.places, layout.transitions):
                raise msgspec.ValidationError(
                    f"it names {len(names.places)} places and {len(names.transitions)} "
                    f"transitions, and there are {layout.places} and {layout.transitions}"
                )
        except msgspec.MsgspecError as error:
            raise DefinitionError(
                f"byte {self.stored.layout.text_at} (text): these are no names: {error}",
                code="image",
                file=self.file,
            ) from error
        return names.name, tuple(names.places), tuple(names.transitions)


def image_bytes(net: Net) -> bytes:
    """The bytes of a net's file.

    Raises:
        UsageError: The net has what only the engine can judge: OR-joins, or arcs that count over
            several scopes; or a priority beyond 32 bits.
    """
    for t in net.transitions:
        if t.or_join is not None:
            raise UsageError(
                f"transition {t.name!r} is an OR-join, which an image cannot hold: it looks at "
                "the whole net",
                code="image",
            )
        if any(a.case_wide for a in (*t.needs, *t.lacks)):
            raise UsageError(
                f"transition {t.name!r} counts tokens over several scopes, which an image "
                "cannot hold: it has one marking",
                code="image",
            )
    names = _Names(net.name, [p.name for p in net.places], [t.name for t in net.transitions])
    try:
        return imagefile.write_image(
            net.image,
            initial=[p.tokens for p in net.places],
            order=[t.priority for t in net.transitions],
            guarded=[t.when is not None for t in net.transitions],
            text=msgspec.json.encode(names),
        )
    except ValueError as error:
        raise UsageError(f"the net {net.name!r}: {error}", code="image") from error


def write_image(path: str | os.PathLike[str], net: Net) -> None:
    """Write a net's file. What was there before is replaced as a whole, or not at all.

    Raises:
        UsageError: As `image_bytes` does.
        JournalError: The file cannot be written.
    """
    content, path = image_bytes(net), Path(path)
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).chmod(0o644)
                Path(file.name).replace(path)
            except BaseException:
                with suppress(OSError):
                    Path(file.name).unlink()
                raise
    except OSError as error:
        raise JournalError(
            f"cannot write the image: {error.strerror}", code="image", where=str(path)
        ) from error


def open_image(path: str | os.PathLike[str], *, copied: bool = False) -> MappedNet:
    """Map a net's file, judge it, and give the net.

    The file stays mapped as long as the net is used. It must not be written to in that time
    (`write_image` replaces it instead, which does no harm): whoever may do so is trusted like the
    writer of a shared library.

    Args:
        path: The file.
        copied: Read the file instead of mapping it; then nobody need be trusted.

    Raises:
        DefinitionError: There is no such file, it is no image, or it is damaged: what, and at
            which byte.
    """
    file = os.fspath(path)
    data: bytes | mmap.mmap
    try:
        number = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(number)
            if not stat.S_ISREG(status.st_mode):
                raise DefinitionError(
                    "cannot read: this is no regular file", code="file-unreadable", file=file
                )
            if copied or status.st_size == 0:  # nothing cannot be mapped
                with os.fdopen(os.dup(number), "rb") as stream:
                    data = stream.read()
            else:
                data = mmap.mmap(number, 0, flags=_FLAGS, prot=mmap.PROT_READ)
        finally:
            os.close(number)
    except (OSError, ValueError, MemoryError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise DefinitionError(
            f"cannot read: {reason}", code="file-unreadable", file=file
        ) from error
    try:
        return MappedNet(file, kernel.open_image(data))
    except ImageError as error:
        raise _damaged(file, error) from error


_FLAGS = mmap.MAP_PRIVATE | getattr(mmap, "MAP_POPULATE", 0)


def _damaged(file: str, error: ImageError) -> DefinitionError:
    return DefinitionError(f"cannot use this image: {error}", code="image", file=file)
