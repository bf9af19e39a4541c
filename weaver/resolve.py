"""From groups as written to groups in full: `extends`, references, imports, refinements.

The order is fixed, and no step looks back:

1. dependencies are resolved, each by itself;
2. every group takes over the attributes of what it extends, includes or refines;
3. definitions are collected, and every reference is replaced by what it refers to;
4. imported groups are added;
5. what must be unique, or must exist, is checked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Final

import attrs

from weft.weaver.findings import Findings, Place
from weft.weaver.imports import compile_glob, import_field, import_keys
from weft.weaver.load import LoadedRegistry
from weft.weaver.registry import (
    RECOMMENDED,
    Attribute,
    AttributeSpec,
    FileFormat,
    Group,
    GroupType,
    Import,
    Lineage,
    Registry,
    Role,
    SpanLink,
    entity_names,
    is_excluded,
)

__all__ = ["resolve"]

Spec = Group[AttributeSpec]
Resolved = Group[Attribute]

MAX_INHERITED: Final = 1_000_000
"""How many attributes the groups of a registry may take over, beside those that they share."""

_SIGNALS: Final = (GroupType.SPAN, GroupType.METRIC, GroupType.EVENT, GroupType.ENTITY)


def resolve(loaded: LoadedRegistry, findings: Findings) -> Registry:
    """Resolve a registry and its dependencies.

    References that lead nowhere are reported, and left out of the result. When a registry could
    not be read in full, its references may fail for that reason alone, so they are not judged.
    """
    return _resolve(loaded, findings, {})


def _resolve(loaded: LoadedRegistry, findings: Findings, done: dict[int, Registry]) -> Registry:
    if id(loaded) in done:
        return done[id(loaded)]
    # A dependency is at most as deep as loading allows, so this recursion is bounded.
    dependencies = tuple(
        _resolve(loaded.chosen.get(name, dependency), findings, done)
        for name, dependency in loaded.dependencies.items()
    )
    judged = Findings()
    registry = _Resolver(loaded, dependencies, judged).resolve()
    if loaded.whole:
        findings.extend(judged)
    done[id(loaded)] = registry
    return registry


@attrs.frozen
class _Root:
    """A definition that references can name: the attribute, and the group that defines it."""

    attribute: Attribute
    group_id: str


@attrs.frozen
class _Inherited:
    """The attributes of a group with all that it takes over, by key.

    A group that adds nothing to what it takes over shares it with the others that do so: ``specs``
    is then the same object. ``source`` is the group that attributes are taken over from, and
    ``sources`` says by key where it is another one; ``None`` stands for the group itself.
    """

    specs: Mapping[str, AttributeSpec]
    source: str | None = None
    sources: Mapping[str, str | None] = attrs.field(factory=dict)

    @classmethod
    def nothing(cls, group: Spec) -> _Inherited:
        """Nothing is taken over, so the order and even repetitions stay as written."""
        return cls({str(number): spec for number, spec in enumerate(group.attributes)})

    @property
    def is_own(self) -> bool:
        """Whether nothing is taken over."""
        return self.source is None and not self.sources

    def source_of(self, key: str) -> str | None:
        """The group that an attribute comes from."""
        return self.sources.get(key, self.source)

    def definitions(self, group: Spec) -> Iterator[AttributeSpec]:
        """What the group itself defines."""
        specs: Iterable[AttributeSpec] = self.specs.values()
        if not self.is_own:
            keys = dict.fromkeys(spec.key for spec in group.attributes)
            specs = (self.specs[key] for key in keys if self.source_of(key) is None)
        return (spec for spec in specs if not spec.is_reference)


class _Lineages(Mapping[str, Lineage]):
    """Where the attributes of a group come from: made when somebody asks, for few do."""

    def __init__(self, make: Callable[[], dict[str, Lineage]]) -> None:
        self._make = make
        self._made: dict[str, Lineage] | None = None

    @property
    def _lineages(self) -> dict[str, Lineage]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __getitem__(self, name: str) -> Lineage:
        return self._lineages[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lineages)

    def __len__(self) -> int:
        return len(self._lineages)


class _Resolver:
    """The resolution of one registry whose dependencies are resolved."""

    def __init__(
        self, loaded: LoadedRegistry, dependencies: Sequence[Registry], findings: Findings
    ) -> None:
        self._loaded = loaded
        self._groups = [_with_full_names(group) for group in loaded.groups]
        self._dependencies = dependencies
        self._findings = findings
        self._by_id: dict[str, Spec] = {}
        for group in self._groups:
            self._by_id.setdefault(group.id, group)
        self._roots: dict[str, _Root] = {}
        self._full: dict[int, tuple[dict[str, Any], Spec | Resolved]] = {}
        self._taken: dict[int, Mapping[str, AttributeSpec]] = {}  # by the id of a group
        self._inherited = 0
        self._attributes: dict[int, Attribute] = {}  # by the id of a spec
        self._complete: dict[int, tuple[Attribute, ...]] = {}  # by the id of an `_Inherited.specs`
        self._identities: dict[int, set[str]] = {}  # by the id of a group
        self._linked: dict[int, SpanLink[Attribute]] = {}  # by the id of a link as written

    def resolve(self) -> Registry:
        bases = {index: self._base_of(group) for index, group in enumerate(self._groups)}
        flat = self._flatten(bases)
        self._collect_roots(flat)
        for group in self._groups:
            for link in group.links:
                self._linked[id(link)] = self._link(link, group)
        groups = [
            self._finish(group, flat[index], bases[index])
            for index, group in enumerate(self._groups)
        ]
        self._check_refinements(bases)
        imported = self._import()
        everything = [*groups, *imported]
        self._check_uniqueness(everything)
        self._check_definitions(flat)
        self._check_associations(groups, everything)
        self._check_links(everything)
        schema_url = self._loaded.schema_url
        return Registry(
            name=schema_url.name,
            schema_url=schema_url.url,
            groups=tuple(sorted(everything, key=lambda group: group.id)),
            attributes={name: root.attribute for name, root in sorted(self._roots.items())},
            dependencies=tuple(self._dependencies),
            files=self._loaded.files,
        )

    # --- what a group takes over from others ------------------------------------------------

    def _base_of(self, group: Spec) -> Spec | Resolved | None:
        """The group that a group extends or refines, if it can be found."""
        if group.refines is not None:
            return self._refined(group)
        if group.extends is None:
            return None
        base = self._lookup(group.extends)
        if base is None:
            self._findings.report(
                "UnresolvedExtendsRef",
                f"group '{group.id}' extends '{group.extends}', which is not defined",
                group.place,
                group_id=group.id,
                extends_ref=group.extends,
            )
        return base

    def _refined(self, group: Spec) -> Spec | Resolved | None:
        """The signal that a refinement refines: by its name, or by the id of a group."""
        name = group.refines or ""
        candidates = [self._lookup(f"{group.type}.{name}"), self._lookup(name)]
        for base in candidates:
            if base is not None and base.type is group.type and base.id != group.id:
                return base
        others = [self._lookup(f"{kind}.{name}") for kind in _SIGNALS]
        for base in (*candidates, *others):
            if base is not None and base.id != group.id:
                self._findings.report(
                    "InvalidRefinement",
                    f"the {group.type} refinement '{group.id}' cannot refine '{name}', "
                    f"which is of type {base.type}",
                    group.place,
                    signal=group.signal,
                    ref=name,
                    signal_type_refined=str(base.type),
                )
                return None
        self._findings.report(
            "UnresolvedExtendsRef",
            f"the {group.type} refinement '{group.id}' refines '{name}', which is not defined",
            group.place,
            group_id=group.id,
            extends_ref=name,
        )
        return None

    def _lookup(self, id: str) -> Spec | Resolved | None:
        """A group by its id: of this registry, or of its dependencies, nearest first."""
        own = self._by_id.get(id)
        return own if own is not None else self._foreign_groups.get(id)

    @cached_property
    def _foreign_groups(self) -> dict[str, Resolved]:
        """The groups of all dependencies by their ids; those of the nearest registries count."""
        found: dict[str, Resolved] = {}
        for registry in _closure(self._dependencies):
            for group in registry.groups:
                found.setdefault(group.id, group)
        return found

    def _flatten(self, bases: Mapping[int, Spec | Resolved | None]) -> list[_Inherited]:
        """The attributes of every group, with all that it takes over.

        Chains may be long, so the walk keeps its own stack; a chain that bites its tail is
        reported, and its groups keep what they have.
        """
        groups = self._groups
        parents: dict[int, list[int]] = {}
        first = {id(group): index for index, group in enumerate(groups)}
        for index, group in enumerate(groups):
            wanted: list[Spec | Resolved | None] = [bases[index]]
            wanted += [self._by_id.get(name) for name in group.includes]
            parents[index] = [
                first[id(parent)] for parent in wanted if parent is not None and id(parent) in first
            ]
        done: dict[int, _Inherited] = {}
        for start in range(len(groups)):
            path: list[int] = []
            on_path: set[int] = set()
            stack = [start]
            while stack:
                index = stack[-1]
                if index in done:
                    stack.pop()
                    continue
                waiting = [parent for parent in parents[index] if parent not in done]
                if index in on_path:
                    if waiting:
                        self._report_cycle([groups[i] for i in path[path.index(waiting[0]) :]])
                        for parent in waiting:
                            parents[index].remove(parent)
                    done[index] = self._merge(groups[index], bases[index], done, first)
                    path.pop()
                    on_path.discard(index)
                    stack.pop()
                    continue
                path.append(index)
                on_path.add(index)
                fresh = [parent for parent in waiting if parent not in on_path]
                stack.extend(fresh)
        return [done[index] for index in range(len(groups))]

    def _report_cycle(self, cycle: Sequence[Spec]) -> None:
        ids = [group.id for group in cycle]
        # The groups of a long circle are all reported, but not each with all of the others.
        shown = " → ".join([*ids, ids[0]] if len(ids) <= 8 else [*ids[:7], "…", ids[0]])
        for group in cycle:
            self._findings.report(
                "UnresolvedExtendsRef",
                f"group '{group.id}' extends itself: {shown}",
                group.place,
                group_id=group.id,
                extends_ref=group.extends or group.refines or "",
            )

    def _merge(
        self,
        group: Spec,
        base: Spec | Resolved | None,
        done: Mapping[int, _Inherited],
        first: Mapping[int, int],
    ) -> _Inherited:
        """A group's own attributes over those that it takes over, by key."""
        parents: list[tuple[Spec | Resolved, Mapping[str, AttributeSpec]]] = []
        if base is not None:
            parents.append((base, self._taken_from(base, done, first)))
        parents += self._included(group, done, first)
        parents = [(parent, taken) for parent, taken in parents if taken]
        if not parents:
            return _Inherited.nothing(group)
        (parent, taken), *others = parents
        if not group.attributes and not others:
            return _Inherited(taken, parent.id)
        self._inherited += sum(len(taken) for _, taken in parents)
        if self._inherited > MAX_INHERITED:
            self._report_too_many(group)
            return _Inherited.nothing(group)
        specs = dict(taken)
        sources: dict[str, str | None] = {}
        for other, taken in others:
            specs.update(taken)
            sources.update(dict.fromkeys(taken, other.id))
        for spec in group.attributes:
            inherited = specs.get(spec.key)
            if inherited is None or not spec.is_reference:
                sources[spec.key] = None
                specs[spec.key] = spec
            else:
                specs[spec.key] = _override(inherited, spec)
        return _Inherited(dict(sorted(specs.items())), parent.id, sources)

    def _report_too_many(self, group: Spec) -> None:
        if not self._findings.has("SemConvSpecError"):  # each further group would say the same
            self._findings.report(
                "SemConvSpecError",
                f"the groups up to '{group.id}' take over more than {MAX_INHERITED:,} attributes; "
                "those of further groups are left out",
                group.place,
                group_id=group.id,
            )

    def _included(
        self, group: Spec, done: Mapping[int, _Inherited], first: Mapping[int, int]
    ) -> Iterator[tuple[Spec | Resolved, Mapping[str, AttributeSpec]]]:
        """The groups that a group refers to with ``ref_group``; they may not overlap."""
        owner: dict[str, str] = {}
        for name in group.includes:
            included = self._lookup(name)
            if included is None or included.type is not GroupType.ATTRIBUTE_GROUP:
                self._findings.report(
                    "UnresolvedIncludeRef",
                    f"{group.type} '{group.signal_name}' includes the group '{name}', "
                    "which is not defined",
                    group.place,
                    group_id=group.id,
                    include_ref=name,
                )
                continue
            self._check_not_hidden(included, group, f"the attribute group '{name}'")
            taken = self._taken_from(included, done, first)
            for key in taken if len(group.includes) > 1 else ():
                if owner.setdefault(key, name) != name:
                    self._findings.report(
                        "DuplicateAttributeId",
                        f"{group.type} '{group.signal_name}' includes '{key}' twice: by "
                        f"'{owner[key]}' and by '{name}'",
                        group.place,
                        attribute_id=key,
                        group_ids=[owner[key], name],
                    )
                owner[key] = name
            yield included, taken

    def _taken_from(
        self,
        parent: Spec | Resolved,
        done: Mapping[int, _Inherited],
        first: Mapping[int, int],
    ) -> Mapping[str, AttributeSpec]:
        """What is taken over from a group, by key and in its order: one object for all."""
        taken = self._taken.get(id(parent))
        if taken is not None:
            return taken
        specs: Iterable[AttributeSpec]
        index = first.get(id(parent))
        if index is None:
            specs = [
                _as_spec(attribute, parent.place)
                for attribute in parent.attributes
                if isinstance(attribute, Attribute)
            ]
        elif index not in done:
            return {}  # they extend each other, which was reported
        elif not done[index].is_own:
            return done[index].specs
        else:
            specs = done[index].specs.values()
        taken = dict(sorted({spec.key: spec for spec in specs}.items()))
        self._taken[id(parent)] = taken
        return taken

    # --- what references refer to -----------------------------------------------------------

    def _collect_roots(self, flat: Sequence[_Inherited]) -> None:
        """Every definition of this registry, by name.

        A reference with ``prefix: true`` (format v1) defines a name of its own as well: that of
        the group's prefix and the referenced attribute. It may build on another such name.
        """
        waiting: list[tuple[Spec, AttributeSpec]] = []
        for group, inherited in zip(self._groups, flat, strict=True):
            if group.prefix:
                waiting += [
                    (group, spec)
                    for spec in inherited.specs.values()
                    if spec.is_reference and spec.prefix
                ]
            for spec in inherited.definitions(group):
                name = spec.key
                root = _Root(self._defined(spec), group.id)
                # Definitions in groups of attributes are what other groups mean.
                if name not in self._roots or (
                    group.type is GroupType.ATTRIBUTE_GROUP
                    and self._by_id[self._roots[name].group_id].type
                    is not GroupType.ATTRIBUTE_GROUP
                ):
                    self._roots[name] = root
        progress = True
        while waiting and progress:
            progress = False
            for group, spec in list(waiting):
                origin = self._roots.get(spec.key)
                if origin is None:
                    continue
                name = f"{group.prefix}.{spec.key}"
                attribute = attrs.evolve(_refer(spec, origin.attribute), name=name, prefix=True)
                self._roots.setdefault(name, _Root(attribute, group.id))
                waiting.remove((group, spec))
                progress = True

    def _found(self, key: str) -> _Root | None:
        """What a reference refers to: a definition of this registry, or of a dependency."""
        root = self._roots.get(key)
        if root is not None:
            return root
        found = self._foreign_attributes.get(key)
        if not found:
            return None
        registry, attribute = found[0]
        return _Root(attribute, f"{registry.name}:{key}")

    def _root(self, key: str, group: Spec, spec: AttributeSpec) -> _Root | None:
        """What a reference refers to, after a report of what is wrong with it."""
        root = self._found(key)
        if root is None:
            self._findings.report(
                "UnresolvedAttributeRef",
                f"group '{group.id}' refers to the attribute '{key}', which is not defined",
                spec.place,
                group_id=group.id,
                attribute_ref=key,
            )
        if root is None or key in self._roots:
            return root
        found = self._foreign_attributes[key]
        registry, attribute = found[0]
        others = [other for other, _ in found if other.name != registry.name]
        if others:
            self._findings.report(
                "AmbiguousReference",
                f"'{key}' is defined by the dependencies '{registry.schema_url}' and "
                f"'{others[0].schema_url}'; define it here to choose",
                spec.place,
                ref=key,
                schema_url1=registry.schema_url,
                schema_url2=others[0].schema_url,
            )
        if is_excluded(attribute.annotations):
            self._findings.report(
                "ExcludedFromDependencyResolution",
                f"group '{group.id}' refers to '{key}', which '{registry.schema_url}' keeps to "
                "itself",
                spec.place,
                ref=key,
                schema_url=registry.schema_url,
            )
        return root

    @cached_property
    def _foreign_attributes(self) -> dict[str, list[tuple[Registry, Attribute]]]:
        """Definitions of all dependencies; those of the nearest registries come first."""
        found: dict[str, list[tuple[Registry, Attribute]]] = defaultdict(list)
        for registry in _closure(self._dependencies):
            for name, attribute in registry.attributes.items():
                found[name].append((registry, attribute))
        return found

    def _finish(self, group: Spec, inherited: _Inherited, base: Spec | Resolved | None) -> Resolved:
        """The group with its attributes in full."""
        attributes = self._complete.get(id(inherited.specs))
        if attributes is None or group.prefix:
            before = len(self._findings)
            attributes = tuple(self._attributes_of(group, inherited))
            # What is wrong with a reference is wrong in each group that takes it over.
            if not group.prefix and len(self._findings) == before:
                self._complete[id(inherited.specs)] = attributes
        fields = attrs.asdict(group, recurse=False)
        fields |= {
            "attributes": attributes,
            "lineage": _Lineages(partial(self._lineages, group, inherited)),
            "lineage_extends": base.id if base is not None else None,
            "schema_url": self._loaded.schema_url.url,
        }
        if group.refines is not None and base is not None:
            fields |= _refine(group, self._in_full(base)[0])
        # Those of a dependency are in full already.
        fields["links"] = tuple(self._linked.get(id(link), link) for link in fields["links"])
        return Group(**fields)

    def _link(self, link: SpanLink[AttributeSpec], group: Spec) -> SpanLink[Attribute]:
        """A link with its attributes in full."""
        found = ((spec, self._root(spec.key, group, spec)) for spec in link.attributes)
        attributes = tuple(_refer(spec, root.attribute) for spec, root in found if root is not None)
        return SpanLink(**attrs.asdict(link, recurse=False) | {"attributes": attributes})

    def _attributes_of(self, group: Spec, inherited: _Inherited) -> Iterator[Attribute]:
        for spec in inherited.specs.values():
            if not spec.is_reference:
                yield self._defined(spec)
                continue
            root = self._root(spec.key, group, spec)
            if root is None:
                continue
            if spec.prefix and group.prefix:
                name = f"{group.prefix}.{spec.key}"
                yield attrs.evolve(_refer(spec, root.attribute), name=name, prefix=True)
                continue
            attribute = self._attributes.get(id(spec))
            if attribute is None:
                attribute = self._attributes[id(spec)] = _refer(spec, root.attribute)
            yield attribute

    def _defined(self, spec: AttributeSpec) -> Attribute:
        """A definition as an attribute: one object for all groups that have it."""
        attribute = self._attributes.get(id(spec))
        if attribute is None:
            attribute = self._attributes[id(spec)] = _define(spec)
        return attribute

    def _lineages(self, group: Spec, inherited: _Inherited) -> dict[str, Lineage]:
        """Where the attributes of a group come from, by their names."""
        own = {spec.key: spec for spec in group.attributes}
        made: dict[str, Lineage] = {}
        for spec in inherited.specs.values():
            if spec.is_reference:
                root = self._found(spec.key)
                if root is not None:
                    prefixed = spec.prefix and group.prefix
                    name = f"{group.prefix}.{spec.key}" if prefixed else root.attribute.name
                    made[name] = _lineage(root.group_id, root.attribute, spec)
            elif (source := inherited.source_of(spec.key)) is not None:
                made[spec.key] = _lineage(source, self._defined(spec), own.get(spec.key))
        return made

    def _check_refinements(self, bases: Mapping[int, Spec | Resolved | None]) -> None:
        """An entity refinement may not change which attributes identify the entity."""
        for index, group in enumerate(self._groups):
            base = bases[index]
            if group.refines is None or group.type is not GroupType.ENTITY or base is None:
                continue
            identity = self._identity(base)
            for spec in group.attributes:
                if (spec.role is Role.IDENTIFYING) == (spec.key in identity):
                    continue
                if spec.role is Role.DESCRIPTIVE:
                    message = (
                        f"'{spec.key}' identifies the entity '{group.refines}'; refine it under "
                        "'identity', not under 'description'"
                    )
                else:
                    message = (
                        f"'{spec.key}' does not identify the entity '{group.refines}'; a "
                        "refinement cannot add it to the identity"
                    )
                self._findings.report(
                    "EntityRefinementChangedIdentity",
                    message,
                    spec.place,
                    signal=group.signal,
                    refinement_id=group.id,
                    ref=base.id,
                    attribute_id=spec.key,
                    role=str(spec.role),
                )

    def _identity(self, base: Spec | Resolved) -> set[str]:
        """The names that identify an entity, through however many refinements."""
        entity = self._in_full(base)[1]
        if id(entity) not in self._identities:
            self._identities[id(entity)] = {
                attribute.name
                for attribute in entity.attributes
                if attribute.role is Role.IDENTIFYING
            }
        return self._identities[id(entity)]

    def _in_full(self, base: Spec | Resolved) -> tuple[dict[str, Any], Spec | Resolved]:
        """What a signal says with all that it refines, and the first of those; a circle is left.

        Chains may be long, and each is gone through once.
        """
        path: list[Spec | Resolved] = []
        seen: set[str] = set()
        group: Spec | Resolved | None = base
        while group is not None and id(group) not in self._full:
            path.append(group)
            seen.add(group.id)
            found = (
                (self._lookup(f"{group.type}.{group.refines}"), self._lookup(group.refines))
                if group.refines is not None
                else ()
            )
            further = (
                each
                for each in found
                if each is not None and each.type is base.type and each.id not in seen
            )
            group = next(further, None)
        full = None if group is None else self._full[id(group)]
        for each in reversed(path):
            fields = _refine(each, None if full is None else full[0])
            full = self._full[id(each)] = (fields, each if full is None else full[1])
        assert full is not None  # there is one in the path, or it was known
        return full

    # --- imports ----------------------------------------------------------------------------

    def _import(self) -> list[Resolved]:
        """The groups of dependencies that the patterns name, each once."""
        patterns: list[tuple[Import, Any]] = []
        for imported in self._loaded.imports:
            try:
                patterns.append((imported, compile_glob(imported.pattern)))
            except ValueError as error:
                self._findings.report(
                    "InvalidWildcard",
                    f"the import pattern {imported.pattern!r} is not valid: {error}",
                    imported.place,
                    pattern=imported.pattern,
                )
        if not patterns:
            return []
        taken: dict[tuple[str, str | None], Resolved] = {}
        matched: set[int] = set()
        for registry in self._dependencies:
            for group in registry.groups:
                field = import_field(group)
                keys = list(import_keys(group))
                hits = [
                    number
                    for number, (imported, glob) in enumerate(patterns)
                    if imported.field == field and any(glob.fullmatch(key) for key in keys)
                ]
                if not hits:
                    continue
                matched.update(hits)
                if self._is_hidden(group):
                    self._report_hidden(
                        f"the {group.type} '{group.signal_name}'", group, patterns[hits[0]][0].place
                    )
                    continue
                taken.setdefault((group.id, group.schema_url), group)
        for number, (imported, _) in enumerate(patterns):
            if number not in matched:
                self._findings.report(
                    "UnmatchedImport",
                    f"the import pattern {imported.pattern!r} matches none of the {imported.field} "
                    "of the dependencies",
                    imported.place,
                    pattern=imported.pattern,
                    signal=None,
                    field=imported.field,
                )
        return list(taken.values())

    def _is_hidden(self, group: Resolved) -> bool:
        """Whether a registry keeps a group to itself."""
        return is_excluded(group.annotations) or (
            group.type is GroupType.ATTRIBUTE_GROUP and group.visibility == "internal"
        )

    def _check_not_hidden(self, target: Spec | Resolved, group: Spec, what: str) -> None:
        if target.schema_url is not None and self._is_hidden(target):  # type: ignore[arg-type]
            self._report_hidden(what, target, group.place)

    def _report_hidden(self, what: str, target: Spec | Resolved, place: Place) -> None:
        self._findings.report(
            "ExcludedFromDependencyResolution",
            f"{what} belongs to '{target.schema_url}', which keeps it to itself",
            place,
            group_id=target.id,
            schema_url=target.schema_url,
        )

    # --- what must be unique, and what must exist -------------------------------------------

    def _check_uniqueness(self, groups: Sequence[Resolved]) -> None:
        by_id: dict[str, list[Resolved]] = defaultdict(list)
        by_metric: dict[str, list[Resolved]] = defaultdict(list)
        by_name: dict[tuple[GroupType, str], list[Resolved]] = defaultdict(list)
        for group in groups:
            if group.format is FileFormat.V2 and _is_synthetic(group):
                continue
            by_id[group.id].append(group)
            if group.refines is not None:
                continue
            if group.metric_name is not None:
                by_metric[group.metric_name].append(group)
            elif group.name is not None:
                by_name[group.type, group.name].append(group)
        for name, found in by_id.items():
            self._report_duplicate("DuplicateGroupId", "the group id", name, found)
        for name, found in by_metric.items():
            self._report_duplicate("DuplicateMetricName", "the metric name", name, found)
        for (_, name), found in by_name.items():
            self._report_duplicate("DuplicateGroupName", "the group name", name, found)

    def _report_duplicate(self, id: str, what: str, name: str, groups: Sequence[Resolved]) -> None:
        if len(groups) < 2:
            return
        places = [f"{group.place.file}:{group.place.line}" for group in groups]
        self._findings.report(
            id,
            f"{what} '{name}' is declared {len(groups)} times: {', '.join(places)}",
            groups[1].place,
            name=name,
            places=places,
        )

    def _check_definitions(self, flat: Sequence[_Inherited]) -> None:
        """An attribute is defined once among the groups of attributes."""
        defined: dict[str, list[tuple[Spec, AttributeSpec]]] = defaultdict(list)
        for group, inherited in zip(self._groups, flat, strict=True):
            if group.type is not GroupType.ATTRIBUTE_GROUP:
                continue
            for spec in inherited.definitions(group):
                defined[spec.key].append((group, spec))
        for name, found in defined.items():
            if len(found) < 2:
                continue
            ids = [group.id for group, _ in found]
            first = found[0][1].place
            self._findings.report(
                "DuplicateAttributeId",
                f"the attribute '{name}' is defined {len(found)} times, in the groups "
                f"{', '.join(ids)}; first in {first.file}:{first.line}",
                found[1][1].place,
                attribute_id=name,
                group_ids=ids,
            )

    def _check_associations(
        self, groups: Sequence[Resolved], everything: Sequence[Resolved]
    ) -> None:
        """Signals are associated with entities that exist, and with one each."""
        own = {
            name
            for group in everything
            if group.type is GroupType.ENTITY
            for name in entity_names(group)
        }
        foreign: dict[str, list[tuple[Registry, Resolved]]] | None = None
        for group in groups:
            if group.type not in _SIGNALS:
                continue  # where an association has no place, what it names does not matter
            for association in group.entity_associations:
                for name in association.names():
                    if name in own or not name.strip():
                        continue
                    if foreign is None:
                        foreign = self._foreign_entities()
                    self._check_association(group, name, foreign.get(name, []))

    def _check_links(self, everything: Sequence[Resolved]) -> None:
        """Spans are linked to spans of this registry, or to such as it imports.

        Links of what is imported or refined are their own registry's affair.
        """
        spans = {
            group.signal_name
            for group in everything
            if group.type is GroupType.SPAN and group.refines is None
        }
        for group in self._groups:
            for link in group.links:
                if link.ref not in spans:
                    self._findings.report(
                        "SpanLinkTargetNotFound",
                        f"span '{group.signal_name}' has a link to spans of the type "
                        f"'{link.ref}', which is neither defined nor imported",
                        link.place,
                        signal=group.signal,
                        group_id=group.id,
                        link_ref=link.ref,
                    )

    def _foreign_entities(self) -> dict[str, list[tuple[Registry, Resolved]]]:
        found: dict[str, list[tuple[Registry, Resolved]]] = defaultdict(list)
        for registry in _closure(self._dependencies):
            for group in registry.groups:
                if group.type is GroupType.ENTITY and group.schema_url == registry.schema_url:
                    for name in entity_names(group):
                        found[name].append((registry, group))
        return found

    def _check_association(
        self, group: Resolved, name: str, found: Sequence[tuple[Registry, Resolved]]
    ) -> None:
        what = f"{group.type} '{group.signal_name}' is associated with the entity '{name}'"
        if not found:
            self._findings.report(
                "UnresolvedEntityAssociation",
                f"{what}, which is not defined",
                group.place,
                signal=group.signal,
                entity=name,
            )
            return
        urls = list(dict.fromkeys(registry.schema_url for registry, _ in found))
        if len(urls) > 1:
            self._findings.report(
                "AmbiguousEntityAssociation",
                f"{what}, which is defined by {' and by '.join(urls)}",
                group.place,
                signal=group.signal,
                entity=name,
                schema_urls=urls,
            )
        elif self._is_hidden(found[0][1]):
            self._report_hidden(f"the entity '{name}'", found[0][1], group.place)


# --- pure functions on attributes -----------------------------------------------------------


def _closure(dependencies: Sequence[Registry]) -> list[Registry]:
    """Dependencies and theirs, nearest first, each once."""
    found: dict[int, Registry] = {}
    layer: Sequence[Registry] = dependencies
    while layer:
        fresh = [registry for registry in layer if id(registry) not in found]
        found.update((id(registry), registry) for registry in fresh)
        layer = [below for registry in fresh for below in registry.dependencies]
    return list(found.values())


def _is_synthetic(group: Group[Any]) -> bool:
    """Whether a group only holds the definitions of a file of format v2."""
    return (
        group.format is FileFormat.V2
        and group.type is GroupType.ATTRIBUTE_GROUP
        and group.visibility is None
    )


def _with_full_names(group: Spec) -> Spec:
    """The group with its prefix (format v1) put before the names that it defines."""
    if not group.prefix:
        return group
    return attrs.evolve(
        group,
        attributes=tuple(
            spec if spec.is_reference else attrs.evolve(spec, key=f"{group.prefix}.{spec.key}")
            for spec in group.attributes
        ),
    )


def _define(spec: AttributeSpec) -> Attribute:
    """A definition as an attribute."""
    assert spec.type is not None, "a definition that was read has a type"
    return Attribute(
        name=spec.key,
        type=spec.type,
        brief=spec.brief or "",
        note=spec.note or "",
        examples=spec.examples,
        tag=spec.tag,
        requirement_level=spec.requirement_level or RECOMMENDED,
        sampling_relevant=spec.sampling_relevant,
        stability=spec.stability,
        deprecated=spec.deprecated,
        annotations=spec.annotations,
        role=spec.role,
        place=spec.place,
    )


def _as_spec(attribute: Attribute, place: Place) -> AttributeSpec:
    """An attribute of another registry, in the shape of a definition."""
    return AttributeSpec(
        key=attribute.name,
        is_reference=False,
        place=attribute.place or place,
        type=attribute.type,
        brief=attribute.brief,
        note=attribute.note,
        examples=attribute.examples,
        tag=attribute.tag,
        requirement_level=attribute.requirement_level,
        sampling_relevant=attribute.sampling_relevant,
        stability=attribute.stability,
        deprecated=attribute.deprecated,
        annotations=attribute.annotations,
        role=attribute.role,
    )


_OVERRIDABLE: Final = (
    "brief",
    "examples",
    "tag",
    "requirement_level",
    "sampling_relevant",
    "note",
    "stability",
    "deprecated",
    "role",
)
"""The fields that a reference may say anew; annotations are merged instead."""


def _override(inherited: AttributeSpec, local: AttributeSpec) -> AttributeSpec:
    """An inherited attribute with what a reference says anew."""
    changes = {
        name: getattr(local, name) for name in _OVERRIDABLE if getattr(local, name) is not None
    }
    if local.annotations:
        changes["annotations"] = _merge_values(inherited.annotations or {}, local.annotations)
    if local.is_reference and inherited.is_reference:
        changes["prefix"] = local.prefix or inherited.prefix
    return attrs.evolve(inherited, place=local.place, **changes)


def _refer(spec: AttributeSpec, root: Attribute) -> Attribute:
    """The attribute that a reference stands for."""
    changes = {
        name: getattr(spec, name) for name in _OVERRIDABLE if getattr(spec, name) is not None
    }
    if spec.annotations:
        changes["annotations"] = _merge_values(root.annotations or {}, spec.annotations)
    return attrs.evolve(root, prefix=False, **changes)


def _merge_values(base: Any, over: Any) -> Any:
    """Mappings are merged key by key; everything else is replaced."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        merged = dict(base)
        for key, value in over.items():
            merged[key] = _merge_values(base[key], value) if key in base else value
        return merged
    return over


_ALWAYS_INHERITED: Final = frozenset({"brief", "note", "requirement_level"})
"""Fields that have a default, so that there is always something to inherit."""


def _lineage(source: str, original: Attribute, local: AttributeSpec | None) -> Lineage:
    """Which fields come from the source, and which a group says anew."""
    inherited: list[str] = []
    overridden: list[str] = []
    for name in (*_OVERRIDABLE, "annotations"):
        if local is not None and getattr(local, name) is not None:
            overridden.append(name)
        elif name in _ALWAYS_INHERITED or getattr(original, name) is not None:
            inherited.append(name)
    return Lineage(source, tuple(sorted(inherited)), tuple(sorted(overridden)))


def _refine(group: Spec | Resolved, base: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of a refinement: its own before those of what it refines."""
    base = base or {**_REFINABLE, "annotations": None}
    fields = {name: getattr(group, name) or base[name] for name in _REFINABLE}
    annotations = _merge_values(base["annotations"] or {}, group.annotations or {})
    return fields | {"annotations": annotations or None}


_REFINABLE: Final[dict[str, Any]] = {
    "brief": "",
    "note": "",
    "stability": None,
    "deprecated": None,
    "entity_associations": (),
    "name": None,
    "metric_name": None,
    "instrument": None,
    "unit": None,
    "span_kind": None,
    "span_name_note": None,
    "links": (),
    "requirement_level": None,
}
"""What a refinement takes over from the signal that it refines, and what it is without any."""
