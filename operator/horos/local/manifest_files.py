"""Files of manifests in, documents out: YAML as `kubectl` reads it, each with the place it stands at."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_MERGE: Final = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file that is not empty; `number` counts all of them from 1."""

    file: str
    number: int
    manifest: dict[str, Any]

    @property
    def place(self) -> str:
        """Where it stands, for a person."""
        return f"{self.file}, document {self.number}"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What cannot be read, and why."""

    place: str
    why: str


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes takes it: a key stands once, and a date is a text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping; raises ConstructorError for a key that stands twice."""
        keys: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in keys and key.tag != _MERGE:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            keys.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_documents(paths: Iterable[Path]) -> list[Document | Unreadable]:
    """Read all documents of files and of the files in folders, in this order."""
    return [found for path in paths for found in _in_path(path)]


def _in_path(path: Path) -> Iterator[Document | Unreadable]:
    try:
        files = _files_of(path)
    except OSError as error:
        yield Unreadable(str(path), f"cannot be read: {error.strerror or error}")
        return
    if not files:
        yield Unreadable(str(path), f"the folder has no file that ends in {', '.join(_SUFFIXES)}")
    for file in files:
        yield from _in_file(file)


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES and each.is_file())


def _in_file(path: Path) -> Iterator[Document | Unreadable]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        yield Unreadable(str(path), f"is not UTF-8: {error.reason} at byte {error.start}")
        return
    except OSError as error:
        yield Unreadable(str(path), f"cannot be read: {error.strerror or error}")
        return
    if path.suffix == ".json":
        # JSON is YAML but for tabs between its words; within its texts none can stand.
        text = text.replace("\t", " ")
    number = 0
    try:
        for number, found in enumerate(yaml.load_all(text, _Loader), 1):
            if isinstance(found, dict):
                yield Document(str(path), number, found)
            elif found is not None:
                what = "a list" if isinstance(found, list) else repr(found)[:60]
                yield Unreadable(
                    f"{path}, document {number}",
                    f"expected apiVersion, kind, metadata and spec, not {what}",
                )
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        yield Unreadable(f"{path}, document {number + 1}", f"is not YAML: {_yaml_words(error)}")


def _yaml_words(error: Exception) -> str:
    """Say in one line what is wrong where; PyYAML takes several, and repeats the text."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return str(error).partition("\n")[0] or type(error).__name__
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return where + (error.problem or error.context or "cannot be understood")
