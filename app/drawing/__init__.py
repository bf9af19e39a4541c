"""Pictures of specifications, of their nets, and of cases: `draw`.

DOT and Mermaid are texts of our own making; SVG and PNG are laid out by Graphviz, which comes
with the extra ``draw``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

from weft.drawing.dot import dot, dot_placed
from weft.drawing.mermaid import mermaid
from weft.drawing.model import Drawing
from weft.drawing.net import net_drawing
from weft.drawing.overlay import overlays
from weft.drawing.placed import placed
from weft.drawing.specification import specification_drawing
from weft.engine.case import CaseState
from weft.engine.compile import ConnectorKind, compile_specification
from weft.engine.net import CompiledSpecification
from weft.engine.registry import Registry
from weft.engine.runtime.engine import Case
from weft.schema.errors import UsageError
from weft.schema.specification import Specification
from weft.session import SyncCase

__all__ = ["FORMATS", "draw"]

FORMATS = ("svg", "png", "dot", "mmd")
"""What a picture can be written as; ``mmd`` is Mermaid."""

Drawable = Specification | CompiledSpecification | CaseState | Case | SyncCase


@overload
def draw(
    what: Drawable,
    *,
    format: Literal["svg", "dot", "mmd"] = "svg",
    net: bool = False,
    case: CaseState | None = None,
    path: Sequence[str] = (),
    registry: Registry | None = None,
    connectors: Mapping[str, ConnectorKind] | None = None,
) -> str: ...
@overload
def draw(
    what: Drawable,
    *,
    format: Literal["png"],
    net: bool = False,
    case: CaseState | None = None,
    path: Sequence[str] = (),
    registry: Registry | None = None,
    connectors: Mapping[str, ConnectorKind] | None = None,
) -> bytes: ...
def draw(
    what: Drawable,
    *,
    format: str = "svg",
    net: bool = False,
    case: CaseState | None = None,
    path: Sequence[str] = (),
    registry: Registry | None = None,
    connectors: Mapping[str, ConnectorKind] | None = None,
) -> str | bytes:
    """A picture of a specification, of a net, or of a case.

    Args:
        what: A specification is drawn as its author wrote it; a compiled one, and a case alone,
            as a net.
        format: ``svg``, ``dot`` and ``mmd`` (Mermaid) give a text, ``png`` gives bytes. SVG and
            PNG need the extra ``draw``.
        net: Draw the net of a specification.
        case: Show where this case of the specification stands: its tokens and its open work.
        path: Names of transitions of the net, in order: this path is highlighted.
        registry: The patterns, if they are not only those of Weft.
        connectors: The connectors, if they are not only those of Weft.

    Raises:
        DefinitionErrors: The specification does not compile.
        UsageError: The format is unknown, the extra is missing, the path names a transition
            that is not there, or the case is of another net.
    """
    if format not in FORMATS:
        raise UsageError(
            f"a picture cannot be written as {format!r}; there are {', '.join(FORMATS)}",
            code="format",
        )
    drawing = _drawing(
        what, net=net, case=case, path=path, registry=registry, connectors=connectors
    )
    if format == "mmd":
        return mermaid(drawing)
    kept = placed(drawing, what) if isinstance(what, Specification) and not net else None
    text = dot(drawing) if kept is None else dot_placed(kept)
    if format == "dot":
        return text
    from weft.drawing.graphviz import laid_out

    content = laid_out(text, format, placed=kept is not None)
    return content if format == "png" else content.decode()


def _drawing(
    what: Any,
    *,
    net: bool,
    case: CaseState | None,
    path: Sequence[str],
    registry: Registry | None,
    connectors: Mapping[str, ConnectorKind] | None,
) -> Drawing:
    if isinstance(what, Case | SyncCase):
        what = what.state
    if isinstance(what, CaseState):
        case, what = what, what.compiled
    if isinstance(what, CompiledSpecification):
        return net_drawing(what, overlays(what, case, path))
    from weft.connectors import builtin as builtin_connectors
    from weft.patterns.installed import installed

    registry = installed() if registry is None else registry
    connectors = builtin_connectors() if connectors is None else connectors
    compiled = compile_specification(what, registry=registry, connectors=connectors)
    if case is not None and case.compiled.hash != compiled.hash:
        raise UsageError(
            f"case {case.id!r} runs on another net than {what.name} {what.version} compiles to: "
            "draw the case alone, or give the specification that it was started from",
            code="other-net",
            where=f"case {case.id}",
        )
    shown = overlays(compiled, case, path)
    if net:
        return net_drawing(compiled, shown)
    return specification_drawing(what, registry, shown)
