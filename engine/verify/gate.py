"""Before the first case of a specification: is it known to be unsound?

The answer hangs on the net alone, so it is found once a process, by the net's hash (and by the
text, to which the positions of findings belong).
"""

from __future__ import annotations

import logging
from collections import OrderedDict

from weft.engine.net import CompiledSpecification
from weft.engine.verify.report import Diagnostic, Report
from weft.schema.errors import DefinitionError, DefinitionErrors
from weft.schema.specification import Specification

__all__ = ["MAX_STATES", "demand_sound"]

logger = logging.getLogger("weft")

MAX_STATES = 5_000
"""So many states of a net are looked at before a case starts: a fraction of a second. ``weft
verify`` looks at more."""

KEPT = 10_000
"""The verdicts of so many nets are remembered."""

_verdicts: OrderedDict[tuple[object, ...], Report] = OrderedDict()


def demand_sound(
    compiled: CompiledSpecification, specification: Specification | None = None
) -> None:
    """Refuse an unsound specification; warn of one that is undecided, and of likely faults.

    Args:
        compiled: Its nets.
        specification: What it was compiled from, for positions.

    Raises:
        DefinitionErrors: It is not sound: one fault for each finding, with its path.
    """
    source = None if specification is None else specification.source
    key = (compiled.hash, *(() if source is None else (source.file, source.text)))
    report = _verdicts.get(key)
    if report is None:
        from weft.engine.verify.specification import verify_specification

        report = verify_specification(compiled, specification, max_states=MAX_STATES)
        _verdicts[key] = report
        if len(_verdicts) > KEPT:
            _verdicts.popitem(last=False)
        if report.sound is None:
            logger.warning(
                "whether %s %s is sound is undecided: %s; `weft verify` looks further",
                compiled.name,
                compiled.version,
                report.undecided,
            )
        for d in report.diagnostics:
            if d.level == "warning":
                logger.warning("%s", d)
    if report.sound is False:
        called = f"{compiled.name} {compiled.version}"
        hint = "`unverified` (on the command line --unverified) starts a case all the same"
        first = DefinitionError(
            f"{called} is not sound; {hint}",
            code="unsound",
            file=None if source is None else source.file,
        )
        errors = [_fault(d) for d in report.diagnostics if d.level == "error"]
        raise DefinitionErrors(f"no case of {called} starts", [first, *errors])


def _fault(d: Diagnostic) -> DefinitionError:
    return DefinitionError(d.message, code=d.code, file=d.file, line=d.line, column=d.column)
