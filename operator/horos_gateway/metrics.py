"""What the gateway counts, and how Prometheus reads it. The only file here that knows its client."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from horos_api import metrics as words
from horos_api.metrics import Metric
from horos_bus.connection import BusError
from horos_gateway.problems import ProblemError

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Those that are counted by their names; a caller may invent any."""


class Metrics:
    """The counters of one gateway process, in a registry of their own. `wall` is seconds since the epoch."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series of each
        self._wall = wall
        self.registry: Final = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = self._counter(words.REQUESTS)
        self._seconds = self._histogram(words.REQUEST_SECONDS)
        self._messages = self._counter(words.MESSAGES)
        self._event_lag = self._histogram(words.EVENT_LAG)
        self._bus_errors = self._counter(words.BUS_ERRORS)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """An answer has begun, so many seconds after its request."""
        self._requests.labels(route, method if method in METHODS else "other", str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    @contextmanager
    def sending(self) -> Iterator[Callable[[bool], None]]:
        """Count a message: call what is yielded when it was accepted, with whether it had been before.

        What is raised instead says why it was not.
        """
        try:
            yield lambda duplicate: self._messages.labels("duplicate" if duplicate else "accepted").inc()
        except ProblemError as problem:
            self._messages.labels(problem.kind).inc()
            raise
        except BusError:
            self._messages.labels("bus").inc()
            raise

    def written(self, event_id: str) -> None:
        """A watcher who is up to date has got events, this one first."""
        milliseconds = int(event_id.partition("-")[0])
        self._event_lag.observe(max(0.0, self._wall() - milliseconds / 1000))

    def bus_failed(self, error: BusError) -> None:
        """Redis has not done what it was asked to."""
        self._bus_errors.labels(error.kind).inc()

    def read(self, metric: Metric, value: Callable[[], float]) -> None:
        """Ask for a value whenever somebody scrapes."""
        Gauge(metric.name, metric.help, registry=self.registry).set_function(value)

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
