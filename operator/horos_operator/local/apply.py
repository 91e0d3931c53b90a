"""What `kubectl apply` makes of an object that is there: what was said last time is taken back. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from horos_operator.local.store import Body

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def newly_applied(wanted: Body) -> dict[str, Any]:
    """Build an object that is not there yet, which remembers what was asked for."""
    metadata = wanted["metadata"]
    annotations = {**metadata.get("annotations", {}), LAST_APPLIED: orjson.dumps(_said(wanted)).decode()}
    return {**wanted, "metadata": {**metadata, "annotations": annotations}}


def applied(there: Body, wanted: Body) -> dict[str, Any]:
    """Bring an object to what is wanted. What others have set and nobody asked for before stays."""
    wanted = newly_applied(wanted)
    annotations = there["metadata"].get("annotations") or {}
    last = orjson.loads(annotations.get(LAST_APPLIED, "{}"))
    said, kept = _said(there), _said(wanted)
    merged = {part: _merged(said[part], last.get(part) or {}, kept[part]) for part in said}
    metadata = {key: value for key, value in there["metadata"].items() if key not in merged}
    metadata |= {part: merged[part] for part in ("labels", "annotations") if merged[part]}
    return {**there, "metadata": metadata, "spec": merged["spec"]}


def _said(wanted: Body) -> dict[str, Any]:
    metadata = wanted["metadata"]
    return {
        "spec": wanted.get("spec") or {},
        "labels": metadata.get("labels") or {},
        "annotations": metadata.get("annotations") or {},
    }


def _merged(there: Any, last: Any, wanted: Any) -> Any:
    """Merge by three: lists and plain values are replaced as a whole."""
    if not isinstance(wanted, Mapping) or not isinstance(there, Mapping):
        return wanted
    before = last if isinstance(last, Mapping) else {}
    gone = before.keys() - wanted.keys()
    kept = {key: value for key, value in there.items() if key not in gone}
    return kept | {key: _merged(there.get(key), before.get(key), value) for key, value in wanted.items()}
