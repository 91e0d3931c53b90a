"""The moments of one activation, and the parts between them. All clocks are that of the one machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

MOMENTS: Final = ("stored", "made", "bound", "process", "imported", "claimed", "consumed", "delta")
"""In this order: the message is in the inbox, the pod exists, has a node, its process begins, has imported
everything, holds the agent, has taken the message, shows the first words of the answer."""


@dataclass(frozen=True)
class Stage:
    """What lies between two moments that follow one another."""

    title: str
    begin: str
    end: str
    colour: str


STAGES: Final = (
    Stage("operator: message stored → pod made", "stored", "made", "#30638e"),
    Stage("scheduler: a node for the pod", "made", "bound", "#66a182"),
    Stage("kubelet and container runtime: until the process begins", "bound", "process", "#edae49"),
    Stage("Python starts and imports", "process", "imported", "#d1495b"),
    Stage("connection to Redis and claim", "imported", "claimed", "#7d5ba6"),
    Stage("the message is taken (next)", "claimed", "consumed", "#8d99ae"),
    Stage("first turn until its first words, the model included", "consumed", "delta", "#c9a227"),
)


@dataclass(frozen=True)
class Activation:
    """One message to an agent without a pod; `moments` in seconds since the epoch."""

    agent: str
    moments: Mapping[str, float]

    def between(self, begin: str, end: str) -> float:
        """Seconds from one moment to another."""
        return self.moments[end] - self.moments[begin]

    def stages(self) -> dict[str, float]:
        """Seconds of each stage. What the API server tells after a later moment counts as of that moment."""
        found, reached = {}, self.moments["stored"]
        later = {
            moment: min(self.moments[each] for each in MOMENTS[at:]) for at, moment in enumerate(MOMENTS)
        }
        for stage in STAGES:
            end = max(reached, later[stage.end])
            found[stage.title] = end - reached
            reached = end
        return found


def means(activations: Sequence[Activation]) -> dict[str, float]:
    """The mean of each stage: unlike medians, means add up to the whole."""
    every = [each.stages() for each in activations]
    return {stage.title: fmean(one[stage.title] for one in every) for stage in STAGES}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies; of few values the nearest that there is."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
