"""The benchmark suite, `weft bench`: Weft beside other engines, and beside what C can do.

Each *contest* gives the same work to several *contestants* in turns, checks that all come to the
same answer, and reports what each needs. Other engines come in through a `Peer`: see
`weft.bench.peers`. How to read the numbers: ``docs/performance.md``.
"""

from __future__ import annotations

from weft.bench.measuring import Contest, Result, measure
from weft.bench.nets import PlainNet
from weft.bench.peers import Peer, peers

__all__ = ["Contest", "Peer", "PlainNet", "Result", "measure", "peers"]
