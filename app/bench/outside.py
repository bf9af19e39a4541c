"""Engines that are measured in an environment of their own, and never installed beside Weft."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from weft.bench.nets import PlainNet
from weft.bench.peers import Peer
from weft.schema.errors import UsageError

__all__ = ["Pm4py"]

# What the other interpreter runs: it answers a line of JSON for each line of JSON. Only its
# exploration is timed, from the line to the answer: some hundredths of a millisecond more.
SERVE = """
import json, sys
from pm4py.objects.petri_net.obj import Marking, PetriNet
from pm4py.objects.petri_net.utils import petri_utils, reachability_graph

net = PetriNet("bench")
given = json.loads(sys.stdin.readline())
places = [PetriNet.Place(f"p{i}") for i in range(given["places"])]
net.places.update(places)
for i, (take, put) in enumerate(given["transitions"]):
    t = PetriNet.Transition(f"t{i}", f"t{i}")
    net.transitions.add(t)
    for p in take:
        petri_utils.add_arc_from_to(places[p], t, net)
    for p in put:
        petri_utils.add_arc_from_to(t, places[p], net)
first = Marking({places[i]: n for i, n in enumerate(given["marking"]) if n})
answers = sys.stdout
sys.stdout = sys.stderr
print("ready", file=answers, flush=True)
for _ in sys.stdin:
    graph = reachability_graph.construct_reachability_graph(net, first)
    print(json.dumps([len(graph.states), len(graph.transitions)]), file=answers, flush=True)
"""


class Pm4py(Peer):
    """pm4py, for process mining: its reachability graph. It is under the AGPL.

    Args:
        folder: The virtual environment that it is in, or is to be in; None: it is left out.
    """

    name: ClassVar[str] = "pm4py"
    outside: ClassVar[bool] = True

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._process: subprocess.Popen[str] | None = None

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        assert self.folder is not None
        return self.folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"

    def missing(self) -> str | None:
        """That no environment is named, or that it cannot be had there."""
        if self.folder is None:
            return (
                "pm4py is left out: it is under the AGPL, so it is kept apart; name a folder for "
                "an environment of its own with --pm4py"
            )
        try:
            if not self.python.exists():
                _run([sys.executable, "-m", "venv", str(self.folder)])
                _run([str(self.python), "-m", "pip", "install", "--quiet", "pm4py"])
            _run([str(self.python), "-c", "import pm4py"])
        except UsageError as error:
            return f"pm4py is left out: {error.message}"
        return None

    def explore(self, net: PlainNet) -> Callable[[], tuple[int, int]]:
        """Its reachability graph."""
        self.close()
        process = subprocess.Popen(
            [str(self.python), "-c", SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._process = process
        transitions = [[list(take), list(put)] for take, put in net.transitions]
        self._tell({"places": net.places, "transitions": transitions, "marking": list(net.marking)})
        self._hear()

        def work() -> tuple[int, int]:
            if self._process is not process:
                raise UsageError("pm4py has gone on to another net", code="bench")
            self._tell("go")
            states, firings = json.loads(self._hear())
            return states, firings

        return work

    def _tell(self, what: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # that it has ended is heard next
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise UsageError(
                f"pm4py ended without an answer, with exit code {self._process.wait()}",
                code="bench",
            )
        return line

    def close(self) -> None:
        """End its process."""
        process, self._process = self._process, None
        if process is not None:
            # Its input ends, and then it does; or it has ended, and does not hear what it was told.
            with suppress(BrokenPipeError), process:
                pass
            process.wait()

    def __del__(self) -> None:
        self.close()


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UsageError(f"{command[0]}: {error.strerror}", code="bench") from error
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise UsageError(f"{' '.join(command[:4])} failed: {last}", code="bench")
