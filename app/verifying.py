"""`weft.verify`: is a net sound? Of a specification, a compiled one, or a file of any format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from weft.schema.errors import UsageError

if TYPE_CHECKING:
    from weft.engine.compile import ConnectorKind
    from weft.engine.net import CompiledSpecification
    from weft.engine.registry import Registry
    from weft.engine.verify.report import Report
    from weft.schema.specification import Specification

__all__ = ["verify"]


def verify(
    what: Specification | CompiledSpecification | str | Path,
    *,
    max_states: int | None = None,
    registry: Registry | None = None,
    connectors: Mapping[str, ConnectorKind] | None = None,
) -> Report:
    """Whether a net is sound: its verdicts, and for each negative one the path that shows it.

    Args:
        what: A specification, a compiled one, or the path of a file: a specification in any
            format, or PNML.
        max_states: The bound on the states of a net; past it a verdict may be missing.
        registry: The patterns, if they are not only those of Weft.
        connectors: The connectors, if they are not only those of Weft.

    Raises:
        DefinitionErrors: The specification is wrong.
        UsageError: ``max_states`` is less than 1, or a PNML file is given without the extra
            ``xml``.
    """
    from weft.engine.net import CompiledSpecification
    from weft.engine.verify import specification as nets

    bound = nets.DEFAULT_MAX_STATES if max_states is None else max_states
    if isinstance(what, CompiledSpecification):
        return nets.verify_specification(what, max_states=bound)
    if isinstance(what, str | Path):
        path = Path(what)
        if path.suffix.lower() == ".pnml":
            return _verify_pnml(path, max_states)
        from weft.loading import load

        what = load(path)
    from weft.connectors import builtin as builtin_connectors
    from weft.engine.compile import compile_specification
    from weft.patterns.installed import installed

    compiled = compile_specification(
        what,
        registry=installed() if registry is None else registry,
        connectors=builtin_connectors() if connectors is None else connectors,
    )
    return nets.verify_specification(compiled, what, max_states=bound)


def _verify_pnml(path: Path, max_states: int | None) -> Report:
    try:
        from weft.schema.pnml import read_pnml_file
    except ImportError as error:
        raise UsageError(
            f"PNML needs the extra `xml`: pip install 'weft[xml]' ({error})", code="extra"
        ) from error
    from weft.engine.verify import workflow
    from weft.engine.verify.plain import plain_net

    read = read_pnml_file(path)
    return workflow.verify_net(
        plain_net(read),
        max_states=workflow.DEFAULT_MAX_STATES if max_states is None else max_states,
        file=str(path),
        positions={name: (line, None) for name, line in read.lines.items()},
        labels={**{p.id: p.name for p in read.places}, **dict(read.transitions)},
    )
