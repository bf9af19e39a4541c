"""Synchronizing merges that are told what does not come: found, checked and lowered over a net.

The compiler asks a `Signals` for the places by which word of dead paths goes, and has it add what
passes word on. `weft.engine.deadpaths` has the graphs and the nets; here they meet a definition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import attrs
import msgspec

from weft.engine.deadpaths import (
    GENERAL,
    FlowGraph,
    Pairing,
    Region,
    diverted,
    join_with_word,
    local_region,
    merge_with_word,
    paired_choice,
    word_of,
)
from weft.engine.fragment import Branch, Fragment
from weft.engine.fuse import NetDraft
from weft.engine.net import Arc, Role, Transition, immediate
from weft.engine.registry import Attachment, Pattern, Registry
from weft.schema.specification import NetDefinition, PlaceDefinition, TaskDefinition, Use

__all__ = ["Diversion", "Signals"]

_TO_ALL = ("sequence", "parallel-split")
"""What follows a task and sends a thread to each target, so that word goes to each as well."""

_PASSING = {"simple-merge": merge_with_word, "synchronization": join_with_word}
"""The joins that can stand in the region of a local merge, with the fragments that pass word on."""


@attrs.frozen
class Diversion:
    """A task that cancels a branch whose merge is still owed an answer."""

    task: str
    branch: frozenset[str]
    answer: str

    @property
    def kill(self) -> str:
        """The place that the cancelling task puts to."""
        return f"{self.task}.divert {self.answer}"


class Signals:
    """The word that goes round in one net, and what stands against it.

    Args:
        definition: The net.
        registry: The patterns.

    Attributes:
        faults: The parts of the net, as locations, and what is wrong with each.
        flows: The flows that carry word, as pairs of nodes.
        nodes: The tasks in regions: word passes through them.
    """

    def __init__(self, definition: NetDefinition, registry: Registry) -> None:
        self.definition = definition
        self.registry = registry
        self.faults: list[tuple[tuple[str, ...], str]] = []
        self.flows: set[tuple[str, str]] = set()
        self.nodes: set[str] = set()
        self.pairings: dict[str, Pairing] = {}
        self.regions: dict[str, Region] = {}
        self.diversions: list[Diversion] = []
        merges = {name: p for name, p in self._merges() if "skips" in p.wants}
        if not merges:
            return
        graph = self._graph()
        for name, pattern in merges.items():
            local = "skipped" in pattern.wants
            try:
                if local:
                    self._local(graph, name)
                else:
                    self._structured(graph, name)
            except ValueError as error:
                self.faults.append((("tasks", name, "join"), f"{pattern.key}: {error}"))

    # ── the definition as a graph ────────────────────────────────────────────────────────────

    def _merges(self) -> Iterator[tuple[str, Pattern]]:
        for name, task in self.definition.tasks.items():
            pattern = None if task.join is None else self.registry.by_key.get(task.join.name)
            if pattern is not None and pattern.attachment is Attachment.JOIN:
                yield name, pattern

    def _graph(self) -> FlowGraph:
        parts: dict[str, TaskDefinition | PlaceDefinition] = {**self.definition.tasks}
        parts |= self.definition.places
        follows: dict[str, Sequence[str]] = {}
        for name, part in parts.items():
            uses = [part.then]
            if isinstance(part, TaskDefinition):
                uses += [part.on_failure, *part.uses]
            targets = (t for use in uses if use is not None for t in self.targets(use))
            follows[name] = tuple(dict.fromkeys(t for t in targets if t in parts))
        start = frozenset(self.definition.start)
        start |= {name for name, place in self.definition.places.items() if place.tokens}
        return FlowGraph(start & set(parts), follows)

    def targets(self, use: Use) -> list[str]:
        """The names that a use leads on to."""
        pattern = self.registry.by_key.get(use.name)
        if pattern is None:
            return []
        try:
            values = pattern.read(use.argument)
        except ValueError:
            return []  # it is told where it is compiled
        found: list[str] = []
        for parameter in pattern.parameters:
            if parameter.leads_on and parameter.argument in values:
                value = values[parameter.argument]
                items = [value] if isinstance(value, str) else value
                found += [item.to if isinstance(item, Branch) else item for item in items]
        return found

    def _then(self, name: str) -> Use | None:
        part = self.definition.tasks.get(name) or self.definition.places.get(name)
        return None if part is None else part.then

    def _tells(self, name: str) -> bool:
        """Whether a node ends in a choice that can say what it has not taken."""
        use = self._then(name)
        pattern = None if use is None else self.registry.by_key.get(use.name)
        return pattern is not None and "skips" in pattern.wants

    # ── what is asked for ────────────────────────────────────────────────────────────────────

    def _structured(self, graph: FlowGraph, name: str) -> None:
        choices = {n for n in graph.follows if self._tells(n)}
        pairing = paired_choice(graph, name, choices)
        self.distinct(pairing.choice)
        self.pairings[name] = pairing
        self.flows |= {(pairing.choice, target) for target in pairing.inside}

    def _local(self, graph: FlowGraph, name: str) -> None:
        region = local_region(graph, name)
        between = f"between {region.entry!r} and {name!r}"
        advice = f"say {GENERAL} there"
        for node in (region.entry, *sorted(region.nodes)):
            ahead = [to for owner, to in region.flows if owner == node]
            use = self._then(node)
            task = self.definition.tasks.get(node)
            if task is None and node in region.nodes:
                raise ValueError(
                    f"the declared place {node!r} lies {between}, and nobody can say that no "
                    f"token comes to it; {advice}"
                )
            if task is not None:
                failing = [] if task.on_failure is None else self.targets(task.on_failure)
                if (node in region.nodes and task.on_failure is not None) or set(failing) & set(
                    ahead
                ):
                    raise ValueError(f"{node!r}, {between}, has an error branch; {advice}")
                leading = next((u for u in task.uses if self.targets(u)), None)
                if leading is not None:
                    raise ValueError(
                        f"{node!r}, {between}, also leads on by {leading.name}; {advice}"
                    )
            if use is not None and use.name not in _TO_ALL and not self._tells(node):
                raise ValueError(
                    f"{node!r}, {between}, is followed by {use.name}, which cannot say what it "
                    f"does not take; {advice}"
                )
            if self._tells(node):
                self.distinct(node)
        for node in sorted(region.nodes):
            join = self.definition.tasks[node].join
            pattern = None if join is None else self.registry.by_key.get(join.name)
            if join is None or join.name in _PASSING or "skipped" in getattr(pattern, "wants", ()):
                continue
            raise ValueError(
                f"{node!r}, {between}, has {join.name}, which passes no word on; {advice}"
            )
        self.regions[name] = region
        self.nodes |= region.nodes
        self.flows |= set(region.flows)

    def distinct(self, choice: str) -> None:
        """Refuse a choice that has two branches to one target: word of one is not of the other."""
        use = self._then(choice)
        targets = [] if use is None else self.targets(use)
        twice = sorted(t for t, times in Counter(targets).items() if times > 1)
        if twice:
            raise ValueError(
                f"the choice at {choice!r} has two branches to {twice[0]!r}; make it one"
            )

    # ── lowering ─────────────────────────────────────────────────────────────────────────────

    def skips(self, owner: str, flows: Sequence[str]) -> tuple[str, ...]:
        """For each flow by which a choice leads on the place for word of it, where there is one."""
        return tuple(
            word_of(flow) if (owner, flow.rpartition(">")[2]) in self.flows else ""
            for flow in flows
        )

    def answers(self, merge: str, flows: Sequence[str]) -> tuple[str, ...]:
        """For each flow that leads into a merge the place where word of it arrives.

        Raises:
            ValueError: A branch leads there by more than one flow.
        """
        pairing = self.pairings.get(merge)
        if pairing is None:
            return tuple(map(word_of, flows))
        if len(flows) > len(pairing.branches):
            raise ValueError(
                f"{len(flows)} flows come from {len(pairing.branches)} branches (an error branch "
                "may be one of them); join those of a branch before"
            )
        begins = [pairing.branches[flow.rpartition(">")[0].rstrip("!")] for flow in flows]
        return tuple(word_of(f"{pairing.choice}>{target}") for target in begins)

    def passing(
        self, task: str, pattern: Pattern, flows: Sequence[str], entry: str
    ) -> Fragment | None:
        """The join of a task in a region, in the form that passes word on; None: not in one."""
        if task not in self.nodes or pattern.key not in _PASSING or len(flows) < 2:
            return None
        return _PASSING[pattern.key](flows, [word_of(f) for f in flows], entry, word_of(entry))

    def through(self) -> Iterator[tuple[list[str], Transition]]:
        """What passes word by the tasks of regions, with the places that it needs."""
        for task in sorted(self.nodes):
            comes = [word_of(f"{a}>{b}") for a, b in sorted(self.flows) if b == task]
            leads = [word_of(f"{a}>{b}") for a, b in sorted(self.flows) if a == task]
            entry = comes[0] if len(comes) == 1 else word_of(f">{task}")
            yield [entry, *comes, *leads], immediate(f"{task}.skip", take=[entry], put=leads)

    # ── cancellation ─────────────────────────────────────────────────────────────────────────

    def contained(self, merge: str, named: Collection[str]) -> bool:
        """Whether a cancellation holds all that a merge goes by, and the merge itself."""
        pairing, region = self.pairings.get(merge), self.regions.get(merge)
        inside = set() if region is None else set(region.nodes)
        if pairing is not None:
            inside = {name for branch in pairing.inside.values() for name in branch}
        return inside | {merge} <= set(named)

    def cut(self, draft: NetDraft) -> Iterator[tuple[str, str]]:
        """Turn cancelled branches of structured merges aside; say what cannot be: task, message."""
        for index, (task, extra) in enumerate(draft.completes):
            named = {_node(name) for name in extra.clear}
            for merge in (*self.pairings, *self.regions):
                message, branches = self._cuts(merge, task, named)
                if message is not None:
                    yield task, message
                for branch, answer in branches:
                    self.diversions.append(Diversion(task, branch, answer))
                    kept = [name for name in extra.clear if _node(name) not in branch]
                    extra = attrs.evolve(extra, clear=kept)
                    draft.completes[index] = (task, extra)
        for t in draft.transitions:
            named = {_node(name) for name in t.clear}
            for merge in (*self.pairings, *self.regions):
                message, branches = self._cuts(merge, None, named)
                if message is not None or branches:
                    yield t.name.partition(".")[0], message or self._refusal(merge, "a branch")

    def _refusal(self, merge: str, what: str) -> str:
        return (
            f"this cancels {what} on the way to the synchronizing merge of {merge!r}, which would "
            f"wait for ever; cancel all of it and the merge as well, or say {GENERAL} there"
        )

    def _cuts(
        self, merge: str, task: str | None, named: Collection[str]
    ) -> tuple[str | None, list[tuple[frozenset[str], str]]]:
        """What is wrong with a cancellation for a merge, and the branches to turn aside."""
        if self.contained(merge, named):
            return None, []
        region = self.regions.get(merge)
        if region is not None:
            inside = sorted(region.nodes.intersection(named))
            return (self._refusal(merge, repr(inside[0])) if inside else None), []
        pairing = self.pairings[merge]
        aside = []
        for target, branch in pairing.inside.items():
            touched = sorted(branch.intersection(named))
            if not touched or (task in branch and branch.issuperset(named)):
                continue  # within one branch its author sees to it
            if task in branch or not branch <= set(named):
                return self._refusal(merge, f"a part of a branch ({touched[0]!r})"), []
            aside.append((branch, word_of(f"{pairing.choice}>{target}")))
        return None, aside

    def divert(self, draft: NetDraft) -> None:
        """Have the cancelling tasks say what they have cancelled."""
        for d in self.diversions:
            draft.place(d.kill)
            draft.transitions = [
                msgspec.structs.replace(t, put=(*t.put, Arc(d.kill)))
                if t.task == d.task and t.role is Role.COMPLETE
                else t
                for t in draft.transitions
            ]

    def diverting(self, draft: NetDraft, used: Collection[str]) -> list[Transition]:
        """The transitions that turn cancelled branches aside, over the places that are left."""
        made: list[Transition] = []
        for number, d in enumerate(self.diversions, 1):
            places = [
                p
                for p in draft.places
                if p in used
                and (p.partition(".")[0] in d.branch or p.rpartition(">")[2] in d.branch)
                and not p.startswith("!")
                and p != d.kill
            ]
            rest = [p for p in places if draft.places[p].resting and draft.places[p].tokens]
            empty = [p for p in places if draft.places[p].resting and not draft.places[p].tokens]
            work = [p for p in places if p not in empty]
            name = f"{d.task}.divert {number}"
            made += diverted(name, d.kill, [*work, *empty], rest, d.answer)
        return made


def _node(name: str) -> str:
    """The node that a name of a region is about: ``a``, ``a.run`` and ``x>a`` are about ``a``."""
    if ">" in name:
        return name.rpartition(">")[2]
    stem, dot, part = name.rpartition(".")
    return stem if dot and part in ("run", "held") else name
