"""What the pods that have ended tell: which was the last, how often they failed, how long they are kept."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from horos_operator.facts import PodFacts
from horos_operator.pods import pod_number

KEEP_FAILED_SECONDS: Final = 600.0
LONGEST_DELAY_SECONDS: Final = 300.0
HEALTHY_LIFE_SECONDS: Final = 600.0
"""A pod that lived this long before it failed starts the count of failures anew."""
SHORT_LIFE_SECONDS: Final = 5.0
"""A pod that ended well sooner than this and never claimed is taken for a failure, or it could be made again
without end."""


def keep_until(pod: PodFacts) -> float:
    """Until when a failed pod is kept for its log, in seconds since the epoch."""
    return (pod.ended.at if pod.ended else pod.created) + KEEP_FAILED_SECONDS


def last_ended(pods: Iterable[PodFacts]) -> PodFacts | None:
    """The pod that ended last."""
    ended = [pod for pod in pods if pod.dead]
    return max(ended, key=lambda pod: (pod.ended.at if pod.ended else pod.created, pod.name), default=None)


def failures_until(last: PodFacts, epoch: int) -> int:
    """Count how many incarnations have failed one after the other, this one included.

    `epoch` is how often the agent was claimed.
    """
    number = pod_number(last.name)
    lived = (last.ended.at - last.created) if last.ended else 0.0
    if not last.failed and (number <= epoch or lived >= SHORT_LIFE_SECONDS):
        return 0
    if number < epoch:
        return 0  # a later one has claimed since, and has left no trace of a failure
    return 1 if lived >= HEALTHY_LIFE_SECONDS else last.failures + 1


def delay_after(failures: int) -> float:
    """For how many seconds after the last of so many failures the next pod has to wait."""
    return min(LONGEST_DELAY_SECONDS, 2.0 ** min(failures - 1, 16))


def next_try(last: PodFacts, epoch: int) -> str:
    """Say from when on the pod after this failed one may be made. It stays the same until that one fails."""
    failures = failures_until(last, epoch)
    if last.ended is None or not failures:
        return ""
    at = datetime.fromtimestamp(last.ended.at + delay_after(failures), UTC)
    often = f" after {failures} failures in a row" if failures > 1 else ""
    return f"; tried again from {at:%H:%M:%S} UTC on{often}"
