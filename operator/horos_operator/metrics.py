"""What the operator counts, and how Prometheus reads it. The only file here that knows its client."""

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from horos_api import metrics as words
from horos_api.metrics import Metric
from horos_operator.kube.counted import Asked


class Metrics:
    """The counters of one operator process, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series of each
        self.registry: Final = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._api_writes = self._counter(words.API_WRITES)
        self._api_seconds = self._histogram(words.API_SECONDS)

    def asked(self, request: Asked) -> None:
        """The API server was asked for something."""
        if request.writes:
            self._api_writes.labels(request.verb, request.kind, request.outcome).inc()
        self._api_seconds.labels(request.verb, request.kind).observe(request.seconds)

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
