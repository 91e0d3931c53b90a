"""What a scraper reads, for tests: parsed by Prometheus' own client, with every name and label known."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as strictly,
)
from prometheus_client.parser import text_string_to_metric_families

from horos_api.metrics import GATEWAY_METRICS, OPERATOR_METRICS, Metric

LISTED = {each.name: each for each in (*OPERATOR_METRICS, *GATEWAY_METRICS)}
OURS = "horos_"


@dataclass(frozen=True)
class Scraped:
    """One answer of /metrics: its samples, and the names, kinds and meanings of our metrics."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]
    told: dict[str, tuple[str, str]]

    def value(self, sample: str, **labels: str) -> float | None:
        """The value of one sample, by its name and all its labels; None when there is none."""
        return self.samples.get((sample, frozenset(labels.items())))

    def labelled(self, sample: str) -> dict[tuple[str, ...], float]:
        """Every sample of this name: the values of its labels, in the order of the labels' names."""
        return {
            tuple(value for _, value in sorted(labels)): number
            for (name, labels), number in self.samples.items()
            if name == sample
        }


def scraped(text: str) -> Scraped:
    """Parse an answer; no sample may come twice, and each of ours has the labels that it is listed with."""
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    told: dict[str, tuple[str, str]] = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        if name.startswith(OURS):
            told[name] = (family.type, family.documentation)
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, f"twice: {key}"
            assert not name.startswith(OURS) or set(sample.labels) - {"le"} == set(LISTED[name].labels), key
            samples[key] = sample.value
    return Scraped(samples, told)


def strict(text: str) -> set[str]:
    """Parse an answer in the format that allows nothing odd; returns the names of its families."""
    return {family.name for family in strictly(text)}


def listed(metrics: Iterable[Metric]) -> dict[str, tuple[Any, str]]:
    """What a process must tell to tell of these."""
    return {each.name: (each.kind, each.help) for each in metrics}
