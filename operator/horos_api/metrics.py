"""What operator and gateway count for Prometheus: name, kind, labels and meaning of each metric.

Both processes make their instruments from these lists, and docs/metrics.md is written from them.
"""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `bounds` are the upper ends of a histogram's buckets, in the metric's unit."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    bounds: tuple[float, ...] = ()


def _histogram(name: str, labels: tuple[str, ...], bounds: tuple[float, ...], meaning: str) -> Metric:
    return Metric(name, "histogram", labels, meaning, bounds)


_REQUEST: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PASS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
_ACTIVATION: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
_WAIT: Final = (0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
_LAG: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

API_WRITES: Final = Metric(
    "horos_api_writes_total",
    "counter",
    ("verb", "kind", "outcome"),
    "Writes that this operator sent to the API server. verb: create, update, patch, delete; kind: the "
    "resource as RBAC spells it, with its subresource (pods, agents/status); outcome: ok, refused (400, 403, "
    "422), gone (404), conflict (409), throttled (429), failed (another status), unreachable (no answer), "
    "cut-off (given up here before there was an answer). Nobody who does not lead writes, but for its Lease.",
)
API_SECONDS: Final = _histogram(
    "horos_api_seconds",
    ("verb", "kind"),
    _REQUEST,
    "Requests of this operator to the API server, reads (get, list) included, until they were answered or "
    "failed. Watches are not in it.",
)
OPERATOR_METRICS: Final = (API_WRITES, API_SECONDS)
