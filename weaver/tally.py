"""What a live check has seen, in numbers, and how much of the registry that covers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from weft.weaver.findings import Finding

__all__ = ["SEEN", "Statistics"]

SEEN: Final = ("attributes", "metrics", "events", "spans")
"""What is counted by name."""


MAX_NAMES: Final = 10_000
"""How many names that are not the registry's are counted each for itself.

The names of spans are free, so that a program may have any number of them.
"""

OTHERS: Final = "(others)"
"""The name that all further ones are counted under."""


@attrs.define
class Statistics:
    """What was seen, and what was said of it.

    ``seen_registry_*`` has every name that the registry is responsible for, with how often it was
    seen; ``seen_non_registry_*`` what was seen besides.
    """

    total_entities_by_type: Counter[str] = attrs.field(factory=Counter)
    advice_level_counts: Counter[str] = attrs.field(factory=Counter)
    highest_advice_level_counts: Counter[str] = attrs.field(factory=Counter)
    no_advice_count: int = 0
    advice_type_counts: Counter[str] = attrs.field(factory=Counter)
    seen_registry: dict[str, Counter[str]] = attrs.field(
        factory=lambda: {about: Counter() for about in SEEN}
    )
    seen_non_registry: dict[str, Counter[str]] = attrs.field(
        factory=lambda: {about: Counter() for about in SEEN}
    )

    @property
    def total_entities(self) -> int:
        """How many samples and parts of samples there were."""
        return self.total_entities_by_type.total()

    @property
    def total_advisories(self) -> int:
        """How many findings there were."""
        return self.advice_level_counts.total()

    @property
    def registry_coverage(self) -> float:
        """The fraction of the registry's attributes, metrics, events and spans that was seen."""
        counts = [count for seen in self.seen_registry.values() for count in seen.values()]
        return sum(count > 0 for count in counts) / len(counts) if counts else 0.0

    def count(self, kind: str, findings: Sequence[Finding]) -> None:
        """Count a sample, or a part of one, with what was found in it."""
        self.total_entities_by_type[kind] += 1
        if not findings:
            self.no_advice_count += 1
            return
        for finding in findings:
            self.advice_level_counts[finding.level.value] += 1
            self.advice_type_counts[finding.id] += 1
        gravest = findings[0].level
        for finding in findings:
            if finding.level.gravity > gravest.gravity:
                gravest = finding.level
        self.highest_advice_level_counts[gravest.value] += 1

    def saw(self, about: str, name: str) -> None:
        """Count a name: an attribute, a metric, an event or a span."""
        known, others = self.seen_registry[about], self.seen_non_registry[about]
        if name in known:
            known[name] += 1
        else:
            others[name if name in others or len(others) < MAX_NAMES else OTHERS] += 1

    def merge(self, other: Statistics) -> None:
        """Add what was counted elsewhere, as by another process over the same registry."""
        self.total_entities_by_type.update(other.total_entities_by_type)
        self.advice_level_counts.update(other.advice_level_counts)
        self.highest_advice_level_counts.update(other.highest_advice_level_counts)
        self.advice_type_counts.update(other.advice_type_counts)
        self.no_advice_count += other.no_advice_count
        for about in SEEN:
            self.seen_registry[about].update(other.seen_registry[about])
            self.seen_non_registry[about].update(other.seen_non_registry[about])

    def as_json(self) -> dict[str, Any]:
        """The statistics under upstream's names, sorted."""
        return {
            "total_entities": self.total_entities,
            "total_entities_by_type": _sorted(self.total_entities_by_type),
            "total_advisories": self.total_advisories,
            "advice_level_counts": _sorted(self.advice_level_counts),
            "highest_advice_level_counts": _sorted(self.highest_advice_level_counts),
            "no_advice_count": self.no_advice_count,
            "advice_type_counts": _sorted(self.advice_type_counts),
            **{f"seen_registry_{about}": _sorted(self.seen_registry[about]) for about in SEEN},
            **{
                f"seen_non_registry_{about}": _sorted(self.seen_non_registry[about])
                for about in SEEN
            },
            "registry_coverage": self.registry_coverage,
        }

    @classmethod
    def from_json(cls, made: Mapping[str, Any]) -> Statistics:
        """The statistics that `as_json` wrote, as to merge those of another process."""
        return cls(
            total_entities_by_type=Counter(made["total_entities_by_type"]),
            advice_level_counts=Counter(made["advice_level_counts"]),
            highest_advice_level_counts=Counter(made["highest_advice_level_counts"]),
            no_advice_count=made["no_advice_count"],
            advice_type_counts=Counter(made["advice_type_counts"]),
            seen_registry={about: Counter(made[f"seen_registry_{about}"]) for about in SEEN},
            seen_non_registry={
                about: Counter(made[f"seen_non_registry_{about}"]) for about in SEEN
            },
        )


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
