"""Secrets and ConfigMaps of a LocalCluster: a folder for each, with a file for each key."""

import base64
import binascii
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from horos_operator.cluster import RefusedError
from horos_operator.local.admission import Document
from horos_operator.local.files import changing, write_whole
from horos_operator.local.kinds import DATA, SECRET

_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
SECRET_VARIABLE: Final = "HOROS_SECRET_"


def secret_variable(name: str, key: str) -> str:
    """Name the environment variable that stands in for a key of a Secret: HOROS_SECRET_LLM_APIKEY."""
    return SECRET_VARIABLE + re.sub("[^A-Z0-9]", "_", f"{name}_{key}".upper())


class DataFolders:
    """The values of one kind by namespace and name. What people put into the folder counts, too."""

    def __init__(self, folder: Path, kind: str, environment: Mapping[str, str]) -> None:
        self.kind = kind
        self._folder = folder / DATA[kind]
        self._environment = environment

    def place(self, namespace: str, name: str) -> Path:
        """Where its keys are, or would be."""
        return self._folder / namespace / name

    def read(self, namespace: str, name: str) -> dict[str, str] | None:
        """Every key with its value; None when there is none. Bytes that are no text are replaced."""
        place = self.place(namespace, name)
        if not place.is_dir():
            return None
        files = [path for path in sorted(place.iterdir()) if path.is_file() and _is_key(path.name)]
        return {path.name: path.read_text(encoding="utf-8", errors="replace") for path in files}

    def value(self, namespace: str, name: str, key: str) -> str | None:
        """One key's value; for a Secret that has none, the environment variable's that stands in for it."""
        found = self.read(namespace, name) or {}
        if key in found or self.kind != SECRET:
            return found.get(key)
        return self._environment.get(secret_variable(name, key)) or None

    def missing(self, namespace: str, name: str, key: str) -> str:
        """Say for a person what is missing, in the words of kubelet, and how to mend it."""
        exists = self.read(namespace, name) is not None
        word = self.kind.lower()
        said = (
            f"couldn't find key {key} in {self.kind} {namespace}/{name}"
            if exists
            else f'{word} "{name}" not found'
        )
        mend = f"put the value into {self.place(namespace, name) / key}"
        return f"{said}: {mend}" + (f", or into {secret_variable(name, key)}" if self.kind == SECRET else "")

    def write(self, namespace: str, name: str, values: Mapping[str, bytes]) -> None:
        """Add or change keys; the others stay. Raises ClusterError."""
        place = self.place(namespace, name)
        with changing(place):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            for key, value in values.items():
                write_whole(place / key, value)

    def replace(self, document: Document) -> None:
        """Bring it to what a document says. Raises ClusterError."""
        values = data_of(document)
        self.write(document.namespace, document.name, values)
        place = self.place(document.namespace, document.name)
        with changing(place):
            for path in place.iterdir():
                if path.name not in values and _is_key(path.name):
                    path.unlink()

    def remove(self, namespace: str, name: str) -> bool:
        """Remove it with all keys; False: there is none. Raises ClusterError."""
        place = self.place(namespace, name)
        if not place.is_dir():
            return False
        with changing(place):
            shutil.rmtree(place)
        return True


def data_of(document: Document) -> dict[str, bytes]:
    """Read the values of a Secret or a ConfigMap. Raises RefusedError, which never shows a value."""
    body = document.body
    plain = "stringData" if document.kind == SECRET else "data"
    coded = "data" if document.kind == SECRET else "binaryData"
    known = {"apiVersion", "kind", "metadata", "type", "immutable", plain, coded}
    if unknown := sorted(body.keys() - known):
        raise RefusedError(f"{unknown[0]}: unknown field")
    values = {key: _decoded(document, coded, key, value) for key, value in _part(document, coded)}
    return values | {key: value.encode() for key, value in _part(document, plain)}


def _part(document: Document, part: str) -> list[tuple[str, str]]:
    values: Any = document.body.get(part) or {}
    if not isinstance(values, Mapping):
        raise RefusedError(f"{part}: expected texts by key")
    for key, value in values.items():
        if not isinstance(key, str) or not _is_key(key):
            raise RefusedError(f"{part}: expected keys of A-Z a-z 0-9 - _ ., found {key!r}")
        if not isinstance(value, str):
            raise RefusedError(f"{part}.{key}: expected a text")
    return list(values.items())


def _decoded(document: Document, part: str, key: str, value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(f"{part}.{key}: expected base64") from None


def _is_key(name: str) -> bool:
    return _KEY.fullmatch(name) is not None and not name.startswith("..") and name != os.curdir
