"""What the API server of a LocalCluster lets in: what the pydantic models do, which make the CRDs."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from horos_api.fields import DNS_SUBDOMAIN
from horos_api.names import API_VERSION, GROUP, namespace_name_error
from horos_api.pod_fields import LABEL_NAME
from horos_api.resources import AgentSpec, OperatingMode
from horos_operator.cluster import RefusedError
from horos_operator.local.kinds import AGENTS, DATA, MODELS, PLURALS
from horos_operator.local.store import Body
from horos_operator.watched import CORE

_LABEL_VALUE: Final = re.compile(rf"{LABEL_NAME}?")
_SHOWN: Final = 80
"""Characters of a value that a person is shown with what is wrong about it."""


@dataclass(frozen=True, slots=True)
class Document:
    """What somebody wants to be there: kind, namespace and name, and the whole of it, with the namespace."""

    kind: str
    namespace: str
    name: str
    body: Body

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def admitted(documents: Sequence[Mapping[str, Any]], namespace: str) -> list[Document]:
    """Check all documents; those that name no namespace are in the given one.

    Raises RefusedError with one line for each problem, which names document, field and value.
    """
    problems: list[str] = []
    found: dict[tuple[str, str, str], Document] = {}
    for number, raw in enumerate(documents, start=1):
        try:
            document = _document(raw, namespace)
        except RefusedError as error:
            problems += [f"{_called(raw, number)}: {line}" for line in error.message.splitlines()]
            continue
        key = (document.kind, document.namespace, document.name)
        if key in found:
            problems.append(f"{document}: there are two documents of this kind and name")
        found[key] = document
    if problems:
        raise RefusedError("\n".join(problems))
    return list(found.values())


def refused_change(plural: str, before: Body, after: Body) -> str:
    """Say why a spec may not become this one; '' when it may. What is wrong by itself counts, too."""
    if why := refused(plural, after):
        return why
    rules = TRANSITIONS.get(plural)
    # What an older version has let in may be put right.
    if not rules or refused(plural, before):
        return ""
    old, new = (_valid(plural, each).spec for each in (before, after))
    return next((message for message, allows in rules.items() if not allows(old, new)), "")


def refused_marks(before: Body | None, wanted: Body) -> str:
    """Say which label or annotation of the operator's would be set or changed; '' when none would be.

    What stands in the object already may be written once more, as with the chart's policy about ownership.
    """
    for part in ("labels", "annotations"):
        there = (before or {}).get("metadata", {}).get(part) or {}
        for key, value in (wanted["metadata"].get(part) or {}).items():
            if key.startswith(f"{GROUP}/") and there.get(key) != value:
                return (
                    f"metadata.{part}: {key} is the operator's; expected it as it was, found {_shown(value)}"
                )
    return ""


def same_spec(plural: str, before: Body, after: Body) -> bool:
    """Whether both ask for the same, however much of it is written out: defaults are no change."""
    if plural not in MODELS or refused(plural, before) or refused(plural, after):
        return before.get("spec") == after.get("spec")
    return bool(_valid(plural, before).spec == _valid(plural, after).spec)


def refused(plural: str, body: Body) -> str:
    """Say why an object is not valid, a line for each problem; '' when it is."""
    try:
        if plural in MODELS:
            _valid(plural, body)
    except RefusedError as error:
        return error.message
    return ""


def _mode_is_final(old: AgentSpec, new: AgentSpec) -> bool:
    return old.operating_mode != OperatingMode.TERMINATED or new.operating_mode == OperatingMode.TERMINATED


TRANSITIONS: Final[dict[str, dict[str, Callable[[Any, Any], bool]]]] = {
    AGENTS: {
        "operatingMode: Terminated is final; delete the Agent and create it anew": _mode_is_final,
        "parentName: an agent keeps its parent; delete the Agent and create it anew": lambda old, new: (
            old.parent_name == new.parent_name
        ),
    },
}
"""The rules that compare a spec with the one before, by plural: each message, and whether it is kept."""


def _document(raw: object, namespace: str) -> Document:
    if not isinstance(raw, Mapping):
        raise RefusedError(f"expected an object with apiVersion, kind and metadata, found {_shown(raw)}")
    kind, version = raw.get("kind"), raw.get("apiVersion")
    expected = API_VERSION if kind in PLURALS else CORE
    if kind not in PLURALS and kind not in DATA:
        known = ", ".join([*PLURALS, *DATA])
        raise RefusedError(f"kind: expected one of {known}, found {_shown(kind)}")
    if version != expected:
        raise RefusedError(f"apiVersion: expected {expected}, found {_shown(version)}")
    metadata = raw.get("metadata")
    if not isinstance(metadata, Mapping):
        raise RefusedError(f"metadata: expected an object with a name, found {_shown(metadata)}")
    kept = {"namespace": namespace, **_kept(metadata)}
    if problem := _wrong_metadata(kept):
        raise RefusedError(problem)
    body = {**raw, "metadata": kept}
    body.pop("status", None)
    if kind in PLURALS:
        _valid(PLURALS[kind], body)
    return Document(str(kind), kept["namespace"], kept["name"], body)


def _kept(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What people say of an object; the rest is the API server's."""
    said = ("name", "namespace", "labels", "annotations")
    return {key: metadata[key] for key in said if metadata.get(key) is not None}


def _wrong_metadata(metadata: Mapping[str, Any]) -> str:
    name, namespace = metadata.get("name"), metadata["namespace"]
    if not isinstance(name, str) or len(name) > 253 or not re.fullmatch(DNS_SUBDOMAIN, name):
        return f"metadata.name: expected a DNS name (a-z, 0-9, '-'), found {_shown(name)}"
    if not isinstance(namespace, str) or (problem := namespace_name_error(namespace)):
        return f"metadata.namespace: {problem if isinstance(namespace, str) else _shown(namespace)}"
    for part in ("labels", "annotations"):
        values = metadata.get(part, {})
        if not isinstance(values, Mapping) or not all(isinstance(each, str) for each in values.values()):
            return f"metadata.{part}: expected texts by name, found {_shown(values)}"
        # Of an annotation's key the API server looks at no case.
        keys = [str(key) if part == "labels" else str(key).lower() for key in values]
        wrong = next((key for key in keys if not _is_label_key(key)), None)
        if wrong is not None:
            return f"metadata.{part}: expected the key of a label, found {_shown(wrong)}"
    for key, value in metadata.get("labels", {}).items():
        if len(value) > 63 or not _LABEL_VALUE.fullmatch(value):
            return f"metadata.labels.{key}: expected at most 63 of A-Z a-z 0-9 - _ ., found {_shown(value)}"
    return ""


def _is_label_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not re.fullmatch(DNS_SUBDOMAIN, prefix)):
        return False
    return re.fullmatch(LABEL_NAME, name) is not None


def _valid(plural: str, body: Body) -> Any:
    """Read an object of ours by its model."""
    plain = {key: value for key, value in body.items() if key != "status"}
    try:
        return MODELS[plural].from_manifest(plain)
    except ValidationError as error:
        raise RefusedError("\n".join(map(_line, error.errors(include_url=False)))) from None


def _line(error: Any) -> str:
    field = ".".join(map(str, error["loc"]))
    said = str(error["msg"]).removeprefix("Value error, ")
    found = "" if error["type"] == "missing" else f", found {_shown(error['input'])}"
    return f"{field}: {said}{found}" if field else said


def _shown(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _called(raw: object, number: int) -> str:
    """Name a document that may be anything."""
    document: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return f"document {number} ({document.get('kind') or 'no kind'} {name or 'without a name'})"
