"""What a scraper reads, for tests: every line parsed by Prometheus' own client."""

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Scraped:
    """One answer of /metrics."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

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
    """Parse an answer; no sample may come twice."""
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, f"twice: {key}"
            samples[key] = sample.value
    return Scraped(samples)
