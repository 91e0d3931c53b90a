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
RECONCILE_SECONDS: Final = _histogram(
    "horos_reconcile_seconds",
    (),
    _PASS,
    "Passes over one agent each, those that failed included: what was observed, planned, done and told.",
)
RECONCILE_ERRORS: Final = Metric(
    "horos_reconcile_errors_total",
    "counter",
    ("kind",),
    "Passes that failed and are tried again. kind: cluster (the API server), bus (Redis), defect (the "
    "operator's own; its log has the traceback).",
)
QUEUE_KEYS: Final = Metric(
    "horos_queue_keys", "gauge", (), "Agents that wait for a pass right now; not those that wait for a pod."
)
LEADER: Final = Metric(
    "horos_leader",
    "gauge",
    (),
    "1 while this operator leads. Only a leader tells of agents and activations, so their sums are right.",
)
SWEEP_AGE: Final = Metric(
    "horos_sweep_age_seconds",
    "gauge",
    (),
    "Since the last full sweep that went well, or since the start: grows while Kubernetes or Redis is away.",
)
WATCH_EVENTS: Final = Metric(
    "horos_watch_events_total", "counter", ("kind",), "What watches told, by the resource that it was about."
)
BUS_ERRORS: Final = Metric(
    "horos_bus_errors_total",
    "counter",
    ("kind",),
    "Commands that Redis did not carry out. kind: unavailable, credentials (not accepted), not-permitted (to "
    "this user), refused (anything else: it is full, a script failed).",
)
AGENTS: Final = Metric(
    "horos_agents",
    "gauge",
    ("namespace", "residency"),
    "Agents. residency: resident (a pod holds it), starting, hibernated, queued (waits for a slot), "
    "suspended, terminated, deleting, or stuck (anything else: condition Scheduled says what).",
)
UNREADY: Final = Metric(
    "horos_agents_unready",
    "gauge",
    ("namespace", "reason"),
    "Agents whose condition Ready is False, by its reason.",
)
DEAD_LETTERS: Final = Metric(
    "horos_dead_letters", "gauge", ("namespace",), "Messages that agents have given up and still keep."
)
QUEUE_LENGTH: Final = Metric(
    "horos_queue_length", "gauge", ("namespace",), "Agents that wait for a slot of their namespace's pool."
)
QUEUE_WAIT: Final = _histogram(
    "horos_queue_wait_seconds",
    ("namespace",),
    _WAIT,
    "From the moment that an agent needed a pod until it was granted one.",
)
ACTIVATIONS: Final = Metric(
    "horos_activations_total",
    "counter",
    ("namespace",),
    "Agents that needed a process and got one. Not in it: births, and what began before this operator led.",
)
ACTIVATION_SECONDS: Final = _histogram(
    "horos_activation_seconds",
    ("stage",),
    _ACTIVATION,
    "Activations, from the need to each stage: granted (a slot), created (the pod), scheduled (to a node), "
    "running (its container), claimed (the inbox; the whole activation, by the clock of Redis; the others as "
    "this operator saw them). Counted when it is claimed.",
)
TURNS: Final = Metric(
    "horos_turns_total", "counter", ("namespace", "model"), "Turns that agents have finished; model as below."
)
TOKENS: Final = Metric(
    "horos_tokens_total",
    "counter",
    ("namespace", "model", "direction"),
    "Tokens that models read (prompt) and wrote (completion). model: the agent's own, as it is configured "
    "when the operator learns of them; what a fallback used counts there too: agents add up all models.",
)
COST: Final = Metric(
    "horos_cost_total",
    "counter",
    ("namespace", "model"),
    "Money for models, in the prices' currency; model as for horos_tokens_total.",
)
AGENT_TURNS: Final = Metric(
    "horos_agent_turns_total",
    "counter",
    ("namespace", "agent"),
    "Turns of one agent in all its life. The metrics of single agents are left out altogether when there are "
    "more agents than metrics.perAgentLimit.",
)
AGENT_TOKENS: Final = Metric(
    "horos_agent_tokens_total",
    "counter",
    ("namespace", "agent", "direction"),
    "Tokens of one agent in all its life: prompt or completion.",
)
AGENT_COST: Final = Metric(
    "horos_agent_cost_total",
    "counter",
    ("namespace", "agent"),
    "Money for one agent in all its life, in the prices' currency.",
)
OPERATOR_METRICS: Final = (
    AGENTS,
    UNREADY,
    DEAD_LETTERS,
    QUEUE_LENGTH,
    QUEUE_WAIT,
    ACTIVATIONS,
    ACTIVATION_SECONDS,
    TURNS,
    TOKENS,
    COST,
    AGENT_TURNS,
    AGENT_TOKENS,
    AGENT_COST,
    API_WRITES,
    API_SECONDS,
    RECONCILE_SECONDS,
    RECONCILE_ERRORS,
    QUEUE_KEYS,
    LEADER,
    SWEEP_AGE,
    WATCH_EVENTS,
    BUS_ERRORS,
)

REQUESTS: Final = Metric(
    "horos_gateway_requests_total",
    "counter",
    ("route", "method", "status"),
    "Requests that were answered. route: the path with its variables unnamed, `other` for paths that there "
    "are not; 499 when there was no answer.",
)
REQUEST_SECONDS: Final = _histogram(
    "horos_gateway_request_seconds",
    ("route",),
    _REQUEST,
    "From a request until its answer begins; a stream of events may go on for hours after that.",
)
STREAMS: Final = Metric(
    "horos_gateway_streams", "gauge", (), "Streams of events that are open: one for each watcher."
)
MESSAGES: Final = Metric(
    "horos_gateway_messages_total",
    "counter",
    ("outcome",),
    "Messages that callers with a valid token handed in. outcome: accepted, duplicate (accepted before), or "
    "the problem's type (inbox-full, not-found, terminated, too-large, bad-request, media-type, bus).",
)
EVENT_LAG: Final = _histogram(
    "horos_gateway_event_lag_seconds",
    (),
    _LAG,
    "From Redis having an event until it goes to a watcher who is up to date, first deltas among them; of "
    "events that go out together the oldest. By two clocks, unless Redis is on the gateway's node.",
)
GATEWAY_METRICS: Final = (REQUESTS, REQUEST_SECONDS, STREAMS, MESSAGES, EVENT_LAG, BUS_ERRORS)
