"""The limit in C (``limit.c``), built on the spot; None where there is no compiler."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from array import array
from functools import cache
from importlib.resources import files
from pathlib import Path

import attrs

from weft.bench.nets import PlainNet

__all__ = ["Limit", "limit"]

# The best that the machine gives, save that no loop is made into vector instructions.
FLAGS = (
    "-O3",
    "-march=native",
    "-fno-tree-vectorize",
    "-fno-tree-slp-vectorize",
    "-fPIC",
    "-shared",
)


@attrs.frozen
class Limit:
    """The functions of ``limit.c``; nets are safe, of up to 64 places and transitions."""

    library: ctypes.CDLL

    def fire(self, net: PlainNet, firings: int) -> list[int]:
        """The marking after so many firings, always of the first transition that is enabled."""
        take, put = _masks(net)
        marking = self.library.limit_fire(
            len(net.transitions), _at(take), _at(put), ctypes.c_uint64(_mask(net)), firings
        )
        return [marking >> p & 1 for p in range(net.places)]

    def enabled(self, net: PlainNet, cases: array[int], found: array[int]) -> None:
        """The enabled transitions of each case, as bits."""
        take, _ = _masks(net)
        self.library.limit_enabled(
            len(net.transitions), _at(take), ctypes.c_int64(len(cases)), _at(cases), _at(found)
        )

    def explore(self, net: PlainNet) -> tuple[int, int]:
        """How many markings and firings there are."""
        take, put = _masks(net)
        firings = ctypes.c_int64()
        states = self.library.limit_explore(
            len(net.transitions),
            _at(take),
            _at(put),
            ctypes.c_uint64(_mask(net)),
            ctypes.byref(firings),
        )
        return states, firings.value

    def ticks(self) -> float:
        """Ticks of the time-stamp counter in a nanosecond; 0 where there is none."""
        return float(self.library.limit_ticks())


@cache
def limit() -> Limit | None:
    """The limit, if this machine can build it."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder, "limit.so")
        source = Path(folder, "limit.c")
        source.write_bytes(files("weft.bench").joinpath("limit.c").read_bytes())
        command = [compiler, *FLAGS, "-o", str(built), str(source)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return None
        library = ctypes.CDLL(str(built))
    library.limit_fire.restype = ctypes.c_uint64
    library.limit_explore.restype = ctypes.c_int64
    library.limit_ticks.restype = ctypes.c_double
    library.limit_fire.argtypes = [
        *(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int64)
    ]
    library.limit_enabled.argtypes = [
        *(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
    ]
    library.limit_explore.argtypes = [
        *(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)
    ]
    return Limit(library)


def _at(numbers: array[int]) -> int:
    return numbers.buffer_info()[0]


def _mask(net: PlainNet) -> int:
    return sum(1 << p for p, tokens in enumerate(net.marking) if tokens)


def _masks(net: PlainNet) -> tuple[array[int], array[int]]:
    take = array("Q", (sum(1 << p for p in take) for take, _ in net.transitions))
    put = array("Q", (sum(1 << p for p in put) for _, put in net.transitions))
    return take, put
