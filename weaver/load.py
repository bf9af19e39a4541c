"""Reading a registry from disk: its manifest, its files, and the registries it builds on.

Faults inside a registry become findings; only a path that cannot be read at all is an exception.
Nothing is fetched: a dependency that is not a folder on this machine is reported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from weft.schema.errors import DefinitionError
from weft.schema.yaml import Node, ScalarNode, read_yaml
from weft.weaver.definition_v1 import read_v1
from weft.weaver.definition_v2 import read_v2
from weft.weaver.findings import Findings
from weft.weaver.manifest import (
    DEFAULT_SCHEMA_URL,
    LEGACY_MANIFEST_NAME,
    MANIFEST_NAME,
    Dependency,
    Manifest,
    SchemaUrl,
    find_manifest,
    read_manifest,
)
from weft.weaver.registry import AttributeSpec, FileFormat, Group, Import
from weft.weaver.shape import Reader, Table, faults_of, report_fault
from weft.weaver.validate import validate

__all__ = ["MAX_DEPENDENCY_DEPTH", "MAX_FILES", "LoadedRegistry", "load_registry"]

MAX_FILES: Final = 20_000
"""How many files a registry may have."""

MAX_DEPENDENCY_DEPTH: Final = 10
"""How long a chain of dependencies may be."""

_NOT_DEFINITIONS: Final = frozenset({MANIFEST_NAME, LEGACY_MANIFEST_NAME, "schema-next.yaml"})


@attrs.frozen(eq=False)
class LoadedRegistry:
    """A registry as written: nothing in it is resolved yet.

    ``whole`` is false when something of it could not be read; then references may fail for that
    reason alone. ``dependencies`` are those that could be loaded, by the names of their schema
    URLs; where another registry needs a later version of one, ``chosen`` has that.
    """

    path: Path
    schema_url: SchemaUrl
    groups: tuple[Group[AttributeSpec], ...]
    imports: tuple[Import, ...]
    dependencies: Mapping[str, LoadedRegistry]
    chosen: Mapping[str, LoadedRegistry] = attrs.field(repr=False)
    files: int
    whole: bool


def load_registry(path: str | os.PathLike[str], findings: Findings) -> LoadedRegistry:
    """Load a registry and everything it depends on.

    Args:
        path: A folder, or a single file of definitions.
        findings: Receives what is wrong inside.

    Raises:
        DefinitionError: There is nothing to read at the path.
    """
    root = Path(path)
    try:
        exists = root.exists()
    except (OSError, ValueError):  # ValueError: a NUL in the path
        exists = False
    if not exists:
        raise DefinitionError(
            "no such file or folder; the path of a registry is wanted",
            code="file-unreadable",
            file=str(path),
        )
    return _Loader(findings).load(root, ())


class _Loader:
    """One loading of a registry with its dependencies; each folder is read once."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._chosen: dict[str, LoadedRegistry] = {}  # by the name in the schema URL
        self._loaded: dict[Path, LoadedRegistry | None] = {}

    def load(self, root: Path, chain: tuple[SchemaUrl, ...]) -> LoadedRegistry:
        """A registry, at the end of a chain of registries that need it."""
        manifest, whole = self._manifest(root)
        schema_url = manifest.schema_url if manifest else DEFAULT_SCHEMA_URL
        dependencies: dict[str, LoadedRegistry] = {}
        for dependency in manifest.dependencies if manifest else ():
            found = self._dependency(dependency, root, (*chain, schema_url))
            if found is None:
                whole = False
            else:
                dependencies[found.schema_url.name] = found
        groups: list[Group[AttributeSpec]] = []
        imports: list[Import] = []
        files = 0
        for file in self._files(root):
            files += 1
            if files > MAX_FILES:
                self._findings.report(
                    "SemConvSpecError",
                    f"the registry has more than {MAX_FILES:,} files; the rest is not read",
                    file=str(root),
                )
                whole = False
                break
            read = _read_file(file, root, self._findings)
            if read is None:
                whole = False
                continue
            groups.extend(read[0])
            imports.extend(read[1])
            whole &= read[2]
        for group in groups:
            validate(group, self._findings)
        return LoadedRegistry(
            path=root,
            schema_url=schema_url,
            groups=tuple(groups),
            imports=tuple(imports),
            dependencies=dependencies,
            chosen=self._chosen,
            files=files,
            whole=whole,
        )

    def _manifest(self, root: Path) -> tuple[Manifest | None, bool]:
        path = find_manifest(root) if root.is_dir() else None
        if path is None:
            return None, True
        manifest = read_manifest(path, str(path), self._findings)
        return manifest, manifest is not None

    def _files(self, root: Path) -> Iterator[Path]:
        """The files of definitions below a folder, in a stable order; links to folders are left."""
        if not root.is_dir():
            yield root
            return
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                suffix = name.rpartition(".")[2]
                if (
                    suffix in {"yaml", "yml"}
                    and not name.startswith(".")
                    and name not in _NOT_DEFINITIONS
                ):
                    yield Path(folder) / name

    def _dependency(
        self, dependency: Dependency, root: Path, chain: tuple[SchemaUrl, ...]
    ) -> LoadedRegistry | None:
        """A dependency, or ``None`` after a report."""
        wanted = dependency.schema_url
        names = [url.name for url in chain]
        if wanted.name in names:
            names = [*names[names.index(wanted.name) :], wanted.name]
            self._report(
                "CircularDependency",
                f"the registry '{wanted.name}' depends on itself: {' → '.join(names)}",
                dependency,
                chain=names,
            )
            return None
        if len(chain) >= MAX_DEPENDENCY_DEPTH:
            self._report(
                "MaximumDependencyDepth",
                f"'{wanted.name}' is more than {MAX_DEPENDENCY_DEPTH} dependencies deep",
                dependency,
            )
            return None
        folder = self._folder(dependency, root)
        if folder is None:
            return None
        key = folder.resolve()
        if key in self._loaded:
            found = self._loaded[key]
            if found is None:
                self._report(
                    "CircularDependency",
                    f"the folder {str(folder)!r} depends on itself",
                    dependency,
                )
            return found
        self._loaded[key] = None  # until it is read, to meet it again is to go in a circle
        loaded = self.load(folder, chain)
        self._loaded[key] = loaded
        return self._choose(loaded, dependency)

    def _folder(self, dependency: Dependency, root: Path) -> Path | None:
        """Where a dependency lies: beside the manifest, or below the working directory."""
        text = dependency.path
        if text is None or "://" in text or text.startswith("git@"):
            what = "has no registry_path" if text is None else f"is at {text!r}"
            self._report(
                "RegistryManifestNotFound",
                f"the dependency '{dependency.schema_url.url}' {what}; nothing is fetched, "
                "give the path of a folder",
                dependency,
            )
            return None
        base = root if root.is_dir() else root.parent
        try:
            for folder in (base / text, Path(text)):
                if folder.is_dir() and find_manifest(folder) is not None:
                    return folder
        except (OSError, ValueError):  # ValueError: a NUL in the path
            pass
        self._report(
            "RegistryManifestNotFound",
            f"{text!r} is no folder with a '{MANIFEST_NAME}', neither from {str(base)!r} "
            "nor from the working directory",
            dependency,
        )
        return None

    def _choose(self, loaded: LoadedRegistry, dependency: Dependency) -> LoadedRegistry | None:
        """Of two versions of one registry the later, if they are compatible."""
        name = loaded.schema_url.name
        other = self._chosen.setdefault(name, loaded)
        if other is loaded or other.schema_url == loaded.schema_url:
            return other
        ours, theirs = loaded.schema_url.semver(), other.schema_url.semver()
        for url, version in ((loaded.schema_url, ours), (other.schema_url, theirs)):
            if version is None:
                self._report(
                    "InvalidSemVer",
                    f"'{name}' is needed in two versions, but {url.version!r} is no semantic "
                    "version, so they cannot be compared",
                    dependency,
                )
                return None
        assert ours is not None
        assert theirs is not None
        if ours[0] != theirs[0]:
            self._report(
                "IncompatibleDependencyVersions",
                f"'{name}' is needed in the versions {other.schema_url.version} and "
                f"{loaded.schema_url.version}, which are not compatible",
                dependency,
                version1=other.schema_url.version,
                version2=loaded.schema_url.version,
            )
            return None
        if ours > theirs:
            self._chosen[name] = loaded
        return self._chosen[name]

    def _report(self, id: str, message: str, dependency: Dependency, **context: Any) -> None:
        self._findings.report(
            id, message, dependency.place, dependency=dependency.schema_url.url, **context
        )


def _read_file(
    path: Path, root: Path, findings: Findings
) -> tuple[list[Group[AttributeSpec]], tuple[Import, ...], bool] | None:
    """The groups and imports of a file, and whether all of it could be read."""
    shown = str(path)
    try:
        node = read_yaml(path, file=shown)
    except DefinitionError as error:
        _report_unreadable(error, findings)
        return None
    reader = Reader(shown, findings)
    table = reader.table(node, "the root of the file")
    if table is None:
        return None
    file_format = _format(table)
    if file_format is None:
        return None
    if file_format is FileFormat.V2:
        relative = path.relative_to(root) if path != root else Path(path.name)
        stem = ".".join(relative.with_suffix("").parts)
        groups, imports = read_v2(table, stem)
    else:
        groups, imports = read_v1(table)
    return groups, imports, reader.whole


def _report_unreadable(error: DefinitionError, findings: Findings) -> None:
    for fault in faults_of(error):
        unreadable = fault.code == "file-unreadable"
        report_fault(fault, "SemConvSpecError" if unreadable else "DeserializationError", findings)


def _format(table: Table) -> FileFormat | None:
    """The format of a file, by ``file_format`` or the older ``version``."""
    findings = table.reader.findings
    format_node, version_node = table.take("file_format"), table.take("version")
    if version_node is not None:
        findings.report(
            "DeprecatedVersionField",
            "'version' is deprecated; say 'file_format: definition/2' (or definition/1)",
            table.place_of("version"),
        )
    written = version_node if version_node is not None else format_node
    if written is None:
        return FileFormat.V1
    text = _text(written)
    wanted = f"definition/{text}" if written is version_node else text
    major, dot, minor = wanted.partition(".")
    known = {known.value: known for known in FileFormat}
    if major not in known or (dot and not re.fullmatch(r"\d+(\.\d+)*", minor)):
        table.fault(
            written,
            f"the file format {text!r} is not known; known are 'definition/1' and 'definition/2'",
            id="InvalidFileFormat",
        )
        return None
    if known[major] is FileFormat.V2:
        findings.report(
            "UnstableFileFormat",
            "the format definition/2 is not stable yet",
            table.reader.place(written),
        )
    return known[major]


def _text(node: Node) -> str:
    return node.text if isinstance(node, ScalarNode) else "<not a text>"
