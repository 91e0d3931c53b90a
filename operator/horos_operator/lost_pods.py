"""Pods that nobody will ever say have ended, since their node is dead. Pure.

Kubelet alone confirms that a pod has ended, so one on a dead node stays for ever and holds its place in the
quota. Two things tell it without a look at nodes, which would cost the operator rights over all of them. The
node controller takes back that a pod is ready when its node is silent, and leaves alone that its containers
are, which kubelet never says. And a pod that is being deleted says until when it has ended at the latest.

Its process may be alive all the same, behind a network that is cut. It holds nothing any more: the bus takes
the agent from it, and whatever it still tries is refused there.
"""

from collections.abc import Iterable
from typing import Final

from horos_operator.facts import PodFacts

LOST_SECONDS: Final = 30.0
"""How long a node may be silent, or an end late, before a pod is written off."""


def why_lost(pod: PodFacts, now: float) -> str:
    """Say why a pod is written off, '' when it is not. `now` is in seconds since the epoch."""
    if pod.dead:
        return ""
    if pod.silent_since and now >= pod.silent_since + LOST_SECONDS:
        return "its node is not ready"
    if pod.leaves_by and now >= pod.leaves_by + LOST_SECONDS:
        return "it should have ended long ago, and its node does not say so"
    return ""


def seconds_to_loss(pods: Iterable[PodFacts], now: float) -> float | None:
    """In how many seconds the first of these pods would be written off if nothing changes."""
    live = [pod for pod in pods if not pod.dead and not why_lost(pod, now)]
    since = [pod.silent_since for pod in live if pod.silent_since]
    since += [pod.leaves_by for pod in live if pod.leaves_by]
    return min(since) + LOST_SECONDS - now if since else None
