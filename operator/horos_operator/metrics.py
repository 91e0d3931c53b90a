"""What the operator counts, and how Prometheus reads it. The only file here that knows its client."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from horos_api import metrics as words
from horos_api.metrics import Metric
from horos_api.money import NANO
from horos_bus.connection import BusError
from horos_operator.activations import Activated, Granted
from horos_operator.census import QUEUED, Census, Counts, Spent
from horos_operator.cluster import ClusterError, NotLeadingError

if TYPE_CHECKING:  # a machine without a cluster counts, too
    from horos_operator.kube.counted import Asked


class Metrics:
    """The counters of one operator process, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series of each
        self.registry: Final = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._api_writes = self._counter(words.API_WRITES)
        self._api_seconds = self._histogram(words.API_SECONDS)
        self._reconcile_seconds = self._histogram(words.RECONCILE_SECONDS)
        self._reconcile_errors = self._counter(words.RECONCILE_ERRORS)
        self._watch_events = self._counter(words.WATCH_EVENTS)
        self._bus_errors = self._counter(words.BUS_ERRORS)
        self._queue_wait = self._histogram(words.QUEUE_WAIT)
        self._activations = self._counter(words.ACTIVATIONS)
        self._activation_seconds = self._histogram(words.ACTIVATION_SECONDS)
        self._turns = self._counter(words.TURNS)
        self._tokens = self._counter(words.TOKENS)
        self._cost = self._counter(words.COST)

    def asked(self, request: "Asked") -> None:
        """The API server was asked for something."""
        if request.writes:
            self._api_writes.labels(request.verb, request.kind, request.outcome).inc()
        self._api_seconds.labels(request.verb, request.kind).observe(request.seconds)

    def heard(self, kind: str) -> None:
        """A watch has told of something."""
        self._watch_events.labels(kind).inc()

    def bus_failed(self, error: BusError) -> None:
        """Redis has not done what it was asked to."""
        self._bus_errors.labels(error.kind).inc()

    def passing(self) -> "_Pass":
        """Measure one pass, and count it if it fails."""
        return _Pass(self._reconcile_seconds, self._reconcile_errors)

    def granted(self, grant: Granted) -> None:
        """An agent got a slot."""
        self._queue_wait.labels(grant.namespace).observe(grant.seconds)

    def activated(self, activation: Activated) -> None:
        """An agent got a process."""
        self._activations.labels(activation.namespace).inc()
        for stage, seconds in activation.seconds.items():
            self._activation_seconds.labels(stage).observe(seconds)

    def spent(self, namespace: str, model: str, spent: Spent) -> None:
        """An agent has used its model."""
        if spent.turns:
            self._turns.labels(namespace, model).inc(spent.turns)
        if spent.prompt_tokens or spent.completion_tokens:
            self._tokens.labels(namespace, model, "prompt").inc(spent.prompt_tokens)
            self._tokens.labels(namespace, model, "completion").inc(spent.completion_tokens)
        if spent.cost:
            self._cost.labels(namespace, model).inc(spent.cost / NANO)

    def forget(self, namespace: str) -> None:
        """Tell no more of a namespace; should it come back, its counters begin at nothing again."""
        for counted in (self._queue_wait, self._activations, self._turns, self._tokens, self._cost):
            counted.remove_by_labels({"namespace": namespace})

    def read(self, metric: Metric, value: Callable[[], float]) -> None:
        """Ask for a value, in another thread, whenever somebody scrapes."""
        Gauge(metric.name, metric.help, registry=self.registry).set_function(value)

    def read_agents(self, census: Census, leads: Callable[[], bool], limit: int) -> None:
        """Tell of agents while this process leads; of each one, too, if they are no more than `limit`."""
        self.registry.register(_Agents(census, leads, limit))

    def exposition(self, accept: str) -> tuple[str, bytes]:
        """Write everything down in the format that the scraper accepts; returns its media type first."""
        encoder, media_type = choose_encoder(accept)
        return media_type, encoder(self.registry)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.help, metric.labels, registry=self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(
            metric.name, metric.help, metric.labels, registry=self.registry, buckets=metric.bounds
        )


class _Pass:
    """One pass of the reconciler."""

    def __init__(self, seconds: Histogram, errors: Counter) -> None:
        self._seconds = seconds
        self._errors = errors

    def __enter__(self) -> Self:
        self._begun = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seconds.observe(time.perf_counter() - self._begun)
        if error is not None and not isinstance(error, NotLeadingError | asyncio.CancelledError):
            self._errors.labels(_of_the_pass(error)).inc()


class _Agents(Collector):
    """Metrics that are read from the census at each scrape."""

    def __init__(self, census: Census, leads: Callable[[], bool], limit: int) -> None:
        self._census = census
        self._leads = leads
        self._limit = limit

    def collect(self) -> Iterator[Family]:
        """Give every family, without samples where there is nothing to tell."""
        leads = self._leads()
        residencies = self._census.residencies() if leads else Counts()
        namespaces = {namespace for namespace, _ in residencies}
        yield _gauge(words.AGENTS, residencies.items())
        yield _gauge(words.UNREADY, self._census.unready().items() if leads else ())
        dead = self._census.dead_letters() if leads else {}
        yield _gauge(words.DEAD_LETTERS, [((namespace,), count) for namespace, count in dead.items()])
        yield _gauge(words.QUEUE_LENGTH, [((each,), residencies[each, QUEUED]) for each in namespaces])
        yield from self._each_agent(leads=leads)

    def _each_agent(self, *, leads: bool) -> Iterator[Family]:
        agents = self._census.agents() if leads else []
        if len(agents) > self._limit:
            agents = []
        turns, tokens, cost = map(_counter_family, (words.AGENT_TURNS, words.AGENT_TOKENS, words.AGENT_COST))
        for key, each in agents:
            if (used := each.usage) is not None:
                turns.add_metric(key, used.turns)
                tokens.add_metric((*key, "prompt"), used.prompt_tokens)
                tokens.add_metric((*key, "completion"), used.completion_tokens)
                cost.add_metric(key, used.cost / NANO)
        yield from (turns, tokens, cost)


def _gauge(metric: Metric, values: Iterable[tuple[Sequence[str], int]]) -> Family:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def _counter_family(metric: Metric) -> CounterMetricFamily:
    return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)


def _of_the_pass(error: BaseException) -> str:
    if isinstance(error, ClusterError):
        return "cluster"
    return "bus" if isinstance(error, BusError) else "defect"
