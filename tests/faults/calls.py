"""What a request to the API server is, in the words that points are named with. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from horos_api.names import FINALIZER

_VERBS: Final[Mapping[str, str]] = {"POST": "create", "PUT": "put", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Call:
    """One request. `verb` is create, put, patch, delete, list, watch or get; `kind` the plural.

    `part` is the subresource, `url` the path with its query.
    """

    verb: str
    kind: str
    namespace: str
    name: str
    part: str
    url: str
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.verb in _VERBS.values()


def call_of(method: str, url: str, body: bytes = b"") -> Call:
    """Read a request; one that is about no object (discovery, `/version`) has an empty `kind`."""
    parts = urlsplit(url)
    words = parts.path.strip("/").split("/")
    rest = words[2:] if words[0] == "api" else words[3:] if words[0] == "apis" else []
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    kind, name, part = (*rest, "", "", "")[:3]
    verb = _VERBS.get(method, "")
    if not verb:
        watches = "watch" in parse_qs(parts.query, keep_blank_values=True)
        verb = "watch" if watches else "get" if name else "list"
    return Call(verb, kind, namespace, name, part, url, _read(body) if method in _VERBS else {})


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def event_of(call: Call, ended: Callable[[str], bool]) -> str:
    """Name a write, as `<kind>.<what>`; `ended` says of a pod whether nothing of it runs any more."""
    return f"{call.kind}.{call.part or _what(call, ended)}"


def _what(call: Call, ended: Callable[[str], bool]) -> str:
    match call.kind, call.verb:
        case "pods", "delete":
            return "delete-ended" if ended(call.name) else "delete-live"
        case "agents" | "groups", "patch":
            return _change_of_our_own(call.body)
        case "secrets", _:
            return f"{call.verb}-{call.name or call.body['metadata']['name']}"
        case "leases", "patch":
            return "renew" if call.body.get("spec", {}).get("holderIdentity") else "give-back"
        case _:
            return call.verb


def _change_of_our_own(body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata", {})
    if "finalizers" in metadata:
        return "finalizer-on" if FINALIZER in metadata["finalizers"] else "finalizer-off"
    if "ownerReferences" in metadata:
        return "owner"
    return "mode" if "operatingMode" in body.get("spec", {}) else "patch"
