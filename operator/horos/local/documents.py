"""What `horos run` is given, checked as the API server would: all of it, before anything starts."""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from horos.errors import UsageError
from horos.local.manifest_files import Document, Unreadable, read_documents
from horos_api.crd import KINDS
from horos_api.names import API_VERSION, DEFAULT_MODEL_CONFIG, namespace_name_error
from horos_api.objects import Metadata, Resource
from horos_api.resources import Agent

_MODELS: Final[dict[str, type[Resource]]] = {kind.name: kind.model for kind in KINDS}
_PLAIN: Final = ("Secret", "ConfigMap")
"""Kinds of Kubernetes itself that agents refer to."""
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents that are all right by themselves, in the order of the files, each with its namespace."""

    all: tuple[Document, ...]

    @property
    def manifests(self) -> list[dict[str, Any]]:
        """The objects themselves."""
        return [each.manifest for each in self.all]

    @property
    def namespaces(self) -> list[str]:
        """Where the objects are."""
        return sorted({_key(each)[1] for each in self.all})

    def names(self, kind: str) -> list[tuple[str, str]]:
        """Namespace and name of each object of a kind, in the order of the files."""
        return [_key(each)[1:] for each in self.all if each.manifest["kind"] == kind]

    @property
    def without_model(self) -> list[Document]:
        """The Agents that say neither where their model is nor which ModelConfig they mean."""
        shared = {namespace for namespace, name in self.names("ModelConfig") if name == DEFAULT_MODEL_CONFIG}
        return [
            each
            for each in self.all
            if each.manifest["kind"] == "Agent"
            and each.manifest["metadata"]["namespace"] not in shared
            and not _says_model(each)
        ]


def checked_documents(paths: Sequence[Path], namespace: str) -> Documents:
    """Read and check all files; what names no namespace is of `namespace`.

    Raises UsageError with a line for everything that is wrong: file, document, field, value, expectation.
    """
    problems: list[str] = []
    good: list[Document] = []
    for found in read_documents(paths):
        if isinstance(found, Unreadable):
            problems.append(f"{found.place}: {found.why}")
            continue
        document = _placed(found, namespace)
        wrong = _problems_of(document) or _repeated(document, good)
        problems += [f"{found.place}{_called(found)}: {why}" for why in wrong]
        good += [] if wrong else [document]
    if not problems and not any(each.manifest["kind"] == "Agent" for each in good):
        problems.append(f"{', '.join(map(str, paths))}: there is no Agent in it, so there is nobody to run")
    if problems:
        raise UsageError("\n".join(problems))
    return Documents(tuple(good))


def _placed(document: Document, namespace: str) -> Document:
    """Say the namespace where the document does not, as kubectl does."""
    metadata = document.manifest.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("namespace"):
        return document
    return replace(document, manifest={**document.manifest, "metadata": {**metadata, "namespace": namespace}})


def _problems_of(document: Document) -> list[str]:
    manifest = document.manifest
    kind, metadata = manifest.get("kind"), manifest.get("metadata")
    if not isinstance(kind, str) or kind not in (*_MODELS, *_PLAIN):
        return [f"kind: expected one of {', '.join((*_MODELS, *_PLAIN))}, not {_shown(kind)}"]
    expected = "v1" if kind in _PLAIN else API_VERSION
    wrong = []
    if (version := manifest.get("apiVersion")) != expected:
        wrong.append(f"apiVersion: expected {expected}, not {_shown(version)}")
    wrong += _problems_of_plain(manifest) if kind in _PLAIN else _problems_of_fields(kind, manifest)
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    if isinstance(namespace, str) and (error := namespace_name_error(namespace)):
        wrong.append(f"metadata.namespace: {error}")
    return wrong


def _problems_of_fields(kind: str, manifest: dict[str, Any]) -> list[str]:
    try:
        _MODELS[kind].from_manifest({**manifest, "apiVersion": API_VERSION})
    except ValidationError as error:
        return [_words(each) for each in error.errors(include_url=False)]
    return []


def _words(error: Any) -> str:
    field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error["loc"])
    field = field.lstrip(".")
    if error["type"] == "extra_forbidden":
        return f"{field}: unknown field"
    if error["type"] == "missing":
        return f"{field}: expected, but it is not there"
    message = str(error["msg"]).removeprefix("Value error, ")
    given = error["input"]
    shown = "" if isinstance(given, dict | list) else f", not {_shown(given)}"
    return f"{field}: {message}{shown}" if field else message


def _problems_of_plain(manifest: dict[str, Any]) -> list[str]:
    """Check a Secret or a ConfigMap, whose values are never shown."""
    wrong: list[str] = []
    try:
        Metadata.model_validate(manifest.get("metadata"), by_alias=True, by_name=False)
    except ValidationError as error:
        wrong += [f"metadata.{_words(each)}" for each in error.errors(include_url=False)]
    for field in ("data", "stringData"):
        values = manifest.get(field) or {}
        if not isinstance(values, dict):
            wrong.append(f"{field}: expected texts by name")
            continue
        encoded = field == "data" and manifest["kind"] == "Secret"
        wrong += [
            f"{field}.{key}: expected {'base64' if encoded else 'a text'}"
            for key, value in values.items()
            if not isinstance(value, str) or (encoded and not _is_base64(value))
        ]
    return wrong


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _repeated(document: Document, earlier: Iterable[Document]) -> list[str]:
    """Find another document that means the same object: the later one would silently undo it."""
    key = _key(document)
    kind, namespace, name = key
    return [
        f"metadata.name: {kind} {name} of namespace {namespace} stands in {each.place} already"
        for each in earlier
        if _key(each) == key
    ]


def _key(document: Document) -> tuple[str, str, str]:
    metadata = document.manifest["metadata"]
    return document.manifest["kind"], metadata["namespace"], metadata["name"]


def _called(document: Document) -> str:
    """Name the object, where it has a name."""
    kind, metadata = document.manifest.get("kind"), document.manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f" ({kind} {name})" if isinstance(kind, str) and isinstance(name, str) else ""


def _says_model(document: Document) -> bool:
    model = Agent.from_manifest(document.manifest).spec.model
    return model is not None and (model.config_name is not None or bool(model.base_url and model.name))


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
