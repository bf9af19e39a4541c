"""Live-check: what was really emitted, held against a registry.

A `LiveChecker` takes samples one by one, from wherever they come, and yields findings; at the end
it gives a report. Findings and levels are those of OpenTelemetry Weaver. What it has not: spans are
matched to the registry's spans, an empty stream fails, signals can be expected, and a ratchet lets
known findings pass while new ones fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from weft.schema.errors import UsageError
from weft.weaver.catalog import Catalog
from weft.weaver.examine import Advice, examine
from weft.weaver.findings import Finding, Level
from weft.weaver.imports import compile_glob
from weft.weaver.ratchet import Ratchet, fingerprint
from weft.weaver.registry import Registry
from weft.weaver.samples import (
    LogSample,
    MetricSample,
    ResourceSample,
    Sample,
    SpanEventSample,
    SpanSample,
)
from weft.weaver.tally import SEEN, Statistics

__all__ = ["LEVELS", "MAX_RESOURCES", "LiveCheckReport", "LiveChecker", "live_check"]

LEVELS: Final[Mapping[str, Level]] = {
    **dict.fromkeys(
        (
            "missing_attribute",
            "missing_metric",
            "missing_event",
            "missing_span",
            "deprecated",
            "type_mismatch",
            "unit_mismatch",
            "unexpected_instrument",
            "kind_mismatch",
            "status_mismatch",
            "required_attribute_not_present",
            "entity_required_attribute_not_present",
            "entity_association_not_satisfied",
            "invalid_format",
            "illegal_namespace",
            "empty_stream",
            "expected_signal_missing",
        ),
        Level.VIOLATION,
    ),
    **dict.fromkeys(
        (
            "not_stable",
            "recommended_attribute_not_present",
            "entity_recommended_attribute_not_present",
            "missing_namespace",
        ),
        Level.IMPROVEMENT,
    ),
    **dict.fromkeys(
        (
            "template_attribute",
            "undefined_enum_variant",
            "opt_in_attribute_not_present",
            "entity_opt_in_attribute_not_present",
            "conditionally_required_attribute_not_present",
            "entity_conditionally_required_attribute_not_present",
            "extends_namespace",
        ),
        Level.INFORMATION,
    ),
}
"""The usual level of each finding."""

MAX_DISTINCT_FINDINGS: Final = 10_000
"""How many different findings a report keeps; further ones are counted only."""

MAX_RESOURCES: Final = 100
"""How many resources are remembered, so as not to be checked again with each of their samples."""

# --- the report -----------------------------------------------------------------------------


@attrs.frozen
class LiveCheckReport:
    """What a live check has found.

    ``findings`` holds each different finding once, ``times`` how often each was made. ``known``
    are the findings that a ratchet lets pass; ``stale`` are entries of the ratchet that were not
    found any more, so that it can be tightened. ``omitted`` counts findings that were too many to
    keep.
    """

    findings: tuple[Finding, ...]
    times: tuple[int, ...]
    statistics: Statistics
    failed: bool
    known: frozenset[int] = frozenset()
    stale: tuple[str, ...] = ()
    omitted: int = 0

    @property
    def exit_code(self) -> int:
        """1 when a finding that nobody knew reaches the level to fail on, else 0."""
        return 1 if self.failed else 0

    def as_json(self) -> dict[str, Any]:
        """``passed``, ``findings`` (with ``times`` and ``known``), ``statistics``…"""
        return {
            "passed": not self.failed,
            "findings": [
                {**finding.as_json(), "times": times, "known": number in self.known}
                for number, (finding, times) in enumerate(
                    zip(self.findings, self.times, strict=True)
                )
            ],
            "stale": list(self.stale),
            "omitted": self.omitted,
            "statistics": self.statistics.as_json(),
        }


def live_check(
    registry: Registry,
    samples: Iterable[Sample],
    *,
    fail_on: Level | None = Level.VIOLATION,
    levels: Mapping[str, Level] | None = None,
    known_spans_only: bool = False,
    allow_empty: bool = False,
    expect: Sequence[str] = (),
    ratchet: Ratchet | None = None,
) -> LiveCheckReport:
    """Hold samples against a registry; the arguments are those of `LiveChecker`."""
    checker = LiveChecker(registry, levels=levels, known_spans_only=known_spans_only)
    for sample in samples:
        checker.add(sample)
    return checker.report(fail_on=fail_on, allow_empty=allow_empty, expect=expect, ratchet=ratchet)


_Key = tuple[str, Level, str, str | None, str | None, str | None]
"""What makes a finding the same as another; the context says nothing that these do not."""


class LiveChecker:
    """A live check that takes samples as they come.

    Args:
        registry: What may be emitted; its catalog, if several checkers share it.
        levels: Levels of findings that differ from `LEVELS`, by id.
        known_spans_only: Whether a span that is none of the registry's is a violation
            (``missing_span``). The names of spans are free, so it is merely counted by default.

    Raises:
        UsageError: A level is given for a finding that does not exist.
    """

    def __init__(
        self,
        registry: Registry | Catalog,
        *,
        levels: Mapping[str, Level] | None = None,
        known_spans_only: bool = False,
    ) -> None:
        unknown = sorted(set(levels or ()) - set(LEVELS))
        if unknown:
            raise UsageError(
                f"there is no finding '{unknown[0]}'; there are {', '.join(sorted(LEVELS))}",
                code="unknown-finding",
            )
        self.statistics = Statistics()
        self._catalog = registry if isinstance(registry, Catalog) else Catalog(registry)
        self._levels = {**LEVELS, **(levels or {})}
        self._known_spans_only = known_spans_only
        self._resource: ResourceSample | None = None
        self._resources: list[ResourceSample] = []
        self._found: dict[_Key, Finding] = {}
        self._times: Counter[_Key] = Counter()
        self._omitted: Counter[Level] = Counter()
        seen = self.statistics.seen_registry
        seen["attributes"].update(dict.fromkeys(self._catalog.surface, 0))
        for about, signals in (
            ("metrics", self._catalog.metrics),
            ("events", self._catalog.events),
            ("spans", self._catalog.spans),
        ):
            current = (name for name, signal in signals.items() if not signal.deprecated)
            seen[about].update(dict.fromkeys(current, 0))

    def add(self, sample: Sample, resource: ResourceSample | None = None) -> tuple[Finding, ...]:
        """Check a sample, and say what was found.

        A signal belongs to the ``resource`` given, or to the last `ResourceSample` that was added.
        """
        if isinstance(sample, ResourceSample):
            self._resource = sample
        origin = _Origin.of(sample)
        found: list[Finding] = []
        for part in examine(
            self._catalog,
            sample,
            resource or self._resource,
            known_spans_only=self._known_spans_only,
        ):
            findings = [self._finding(advice, origin) for advice in part.advice]
            self.statistics.count(part.kind, findings)
            if part.seen is not None:
                self.statistics.saw(*part.seen)
            found += findings
        for finding in found:
            self._keep(finding)
        return tuple(found)

    def add_of(self, resource: ResourceSample, sample: Sample) -> tuple[Finding, ...]:
        """Check a sample of a resource, and the resource itself where it is a new one."""
        if resource not in self._resources:
            if len(self._resources) >= MAX_RESOURCES:
                self._resources.clear()
            self._resources.append(resource)
            found = self.add(resource)
            return (*found, *self.add(sample, resource))
        return self.add(sample, resource)

    def merge(self, findings: Iterable[tuple[Finding, int]], statistics: Statistics) -> None:
        """Add what another checker over the same registry found, as in another process."""
        for finding, times in findings:
            self._keep(finding, times)
        self.statistics.merge(statistics)

    def report(
        self,
        *,
        fail_on: Level | None = Level.VIOLATION,
        allow_empty: bool = False,
        expect: Sequence[str] = (),
        ratchet: Ratchet | None = None,
    ) -> LiveCheckReport:
        """What has been found so far.

        Args:
            fail_on: The level from which on a finding fails; ``None``: no finding does.
            allow_empty: Whether it is all right that there was no sample.
            expect: Signals that must have been seen: ``metric:NAME``, ``event:NAME``,
                ``span:NAME``, ``attribute:NAME``, or ``NAME`` of any of these; ``*`` and other
                wildcards stand for all names of the registry that they match.
            ratchet: Findings that are known, and let pass.

        Raises:
            UsageError: What is expected is not written in such a way.
        """
        found = [(finding, self._times[key]) for key, finding in self._found.items()]
        if not allow_empty and self.statistics.total_entities == 0:
            message = "nothing was emitted; if that is all right, allow an empty stream"
            found.append((self._finding(Advice("empty_stream", message)), 1))
        found += [(finding, 1) for finding in self._missing(expect)]
        known = frozenset(
            number
            for number, (finding, _) in enumerate(found)
            if ratchet is not None and ratchet.knows(finding)
        )
        new = {finding.level for i, (finding, _) in enumerate(found) if i not in known}
        # Whether a finding that was one too many to keep is known, nobody can tell.
        new |= set(self._omitted)
        failed = fail_on is not None and any(level.gravity >= fail_on.gravity for level in new)
        prints = {fingerprint(finding) for finding, _ in found}
        return LiveCheckReport(
            findings=tuple(finding for finding, _ in found),
            times=tuple(times for _, times in found),
            statistics=self.statistics,
            failed=failed,
            known=known,
            stale=tuple(sorted(ratchet.entries - prints)) if ratchet is not None else (),
            omitted=self._omitted.total(),
        )

    def _missing(self, expect: Sequence[str]) -> Iterator[Finding]:
        """The expected signals that were not seen."""
        for wish in expect:
            about, colon, name = wish.partition(":")
            kinds = {each.removesuffix("s"): each for each in SEEN}
            if colon and about not in kinds:
                raise UsageError(
                    f"{wish!r} cannot be expected; write 'NAME', or one of "
                    f"{', '.join(f'{kind}:NAME' for kind in kinds)}",
                    code="unknown-expectation",
                )
            places = [kinds[about]] if colon else list(SEEN)
            for missing in self._not_seen(name if colon else wish, places):
                yield self._finding(
                    Advice(
                        "expected_signal_missing",
                        f"'{missing}' was expected, but not seen",
                        {"expected": wish, "name": missing},
                    )
                )

    def _not_seen(self, name: str, places: Sequence[str]) -> list[str]:
        try:
            glob = compile_glob(name)
        except ValueError as error:
            raise UsageError(
                f"{name!r} cannot be expected: {error}", code="unknown-expectation"
            ) from None
        counts: Counter[str] = Counter()
        for about in places:
            for seen in (self.statistics.seen_registry, self.statistics.seen_non_registry):
                counts.update({each: n for each, n in seen[about].items() if glob.fullmatch(each)})
                # `update` of a counter keeps names with a count of zero, which are those we want.
        if not counts:
            return [name]
        return sorted(each for each, count in counts.items() if count == 0)

    def _finding(self, advice: Advice, origin: _Origin | None = None) -> Finding:
        origin = origin or _Origin()
        return Finding(
            id=advice.id,
            level=self._levels[advice.id],
            message=advice.message,
            file=origin.file,
            line=origin.line,
            context=advice.context,
            signal_type=origin.signal_type,
            signal_name=origin.signal_name,
        )

    def _keep(self, finding: Finding, times: int = 1) -> None:
        key = (
            finding.id,
            finding.level,
            finding.message,
            finding.signal_type,
            finding.signal_name,
            finding.where,
        )
        if key in self._found or len(self._found) < MAX_DISTINCT_FINDINGS:
            self._found.setdefault(key, finding)
            self._times[key] += times
        else:
            self._omitted[finding.level] += times


@attrs.frozen
class _Origin:
    """The signal that a finding is about, and where in a program it came from."""

    signal_type: str | None = None
    signal_name: str | None = None
    file: str | None = None
    line: int | None = None

    @classmethod
    def of(cls, sample: Sample) -> _Origin:
        match sample:
            case SpanSample(name=name, source=source):
                return cls("span", name, *_place(source))
            case MetricSample(name=name, source=source):
                return cls("metric", name, *_place(source))
            case LogSample(event_name=name, source=source):
                return cls("log", name, *_place(source))
            case SpanEventSample(name=name):
                return cls("span", name)
            case ResourceSample():
                return cls("resource", "")
        return cls()


def _place(source: str | None) -> tuple[str | None, int | None]:
    """The file and the line of ``file:line``."""
    if source is None:
        return None, None
    file, _, line = source.rpartition(":")
    # A number of any length would be a burden to convert, and is no line.
    return (file, int(line)) if file and line.isdecimal() and len(line) < 10 else (source, None)
