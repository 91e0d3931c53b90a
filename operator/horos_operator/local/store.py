"""All objects of a LocalCluster: in memory, and each in a file, so that a later process goes on with them."""

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from horos_operator.local.files import FolderUnusableError, changing, write_whole
from horos_operator.local.kinds import COUNTED, NOT_KEPT, VERSIONS

Body: TypeAlias = Mapping[str, Any]
"""A whole object as JSON; never changed, only replaced."""

Listener: TypeAlias = Callable[[str, Body, bool], None]
"""Gets the plural of its kind, the object as it is now or was last, and whether it is gone."""

log = logging.getLogger("horos.operator")


class ObjectStore:
    """Objects by plural, namespace and name. Versions grow over all of them, as in a cluster."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._objects: dict[str, dict[tuple[str, str], Body]] = {plural: {} for plural in VERSIONS}
        self._version = 0
        self._listeners: list[Listener] = []

    def load(self) -> None:
        """Read what an earlier process has left. Raises FolderUnusableError, which names the file."""
        for plural in VERSIONS.keys() - NOT_KEPT:
            for path in sorted((self._folder / plural).glob("*/*.json")):
                body = _read(path)
                metadata = body["metadata"]
                self._objects[plural][metadata["namespace"], metadata["name"]] = body
                self._version = max(self._version, int(metadata["resourceVersion"]))

    def listen(self, listener: Listener) -> None:
        """Let this one be told of every change from now on, in order."""
        self._listeners.append(listener)

    def find(self, plural: str, namespace: str, name: str) -> Body | None:
        """Look for one object."""
        return self._objects[plural].get((namespace, name))

    def all(self, plural: str) -> list[Body]:
        """Every object of a kind."""
        return list(self._objects[plural].values())

    def everything(self) -> Iterator[tuple[str, Body]]:
        """Every object with the plural of its kind."""
        return ((plural, body) for plural, objects in self._objects.items() for body in objects.values())

    def put(self, plural: str, body: Body, *, only_status: bool = False) -> Body:
        """Keep an object under its next version and tell of it. Raises ClusterError, and nothing has changed.

        Where `only_status` has changed it need not outlive a loss of power, and a count is not kept at all.
        """
        self._version += 1
        kept = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version)}}
        key = _key(kept)
        if plural not in (COUNTED | NOT_KEPT if only_status else NOT_KEPT):
            path, content = self._path(plural, key), orjson.dumps(kept, option=orjson.OPT_INDENT_2)
            with changing(path):
                write_whole(path, content, surely=not only_status)
        self._objects[plural][key] = kept
        self._tell(plural, kept, gone=False)
        return kept

    def drop(self, plural: str, body: Body) -> None:
        """Forget an object and tell that it is gone. Raises ClusterError; then it is still there."""
        self._version += 1
        last = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version)}}
        key = _key(body)
        if plural not in NOT_KEPT:
            with changing(self._path(plural, key)):
                self._path(plural, key).unlink(missing_ok=True)
        self._objects[plural].pop(key, None)
        self._tell(plural, last, gone=True)

    def _path(self, plural: str, key: tuple[str, str]) -> Path:
        namespace, name = key
        return self._folder / plural / namespace / f"{name}.json"

    def _tell(self, plural: str, body: Body, *, gone: bool) -> None:
        for listener in self._listeners:
            listener(plural, body, gone)


def _key(body: Body) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _read(path: Path) -> Body:
    try:
        body = orjson.loads(path.read_bytes())
        metadata = body["metadata"]
        place = (metadata["namespace"], f"{metadata['name']}.json")
        int(metadata["resourceVersion"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FolderUnusableError(f"{path} cannot be read: {error}; repair or remove it") from error
    if place != path.parts[-2:]:
        raise FolderUnusableError(f"{path} is another object's: give it back its name, or remove it")
    return dict(body)
